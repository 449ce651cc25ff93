"""What is here runs on machines, after all else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.libraries.ground import Ground, prepared
from tools.lab.cluster import Cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/clients/libraries/" in str(item.path):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def shared_ground(
    three_machines: Cluster, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    """A namespace for each module."""
    name = "libraries-" + request.module.__name__.rpartition("test_")[2].replace("_", "-")
    with prepared(three_machines, name, tmp_path_factory.mktemp(name)) as ground:
        yield ground


@pytest.fixture
def ground(cluster: Cluster, shared_ground: Ground) -> Ground:
    """The namespace, on a cluster that is whole afterwards."""
    return shared_ground
