"""Virtual time, the fake engine, and a node around them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.agent.home import IMAGE, Home
from tests.controllers.virtual_time import VirtualClock, VirtualLoop
from tests.fakes.runtime import Engine, FakeRuntime


class VirtualPolicy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return VirtualLoop()


@pytest.fixture
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    return VirtualPolicy()


@pytest.fixture
def engine() -> Engine:
    return Engine(VirtualClock(), images=[IMAGE])


@pytest.fixture
def home(engine: Engine, tmp_path: Path) -> Home:
    return Home(FakeRuntime(engine), engine.clock, tmp_path)
