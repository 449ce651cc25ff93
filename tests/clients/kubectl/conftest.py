"""Each test here runs with each kubectl; `make test` runs it with the newest alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.clients.kubectl.programs import NEWEST, VERSIONS, Kubectl, installed
from tools.lab.cluster import Cluster

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def kubectl(three_machines: Cluster, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """A kubectl, in a namespace that is new for each module."""
    room = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    with installed(three_machines, request.param, f"{room}-{next(_numbers)}") as program:
        yield program


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kubectl" in metafunc.fixturenames:
        older = [pytest.param(each, marks=pytest.mark.long_clients) for each in VERSIONS if each != NEWEST]
        metafunc.parametrize("kubectl", [NEWEST, *older], scope="module", indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/clients/kubectl/" in str(item.path):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.slow)
