"""Virtual time, the fake engine, and a node around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarmlet.agent.volumes import mounts
from tests.agent.home import IMAGE, Home
from tests.fakes.runtime import Engine, FakeRuntime
from tests.virtual_time import VirtualClock, VirtualLoop

ON_SOCKETS = {"test_probe_actions.py", "test_prober_load.py"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on virtual time, unless there is a real Engine, or a socket."""
    is_real = item.get_closest_marker("docker") or item.path.name in ON_SOCKETS
    return {"real": asyncio.new_event_loop} if is_real else {"virtual": VirtualLoop}


@pytest.fixture(autouse=True)
def nothing_mounted(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unmount what a test leaves in its folder: pytest removes that folder, and would remove through the mount."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None:
        mounts.unmount_below(folder)


@pytest.fixture
def engine() -> Engine:
    return Engine(VirtualClock(), images=[IMAGE])


@pytest.fixture
def home(engine: Engine, tmp_path: Path) -> Home:
    return Home(FakeRuntime(engine), engine.clock, tmp_path)
