"""A Docker Engine of the tests' own: its network namespace, its folders and its socket; none that runs is touched."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.engine import Engine
from tools.lab.image import build_image

NEEDED = ("dockerd", "containerd", "unshare", "ip", "busybox")
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 40
BROKEN_RUNTIME = "broken"
"""Registered, and able to run nothing."""
IMAGE = "busybox:lab"
OTHER_IMAGE = "busybox:lab2"


class Dockerd:
    """One dockerd that can be stopped and started again on the same folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self.engine = Engine(self.host)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        for driver in ("overlay2", "vfs"):
            self._process = self._spawn(driver)
            if self._answers():
                return
            self.stop()
        raise RuntimeError(f"dockerd did not start: {self._log()[-2000:]}")

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(STOP_SECONDS_MAX)
            self._process = None

    def load_images(self) -> None:
        self.engine.load(build_image({IMAGE: "1", OTHER_IMAGE: "2"}))

    def remove_containers(self) -> None:
        for container in self.engine.json("GET", "/containers/json?all=1"):
            self.engine.call("DELETE", f"/containers/{container['Id']}?force=1&v=1")

    def _spawn(self, driver: str) -> subprocess.Popen[bytes]:
        (self.folder / "docker.sock").unlink(missing_ok=True)
        argv = [
            "dockerd",
            "--data-root", str(self.folder / "data"),
            "--exec-root", str(self.folder / "exec"),
            "--pidfile", str(self.folder / "docker.pid"),
            "--host", self.host,
            "--storage-driver", driver,
            "--live-restore",
            "--add-runtime", f"{BROKEN_RUNTIME}=/bin/false",
            "--log-level", "warn",
        ]  # fmt: skip
        if shutil.which("crun"):
            argv += ["--add-runtime", f"crun={shutil.which('crun')}"]
        # A network namespace of its own, so that its bridge and its firewall rules meet nobody's; and where cgroups are
        # of both versions, only the first: crun refuses the mixture.
        prepare = 'ip link set lo up; umount -q /sys/fs/cgroup/unified; exec "$@"'
        namespaces = ["unshare", "--net", "--mount", "--propagation", "slave"]
        inside = [*namespaces, "sh", "-c", prepare, "dockerd", *argv]
        with (self.folder / "dockerd.log").open("ab") as log:
            return subprocess.Popen(inside, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _answers(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            if self.engine.answers():
                return True
            time.sleep(0.05)
        return False

    def _log(self) -> str:
        return (self.folder / "dockerd.log").read_text(encoding="utf-8", errors="replace")


def missing() -> str:
    """Return why no Engine can be started here, or ""."""
    if os.geteuid():
        return "needs root"
    return ", ".join(f"{name} is not installed" for name in NEEDED if shutil.which(name) is None)


@contextlib.contextmanager
def running() -> Iterator[Dockerd]:
    """Start an Engine with the lab's images, and leave nothing of it behind."""
    folder = Path(tempfile.mkdtemp(prefix="swarmlet-dockerd-"))
    dockerd = Dockerd(folder)
    try:
        dockerd.start()
        dockerd.load_images()
        yield dockerd
    finally:
        with contextlib.suppress(OSError, RuntimeError):
            dockerd.remove_containers()
        dockerd.stop()
        subprocess.run(["sh", "-c", f"umount -q {folder}/data/*/* {folder}/exec/netns/* 2>/dev/null"], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def dockerd() -> Iterator[Dockerd]:
    """An Engine for the whole session; each test removes the containers that it made."""
    reason = missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"tests on Docker may not be skipped in CI: {reason}")
    if reason:
        pytest.skip(reason)
    with running() as engine:
        yield engine
