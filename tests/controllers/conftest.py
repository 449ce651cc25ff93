from __future__ import annotations

import pytest

from tests.controllers.virtual_time import VirtualPolicy


@pytest.fixture(scope="session")
def event_loop_policy():
    return VirtualPolicy()
