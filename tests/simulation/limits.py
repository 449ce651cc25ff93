"""The limits that no configuration changes, made so small that every run meets them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from swarmlet.consensus import engine, snapshots
from swarmlet.store import window

SNAPSHOT_PIECE_BYTES = 700
APPLY_ENTRIES_MAX = 5
CHANGES_MAX = 30


@contextmanager
def tiny_limits() -> Iterator[None]:
    """Send snapshots in small pieces, apply a few entries at a time, forget changes soon."""
    with ExitStack() as patched:
        for module, name in (
            (snapshots, "SNAPSHOT_PIECE_BYTES"),
            (engine, "APPLY_ENTRIES_MAX"),
            (window, "CHANGES_MAX"),
        ):
            patched.enter_context(mock.patch.object(module, name, globals()[name]))
        yield
