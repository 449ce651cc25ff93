"""cordon, uncordon and drain against the real API. What agents and controllers would do, the tests do."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from typing import Any

import pytest

from swarmlet.cli.nodes import drain_plan, draining
from swarmlet.cli.nodes.drain_plan import Permissions, Victim
from swarmlet.cli.nodes.draining import Manner
from swarmlet.model import kinds, objects
from swarmlet.model.core import Node
from swarmlet.model.meta import ObjectMeta
from swarmlet.store.commands import Delete, Key
from swarmlet.store.replica import Change
from tests.api.test_eviction import put_budget
from tests.cli.conftest import Cluster
from tests.cli.objects import pod, put

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": True}
EMPTY_DIR = [{"name": "scratch", "emptyDir": {}}]


def new_pod(name: str, *, owner: str = "ReplicaSet", volumes: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    document = pod(name)
    if owner:
        document["metadata"]["ownerReferences"] = [OWNER | {"kind": owner}]
    document["spec"]["volumes"] = volumes or []
    return document


@pytest.fixture
def node(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A node whose agent ends at once what is to go."""
    monkeypatch.setattr(draining, "RETRY_SECONDS", 0.02)
    cluster.do(lambda: cluster.replica.put(kinds.NODE, Node(metadata=ObjectMeta(name="node-a", uid="n"))))

    def end(changes: Sequence[Change]) -> None:
        for change in changes:
            if change.new and change.key.resource == "pods" and objects.is_terminating(change.new.object):
                cluster.loop.call_soon(cluster.replica.apply, [Delete(change.key)])

    cluster.do(lambda: cluster.replica.store.subscribe(end))
    return cluster


def add(cluster: Cluster, *documents: dict[str, Any]) -> None:
    for document in documents:
        cluster.do(lambda document=document: put(cluster.replica, kinds.POD, document))


def allow(cluster: Cluster, allowed: int, *, healthy: int = 2) -> None:
    put_budget(cluster.replica, allowed, healthy=healthy)


def left(cluster: Cluster) -> list[str]:
    return cluster.do(lambda: [stored.key.name for stored in cluster.replica.store.list("pods")])


def is_cordoned(cluster: Cluster) -> bool:
    key = Key(kinds.NODE.resource, "", "node-a")
    return cluster.do(lambda: cluster.replica.store.get(key).object.spec.unschedulable)


# cordon and uncordon


def test_cordon_and_uncordon_speak_as_kubectl_does(node: Cluster) -> None:
    assert node.ok("cordon", "node-a") == "node/node-a cordoned\n"
    assert node.ok("cordon", "node/node-a") == "node/node-a already cordoned\n"
    assert is_cordoned(node)
    assert "SchedulingDisabled" in node.ok("get", "nodes")
    assert "NotReady,SchedulingDisabled" in node.ok("status")
    assert node.ok("uncordon", "node-a") == "node/node-a uncordoned\n"
    assert node.ok("uncordon", "node-a") == "node/node-a already uncordoned\n"
    assert not is_cordoned(node)


@pytest.mark.parametrize(("where", "told"), [("client", " (dry run)"), ("server", " (server dry run)")])
def test_a_dry_run_of_cordon_changes_nothing(node: Cluster, where: str, told: str) -> None:
    assert node.ok("cordon", "node-a", f"--dry-run={where}") == f"node/node-a cordoned{told}\n"
    assert not is_cordoned(node)


def test_nodes_are_named_or_selected(node: Cluster) -> None:
    labelled = ObjectMeta(name="node-b", uid="b", labels={"rack": "1"})
    node.do(lambda: node.replica.put(kinds.NODE, Node(metadata=labelled)))
    assert node.ok("cordon", "-l", "rack=1") == "node/node-b cordoned\n"
    assert node.run("cordon").code == 2
    assert node.run("cordon", "node-a", "-l", "rack=1").code == 2
    assert node.run("cordon", "nobody").code == 3
    assert node.run("cordon", "node-a", "--dry-run=maybe").code == 2


# Which Pods


@pytest.mark.parametrize(
    ("document", "may", "refused"),
    [
        (new_pod("alone", owner=""), "force", "Pods that declare no controller (use --force to override)"),
        (
            new_pod("cache", volumes=EMPTY_DIR),
            "delete_emptydir_data",
            "Pods with local storage (use --delete-emptydir-data to override)",
        ),
        (
            new_pod("agent", owner="DaemonSet"),
            "ignore_daemonsets",
            "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)",
        ),
    ],
)
def test_what_would_be_lost_is_refused_by_flag(document: dict[str, Any], may: str, refused: str) -> None:
    name = f"default/{document['metadata']['name']}"
    strict = drain_plan.plan([document], Permissions())
    assert strict.refused() == [f"cannot delete {refused}: {name}"]
    allowed = drain_plan.plan([document], Permissions(**{may: True}))
    assert not allowed.refused()
    assert len(allowed.warned()) == 1
    assert [str(victim) for victim in allowed.victims] == ([] if may == "ignore_daemonsets" else [name])
    finished = document | {"status": {"phase": "Succeeded"}}
    assert [str(victim) for victim in drain_plan.plan([finished], Permissions()).victims] == [name]


def test_a_mirror_pod_is_the_machines_own() -> None:
    mirror = new_pod("static", owner="")
    mirror["metadata"]["annotations"] = {drain_plan.MIRROR: "x"}
    found = drain_plan.plan([mirror], Permissions())
    assert (found.victims, found.refusals, found.warnings) == ([], {}, {})


@pytest.mark.parametrize(
    ("manner", "options"),
    [
        (Manner(), {}),
        (Manner(grace_seconds=0), {"gracePeriodSeconds": 0}),
        (Manner(dry_run=True), {"dryRun": ["All"]}),
    ],
)
def test_only_the_pod_that_was_looked_at_is_meant(manner: Manner, options: dict[str, Any]) -> None:
    found = manner.delete_options(Victim("default", "db-0", "uid-1"))
    assert found == {"preconditions": {"uid": "uid-1"}} | options


# drain


def test_drain_evicts_what_there_is_and_waits_until_it_is_gone(node: Cluster) -> None:
    add(node, new_pod("web-1"), new_pod("web-2"), new_pod("agent", owner="DaemonSet"))
    node.do(lambda: allow(node, 2))
    result = node.run("drain", "node-a", "--ignore-daemonsets")
    assert (result.code, result.err) == (0, "Warning: ignoring DaemonSet-managed Pods: default/agent\n")
    assert result.lines[0] == "node/node-a cordoned"
    assert sorted(result.lines[1:-1]) == [
        "evicting pod default/web-1",
        "evicting pod default/web-2",
        "pod/web-1 evicted",
        "pod/web-2 evicted",
    ]
    assert result.lines[-1] == "node/node-a drained"
    assert left(node) == ["agent"]
    assert is_cordoned(node)


def test_a_node_of_nobody_is_drained_at_once(node: Cluster) -> None:
    assert node.ok("drain", "node-a") == "node/node-a cordoned\nnode/node-a drained\n"


def test_a_selector_that_finds_no_node_is_told(node: Cluster) -> None:
    result = node.run("cordon", "-l", "role=none")
    assert (result.code, result.out, result.err) == (0, "", "No resources found\n")


def test_only_selected_pods_go(node: Cluster) -> None:
    other = new_pod("other")
    other["metadata"]["labels"] = {"app": "other"}
    add(node, new_pod("web-1"), other)
    node.ok("drain", "node-a", "--pod-selector", "app=other")
    assert left(node) == ["web-1"]


def test_what_stands_in_the_way_is_told_and_nothing_goes(node: Cluster) -> None:
    add(node, new_pod("web-1"), new_pod("alone", owner=""), new_pod("cache", volumes=EMPTY_DIR))
    result = node.run("drain", "node-a")
    assert result.code == 1
    assert result.err == (
        'error: unable to drain node "node-a", it stays cordoned: cannot delete Pods that declare no controller (use '
        "--force to override): default/alone; cannot delete Pods with local storage (use --delete-emptydir-data to "
        "override): default/cache\n"
    )
    assert sorted(left(node)) == ["alone", "cache", "web-1"]
    assert node.run("drain", "node-a", "--force", "--delete-emptydir-data").code == 0
    assert left(node) == []


def test_a_pod_that_its_budget_holds_goes_as_soon_as_it_may(node: Cluster) -> None:
    add(node, new_pod("web-1"))
    node.do(lambda: allow(node, 0))
    node.do(lambda: node.loop.call_later(0.3, allow, node, 1))
    result = node.run("drain", "node-a")
    assert result.code == 0
    assert result.err == (
        "pod default/web-1 not evicted: The disruption budget web needs 2 healthy pods and has 2 currently; more "
        "replicas or a smaller budget would let it go: see `swarmlet get pdb -n default`\n"
    ), "told once, however often it was asked for"
    assert result.lines[-2:] == ["pod/web-1 evicted", "node/node-a drained"]


def test_what_is_not_gone_in_time_is_told(node: Cluster) -> None:
    add(node, new_pod("web-1"))
    node.do(lambda: allow(node, 0, healthy=1))
    result = node.run("drain", "node-a", "--timeout=200ms")
    assert result.code == 6
    assert "node/node-a not drained within 0.2 s, and it stays cordoned: pod default/web-1: " in result.err
    assert "needs 2 healthy pods and has 1 currently" in result.err
    assert left(node) == ["web-1"]


def test_a_budget_may_be_passed_over_and_the_grace_be_given(node: Cluster) -> None:
    add(node, new_pod("web-1"))
    node.do(lambda: allow(node, 0))
    assert "pod/web-1 deleted" in node.ok("drain", "node-a", "--disable-eviction", "--grace-period=1")
    assert left(node) == []


def test_what_asking_again_does_not_help_ends_the_drain(node: Cluster) -> None:
    add(node, new_pod("web-1"), new_pod("free"))
    node.do(lambda: (allow(node, 1), put_budget(node.replica, 1, name="second")))
    result = node.run("drain", "node-a", "--timeout=5s")
    assert result.code == 1
    assert "This pod has more than one PodDisruptionBudget" in result.err


@pytest.mark.parametrize("where", ["client", "server"])
def test_a_dry_run_of_drain_changes_nothing(node: Cluster, where: str) -> None:
    add(node, new_pod("web-1"))
    node.do(lambda: allow(node, 1))
    result = node.run("drain", "node-a", f"--dry-run={where}")
    told = " (dry run)" if where == "client" else " (server dry run)"
    assert result.lines[1] == f"evicting pod default/web-1{told}"
    assert (result.code, left(node), is_cordoned(node)) == (0, ["web-1"], False)


def test_a_dry_run_that_is_refused_does_not_say_that_it_cordoned(node: Cluster) -> None:
    add(node, new_pod("bare", owner=""))
    result = node.run("drain", "node-a", "--dry-run=client")
    assert result.err.startswith('error: unable to drain node "node-a": cannot delete Pods that declare no controller')


def test_a_dry_run_on_the_server_asks_the_budget(node: Cluster) -> None:
    add(node, new_pod("web-1"))
    node.do(lambda: allow(node, 0))
    result = node.run("drain", "node-a", "--dry-run=server")
    assert result.code == 1
    assert "needs 2 healthy pods and has 2 currently" in result.err


def test_a_later_pod_of_the_name_is_not_meant(node: Cluster) -> None:
    """The agent of the simulation replaces the Pod on another node, by the same name: it must stay."""
    add(node, new_pod("db-0", owner="StatefulSet"))

    def replace(changes: Sequence[Change]) -> None:
        for change in changes:
            if change.new is None and change.key.name == "db-0":
                document = json.loads(json.dumps(new_pod("db-0", owner="StatefulSet")))
                document["metadata"]["uid"] = "another"
                document["spec"]["nodeName"] = "node-b"
                node.loop.call_soon(put, node.replica, kinds.POD, document)

    node.do(lambda: node.replica.store.subscribe(replace))
    assert "pod/db-0 evicted" in node.ok("drain", "node-a")
    assert left(node) == ["db-0"]


@pytest.mark.slow
def test_ctrl_c_leaves_the_node_cordoned_and_says_so(node: Cluster) -> None:
    add(node, new_pod("web-1"))
    node.do(lambda: allow(node, 0))
    process = node.start("drain", "node-a")
    assert process.stderr is not None
    assert "not evicted" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == (
        "interrupted: node/node-a stays cordoned, 1 Pods are still to go; `swarmlet drain node-a` goes on, "
        "`swarmlet uncordon node-a` takes it back\n"
    )
    assert (is_cordoned(node), left(node)) == (True, ["web-1"])
