"""The daemon's side of the deputy: starts it, tells it of leases, and sees whether it lives."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from swarmlet.clock import Clock
from swarmlet.errors import EngineError
from swarmlet.runtime import deputy
from swarmlet.runtime.runtime import Lease

MEMORY = Path("/dev/shm")  # noqa: S108  what lies there is named by its owner and closed to others
ALIVE_SECONDS_MAX = 2.0
START_SECONDS_MAX = 10.0
STEP_SECONDS = 0.05

log = structlog.get_logger()


class DeputyWatchdog:
    """A `runtime.Watchdog`: a small process beside the daemon. `owner` names the node, `orders` its containers' place.

    A deputy of other orders, or of another version of its program, ends by itself, and is started anew.
    """

    def __init__(self, owner: str, orders: Mapping[str, Any], clock: Clock) -> None:
        version = _digest(Path(deputy.__file__).read_bytes())
        self._orders = json.dumps({**orders, "version": version}, sort_keys=True)
        self._clock = clock
        self.folder = MEMORY / f"swarmlet-deputy-{_digest(owner.encode())}"

    async def start(self) -> None:
        if self.is_watching() and _text(self.folder / "orders.json") == self._orders:
            return
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if self.folder.stat().st_uid != os.geteuid() or self.folder.is_symlink():
                raise EngineError(f"{self.folder} belongs to somebody else; remove it")
            (self.folder / "orders.json").write_text(self._orders, encoding="utf-8")
            if self.last() is None:
                self.renew(Lease(0.0, 0.0))
            starter = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", deputy.__file__, str(self.folder),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            raise EngineError(f"the deputy cannot be started: {error}") from error
        await starter.wait()
        await self._first_sign()
        log.info("deputy_started", folder=str(self.folder))

    def is_watching(self) -> bool:
        try:
            last = float((self.folder / "alive").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return False
        return 0 <= self._clock.monotonic() - last < ALIVE_SECONDS_MAX

    def renew(self, lease: Lease) -> None:
        self._write({"since": lease.since, "until": lease.until})

    def last(self) -> Lease | None:
        try:
            document = json.loads((self.folder / "lease.json").read_text(encoding="utf-8"))
            return Lease(float(document["since"]), float(document["until"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def retire(self) -> None:
        if self.folder.is_dir():
            self._write({"retired": True})
            (self.folder / "orders.json").unlink(missing_ok=True)  # so that it is not taken for one that goes on

    async def _first_sign(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                while not self.is_watching():
                    await self._clock.sleep(STEP_SECONDS)
        except TimeoutError:
            raise EngineError(f"the deputy gives no sign of life in {START_SECONDS_MAX:g} s") from None

    def _write(self, document: Mapping[str, Any]) -> None:
        """Replace lease.json whole."""
        path = self.folder / "lease.json"
        new = path.with_suffix(".new")
        try:
            new.write_text(json.dumps(document), encoding="utf-8")
            new.replace(path)
        except OSError as error:
            raise EngineError(f"{path} cannot be written: {error}") from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
