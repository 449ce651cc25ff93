"""Which Pod `exec`, `attach`, `logs` and `port-forward` take, and how long they wait for one."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.cli.inside import conversation
from swarmlet.model import kinds
from tests.cli import objects
from tests.cli.conftest import Cluster


@pytest.fixture
def held(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Apply the Deployment web; return the path and command of each conversation."""
    (cluster.folder / "web.yaml").write_text(objects.WEB, encoding="utf-8")
    cluster.ok("apply", "-f", str(cluster.folder / "web.yaml"))
    found: list[tuple[str, list[str]]] = []

    async def hold(_session: Any, path: str, query: conversation.Query, **_: Any) -> int:
        found.append((path, [word for key, word in query if key == "command"]))
        return 0

    monkeypatch.setattr(conversation, "hold", hold)
    return found


def put(cluster: Cluster, name: str) -> None:
    objects.put(cluster.replica, kinds.POD, objects.pod(name))


def test_a_file_may_name_it(cluster: Cluster, held: list[tuple[str, list[str]]]) -> None:
    cluster.do(lambda: put(cluster, "web-1"))
    cluster.ok("exec", "-f", str(cluster.folder / "web.yaml"), "--", "echo", "x")
    assert held == [("/api/v1/namespaces/default/pods/web-1/exec", ["echo", "x"])]


@pytest.mark.parametrize("line", [["exec", "deploy/web", "--", "date"], ["attach", "deploy/web"]])
def test_the_first_pod_is_awaited(cluster: Cluster, held: list[tuple[str, list[str]]], line: list[str]) -> None:
    cluster.once_watched("pods", do=lambda: put(cluster, "web-1"))
    cluster.ok(*line)
    assert [path.split("/")[-2] for path, _ in held] == ["web-1"]


@pytest.mark.parametrize("line", ["exec deploy/web", "attach deploy/web", "logs deploy/web", "port-forward deploy/web"])
@pytest.mark.usefixtures("held")
def test_it_is_not_awaited_for_ever(cluster: Cluster, line: str) -> None:
    port = ["80"] if "port" in line else ["date"] if "exec" in line else []
    flag = "--pod-running-timeout"
    result = cluster.run(*line.split(), flag, "50ms", *port)
    assert (result.code, result.err) == (6, "error: no pods found for deployment.apps/web within 0.05 s\n")
    result = cluster.run(*line.split(), flag, "0s", *port)
    assert (result.code, result.err) == (2, "error: --pod-running-timeout must be higher than zero\n")


@pytest.mark.usefixtures("held")
def test_a_log_begins_at_one_moment_only(cluster: Cluster) -> None:
    result = cluster.run("logs", "web-1", "--since=1m", "--since-time=2030-01-01T00:00:00Z")
    assert (result.code, result.err) == (2, "error: at most one of --since-time or --since may be used\n")
