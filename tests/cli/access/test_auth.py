"""`swarmlet auth`, beside kubectl on the same API."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cluster


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "auth whoami",
        "auth whoami -o jsonpath={.status.userInfo.username}",
        "auth can-i list pods",
        "auth can-i get pods/web-1 --subresource=log",
        "auth can-i create deployments.apps -A",
        "auth can-i get /metrics",
        "auth can-i --list",
        "auth can-i --list --no-headers -n other",
    ],
)
def test_it_is_told_as_kubectl_tells_it(cluster: Cluster, line: str) -> None:
    ours, theirs = cluster.run(*line.split()), cluster.kubectl(*line.split())
    assert (ours.code, ours.out, ours.err) == (theirs.code, theirs.out, theirs.err)


def test_what_one_may_not_do_exits_1(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = {"allowed": False, "reason": "nobody said so"}

    async def refuse(*_: object) -> dict[str, object]:
        return {"status": refusal}

    monkeypatch.setattr("swarmlet.cli.access.auth._review", refuse)
    result = cluster.run("auth", "can-i", "delete", "nodes", "-A")
    assert (result.code, result.out) == (1, "no - nobody said so\n")
    assert cluster.run("auth", "can-i", "delete", "pods", "--quiet").out == ""


def test_unknown_words_are_warned_of(cluster: Cluster) -> None:
    result = cluster.run("auth", "can-i", "frob", "pots")
    assert (result.code, result.out) == (0, "yes\n")
    assert "verb 'frob' is not a known verb" in result.err
    assert 'no resource type "pots"' in result.err


@pytest.mark.parametrize("line", ["auth can-i", "auth can-i list", "auth can-i list pods --list"])
def test_a_question_that_asks_nothing_is_refused(cluster: Cluster, line: str) -> None:
    assert cluster.run(*line.split()).code == 2


def test_cluster_info_tells_where_the_api_is(cluster: Cluster) -> None:
    assert f"is running at {cluster.socket}\n" in cluster.ok("cluster-info")
    assert "swarmlet events -A" in cluster.run("cluster-info", "dump").err
