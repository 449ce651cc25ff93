"""The images that this daemon itself has fetched, remembered in a small file: only these it may remove again.

An image that was there before, or that somebody else fetched, is not ours, whatever uses it. Where the file is lost, so
is that knowledge, and nothing is removed for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import structlog

IMAGES_MAX = 1_000
"""Above it the longest unused are forgotten: they stay on the machine."""
FILE_BYTES_MAX = 1024 * 1024

log = structlog.get_logger()


class PulledImages:
    """By name, with the time when each was last used. `file` None: remembered by this daemon only."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._used: dict[str, datetime] = {}

    def load(self) -> None:
        """Read the file; it blocks."""
        if self._file is None or not self._file.exists():
            return
        try:
            with self._file.open("rb") as stream:
                document = json.loads(stream.read(FILE_BYTES_MAX))
            self._used = {str(name): datetime.fromisoformat(at) for name, at in document.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("pulled_images_forgotten", file=str(self._file), error=str(error))

    def save(self) -> None:
        """Write the file, whole or not at all; it blocks."""
        if self._file is None:
            return
        written = self._file.with_suffix(".new")
        try:
            written.write_text(json.dumps({name: at.isoformat() for name, at in self._used.items()}), encoding="utf-8")
            os.replace(written, self._file)  # noqa: PTH105  atomic, and says so
        except OSError as error:
            log.warning("pulled_images_not_saved", file=str(self._file), error=str(error))

    def add(self, name: str, now: datetime) -> None:
        """Note that an image was fetched that was not here."""
        self._used[name] = now
        if len(self._used) > IMAGES_MAX:
            del self._used[min(self._used, key=lambda each: self._used[each])]

    def remove(self, name: str) -> None:
        """Forget an image."""
        self._used.pop(name, None)

    def use(self, names: Collection[str], now: datetime) -> None:
        """Note that images are in use."""
        for name in names:
            if name in self._used:
                self._used[name] = now

    def __contains__(self, name: str) -> bool:
        """Whether an image is ours."""
        return name in self._used

    def longest_unused(self) -> list[tuple[str, datetime]]:
        """Return the images and when they were last used, the longest unused first."""
        return sorted(self._used.items(), key=lambda item: (item[1], item[0]))
