"""Tests here are on sockets and kernels, but for those that only wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.virtual_time import VirtualLoop

ON_VIRTUAL_TIME = {"test_fabric_keeper.py"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on virtual time what asks for it."""
    return {"virtual": VirtualLoop} if item.path.name in ON_VIRTUAL_TIME else {"real": asyncio.new_event_loop}
