"""`swarmlet wait`, beside the official kubectl on the same objects."""

from __future__ import annotations

import pytest

from swarmlet.cli import wait_conditions
from swarmlet.cli.exits import UsageError
from swarmlet.model import kinds
from swarmlet.store.commands import Delete, Key
from tests.cli import objects
from tests.cli.conftest import Cluster


@pytest.fixture(autouse=True)
def _pods(cluster: Cluster) -> None:
    for name, ready in (("web-1", True), ("web-2", False)):
        document = objects.pod(name, ready=ready)
        cluster.do(lambda document=document: objects.put(cluster.replica, kinds.POD, document))


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "wait --for=condition=Ready pod/web-1",
        "wait --for=condition=ready=false pod web-2",
        "wait --for=condition=Ready pod/web-2 --timeout=300ms",
        "wait --for=jsonpath={.status.phase}=Running pod/web-1",
        "wait --for=jsonpath={.spec.nodeName} pods -l app=web",
        "wait --for=jsonpath={.status.phase}=Running pod/web-2 --timeout=0",
        "wait --for=delete pod/nobody",
        "wait --for=delete pods -l app=nobody",
        "wait --for=create pod/web-1",
        "wait --for=condition=Ready pods -l app=nobody",
        "wait --for=condition=Ready pod/web-1 -o name",
        "wait --for=jsonpath={.spec.nodeName} pods -l app=web -o jsonpath={.metadata.name},",
    ],
)
def test_it_is_told_as_kubectl_tells_it(cluster: Cluster, line: str) -> None:
    ours, theirs = cluster.run(*line.split()), cluster.kubectl(*line.split())
    assert (ours.out, ours.err, ours.code != 0) == (theirs.out, theirs.err, theirs.code != 0)


def test_it_ends_when_the_condition_comes(cluster: Cluster) -> None:
    ready = objects.pod("web-2")
    cluster.once_watched("pods", do=lambda: objects.put(cluster.replica, kinds.POD, ready))
    assert cluster.ok("wait", "--for=condition=Ready", "pod/web-2") == "pod/web-2 condition met\n"


def test_it_ends_when_the_object_is_gone(cluster: Cluster) -> None:
    gone = Delete(Key(kinds.POD.resource, "default", "web-1"))
    cluster.once_watched("pods", do=lambda: cluster.replica.apply([gone]))
    assert cluster.ok("wait", "--for=delete", "pod/web-1") == "pod/web-1 condition met\n"


def test_it_ends_when_the_object_is_there(cluster: Cluster) -> None:
    made = objects.pod("web-3")
    cluster.once_watched("pods", do=lambda: objects.put(cluster.replica, kinds.POD, made))
    assert cluster.ok("wait", "--for=create", "pod/web-3") == "pod/web-3 condition met\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("wait pod/web-1", 2),
        ("wait --for=sunshine pod/web-1", 2),
        ("wait --for=condition=Ready pods", 2),
        ("wait --for=condition=Ready pod/nobody", 3),
        ("wait --for=condition=Ready pod/web-2 --timeout=50ms", 6),
        ("wait --for=condition=Ready pod/web-2 --timeout=0", 6),
    ],
)
def test_it_ends_with_what_went_wrong(cluster: Cluster, line: str, code: int) -> None:
    assert cluster.run(*line.split()).code == code


def test_a_condition_of_an_older_generation_does_not_count() -> None:
    goal = wait_conditions.parse("condition=Available")
    conditions = [{"type": "Available", "status": "True"}]
    status = {"observedGeneration": 1, "conditions": conditions}
    assert not goal.is_met({"metadata": {"generation": 2}, "status": status})
    assert goal.is_met({"metadata": {"generation": 1}, "status": status})


@pytest.mark.parametrize("text", ["jsonpath=", "jsonpath={.a}=", "jsonpath={.a}b", "condition="])
def test_a_goal_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        wait_conditions.parse(text)
