"""`get --chunk-size`: lists that are asked for in parts, and told as one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from swarmlet.client.connection import Connection, Request
from swarmlet.model import kinds
from tests.cli import objects
from tests.cli.conftest import Cluster

AGE = re.compile(r"\d+s")


@pytest.fixture
def limits(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Put three Pods there; return how many each request for Pods asks for."""
    for name in ("web-1", "web-2", "web-3"):
        document = objects.pod(name)
        cluster.do(lambda document=document: objects.put(cluster.replica, kinds.POD, document))
    asked: list[str | None] = []
    json = Connection.json

    async def noted(self: Connection, request: Request) -> dict[str, Any]:
        if request.path.endswith("/pods"):
            asked.append(request.query.get("limit") or None)
        return await json(self, request)

    monkeypatch.setattr(Connection, "json", noted)
    return asked


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "requests"), [("--chunk-size=1", ["1"] * 3), ("--chunk-size=2", ["2"] * 2), ("--chunk-size=0", [None])]
)
@pytest.mark.parametrize("form", ["-o=name", "--no-headers=false", "--sort-by=.metadata.name"])
def test_pages_are_told_as_kubectl_tells_them(
    cluster: Cluster, limits: list[str | None], size: str, requests: list[str | None], form: str
) -> None:
    ours, theirs = cluster.ok("get", "pods", size, form), cluster.kubectl("get", "pods", size, form)
    assert (AGE.sub("", ours), theirs.err) == (AGE.sub("", theirs.out), "")
    assert limits == requests


def test_a_page_has_five_hundred_if_not_said_otherwise(cluster: Cluster, limits: list[str | None]) -> None:
    cluster.ok("get", "pods")
    assert limits == ["500"]


def test_a_negative_size_is_refused(cluster: Cluster) -> None:
    result = cluster.run("get", "pods", "--chunk-size=-1")
    assert (result.code, "--chunk-size" in result.err) == (2, True)
