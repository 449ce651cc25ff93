"""What an error adds for who reads it at three in the morning."""

from __future__ import annotations

import asyncio

import pytest

from swarmlet.cli import hints
from swarmlet.errors import ForbiddenError, SwarmletError, UnauthorizedError
from swarmlet.model import kinds
from tests.cli import objects
from tests.cli.conftest import Cluster


@pytest.fixture(autouse=True)
def _pods(cluster: Cluster) -> None:
    for name, namespace in (("web-1", "default"), ("db-0", "other")):
        document = objects.pod(name)
        document["metadata"]["namespace"] = namespace
        cluster.do(lambda document=document: objects.put(cluster.replica, kinds.POD, document))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("get pod web1", 'pods "web1" not found; did you mean web-1?'),
        ("describe pod/db-0", 'pods "db-0" not found; there is one in other: add -n other'),
        ("logs web", 'pods "web" not found; did you mean web-1?'),
        ("get pod xyzzy", 'pods "xyzzy" not found'),
        ("rollout status web", 'no resource type "web"; `swarmlet api-resources` lists them, and an object is named'),
    ],
)
def test_what_is_not_there_is_told_with_what_is(cluster: Cluster, line: str, told: str) -> None:
    assert told in cluster.run(*line.split()).err


def test_a_namespace_that_is_not_there_is_told(cluster: Cluster) -> None:
    result = cluster.run("get", "pods", "-n", "othr")
    assert (result.code, result.err.splitlines()) == (
        0,
        ["No resources found in othr namespace.", "Warning: there is no namespace othr; did you mean other?"],
    )


def test_a_group_tells_its_commands(cluster: Cluster) -> None:
    assert "allowed: status, history, undo" in cluster.run("rollout", "stop", "deploy/web").err


def test_what_rights_would_not_help_is_told_without_them(cluster: Cluster) -> None:
    result = cluster.run("delete", "namespace", "default")
    assert "may not be deleted" in result.err
    assert "can-i" not in result.err


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UnauthorizedError("Unauthorized"), "swarmlet kubeconfig --write"),
        (ForbiddenError('pods is forbidden: User "ann" cannot list resource "pods"'), "auth can-i --list"),
    ],
)
def test_who_is_not_let_in_is_told_what_to_do(error: SwarmletError, told: str) -> None:
    nobody: object = None
    asyncio.run(hints.add(nobody, error))  # type: ignore[arg-type]
    assert told in str(error)
