"""Fixtures that several rooms share."""

from __future__ import annotations

import pytest

from tests.dockerd import dockerd

__all__ = ["dockerd"]


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests on Docker on one worker: one Engine serves them all."""
    for item in items:
        if dockerd.__name__ in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("docker"))
