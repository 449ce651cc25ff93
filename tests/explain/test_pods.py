"""Troubles of Pods, each with the sentences that tell of it."""

from __future__ import annotations

import msgspec
import pytest

from swarmlet.explain import refusals
from swarmlet.model import moves
from tests.explain.board import NOW, Board, ago, container, end, ready, unready, unscheduled


def test_a_pod_that_serves_says_so(board: Board) -> None:
    board.event(board.pod("web"), "Scheduled", "assigned", type="Normal", at=303)
    assert board.why("pods", "web") == [
        "Pod web runs on h1 and is ready, since 11:55:00 (5 min ago)",
        "it was bound to h1; what decided for that node was not recorded, 11:54:57 (5 min ago)",
    ]


def test_an_image_that_is_missing(board: Board) -> None:
    waiting = container(waiting="ImagePullBackOff", message="manifest for web:1 not found: manifest unknown")
    pod = board.pod("web", status=unready(waiting, phase="Pending"))
    board.event(
        pod, "Failed", 'Failed to pull image "web:1": manifest unknown', at=9, count=3, field="spec.containers{main}"
    )
    assert board.why("pods", "web")[:3] == [
        "✗ Pod web is on h1 and not ready, since 11:59:00 (60 s ago)",
        (
            '  ✗ container main has no image "web:1": manifest for web:1 not found: manifest unknown (tried 3 times), '
            "since 11:57:51 (2 min ago)"
        ),
        "    -> correct the image's name or tag, or name imagePullSecrets where the registry asks for them",
    ]


def test_a_crash_loop_tells_the_exit_code_the_last_words_and_the_next_try(board: Board) -> None:
    waiting = container(
        waiting="CrashLoopBackOff",
        message="back-off 40s restarting failed container=main pod=web_default(uid)",
        last=end(3, message="cannot reach the database\n"),
        restarts=4,
    )
    board.pod("web", status=unready(waiting))
    assert board.why("pods", "web")[1:3] == [
        (
            "  ✗ container main ends again and again (restarted 4 times), next try in 20 s; it last "
            "ended with exit code 3; "
            'its last words: "cannot reach the database", 11:59:40 (20 s ago)'
        ),
        "    -> read what it wrote: swarmlet logs web -n default -c main --previous",
    ]


def test_a_container_that_used_too_much_memory(board: Board) -> None:
    status = container(running=15, last=end(137, reason="OOMKilled"), restarts=1, ready=True)
    told = ready() | {"containerStatuses": [status]}
    board.pod("web", container={"resources": {"limits": {"memory": "64Mi"}}}, status=told)
    assert board.why("pods", "web")[:3] == [
        "! Pod web runs on h1 and is ready, since 11:55:00 (5 min ago)",
        (
            "  ! container main was restarted once; its last run was killed for using more memory "
            "than its limit of 64Mi "
            "(OOMKilled), 11:59:40 (20 s ago)"
        ),
        "    -> raise the memory limit of container main, or let it use less",
    ]


def test_a_restart_by_a_liveness_probe(board: Board) -> None:
    status = container(running=15, last=end(137), restarts=2, ready=True)
    pod = board.pod("web", status=ready() | {"containerStatuses": [status]})
    board.event(
        pod,
        "Killing",
        "Container main failed liveness probe, will be restarted",
        at=50,
        type="Normal",
        field="spec.containers{main}",
    )
    board.event(pod, "Unhealthy", "Liveness probe failed: HTTP 500", at=51, field="spec.containers{main}")
    assert (
        "  ! container main was restarted 2 times; its last run ended with exit code 137, signal 9: "
        "failed liveness probe "
        "(Liveness probe failed: HTTP 500), 11:59:40 (20 s ago)"
    ) in board.why("pods", "web")


def test_a_restart_whose_end_was_not_recorded_is_not_explained(board: Board) -> None:
    board.pod("web", status=ready() | {"containerStatuses": [container(running=15, restarts=1, ready=True)]})
    assert "  ! container main was restarted once; how its last run ended was not recorded" in board.why("pods", "web")


def test_a_readiness_probe_that_fails(board: Board) -> None:
    pod = board.pod(
        "web", status=unready(container(running=62)), container={"readinessProbe": {"tcpSocket": {"port": 80}}}
    )
    told = "Readiness probe failed: connection refused"
    board.event(pod, "Unhealthy", told, count=12, at=2, field="spec.containers{main}")
    assert board.why("pods", "web")[1:3] == [
        (
            "  ✗ container main runs and is not ready: Readiness probe failed: connection refused (12 times), "
            "since 11:59:00 (60 s ago)"
        ),
        "    -> see what its readiness probe asks for, and whether the container answers that",
    ]


def test_a_configuration_that_is_missing(board: Board) -> None:
    waiting = container(waiting="CreateContainerConfigError", message='configmap "settings" not found')
    board.pod("web", status=unready(waiting, phase="Pending"))
    assert board.why("pods", "web")[1:3] == [
        (
            '  ✗ container main cannot start: CreateContainerConfigError: configmap "settings" not found, '
            "since 11:58:58 (62 s ago)"
        ),
        "    -> make what is missing, or correct its name in the Pod's template",
    ]


def test_an_init_container_that_fails_comes_before_those_that_wait_for_it(board: Board) -> None:
    init = container("migrate", waiting="CrashLoopBackOff", message="back-off 10s restarting", last=end(1), restarts=1)
    status = unready(container(waiting="PodInitializing"), phase="Pending", initContainerStatuses=[init])
    spec = {"initContainers": [{"name": "migrate", "image": "m"}]}
    board.pod("web", spec=spec, status=status)
    assert board.why("pods", "web")[1].startswith(
        "  ✗ init container migrate ends again and again (restarted once), next try now"
    )


def test_too_large_a_request(board: Board) -> None:
    refusal = "0/2 nodes are available: 2 lack memory (need 64Gi, best has 8Gi free)."
    large = {"resources": {"requests": {"memory": "64Gi"}}}
    board.pod("web", node="", container=large, status=unscheduled(refusal))
    board.filters = True
    assert board.why("pods", "web") == [
        "✗ Pod web waits for a node, since 11:50:00 (10 min ago)",
        "  ✗ 0/2 nodes are available: 2 lack memory (need 64Gi, best has 8Gi free), since 11:56:00 (4 min ago)",
        "  - h1 would do, but that it lacks memory (need 64Gi, best has 8Gi free)",
        "    -> ask for less in resources.requests, or make room there",
    ]


def test_what_the_filters_say_now_stands_beside_what_was_recorded(board: Board) -> None:
    board.pod("web", node="", status=unscheduled("0/2 nodes are available: 2 cordoned."))
    assert len(board.why("pods", "web")) == 2
    board.filters = True
    assert board.why("pods", "web")[2:] == [
        "  - by now a node would do: the scheduler takes it at its next look, or after Pods that are before it"
    ]
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    silence = {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}
    board.node("h1", spec={"unschedulable": True, "taints": [cordon]})
    board.node("h2", ready="Unknown", reason="NodeStatusUnknown", spec={"taints": [silence]})
    assert board.why("pods", "web")[2:] == [
        "  - now: 0/2 nodes are available: 1 cordoned, 1 not ready",
        "  - h1 would do, but that it is cordoned",
        "    -> swarmlet uncordon h1",
        "  - h2 would do, but that it is not ready",
        "    -> swarmlet why node/h2",
    ]


def test_a_node_that_would_not_do_anyway_brings_no_advice(board: Board) -> None:
    taint = {"key": "night", "value": "yes", "effect": "NoSchedule"}
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    board.node("h1", spec={"unschedulable": True, "taints": [cordon]})
    board.node("h2", meta={"labels": {"disk": "fast"}}, spec={"taints": [taint]})
    words = "has the taint night=yes:NoSchedule that the Pod does not tolerate"
    refusal = f"0/2 nodes are available: 1 cordoned, 1 {words}."
    board.pod("web", node="", spec={"nodeSelector": {"disk": "fast"}}, status=unscheduled(refusal))
    board.filters = True
    assert board.why("pods", "web")[2:] == [
        f"  - h2 would do, but that it {words}",
        "    -> let the Pod tolerate it, or: kubectl taint node h2 night-",
    ]


def test_a_pod_that_no_scheduler_has_seen(board: Board) -> None:
    board.pod("web", node="", status={"phase": "Pending"})
    assert board.why("pods", "web")[1].startswith("  ! no scheduler has looked at it yet")


def test_another_scheduler(board: Board) -> None:
    board.pod("web", node="", spec={"schedulerName": "mine"}, status={"phase": "Pending"})
    assert "asks for the scheduler mine" in board.why("pods", "web")[1]


def test_scheduling_gates(board: Board) -> None:
    spec = {"schedulingGates": [{"name": "example.com/quota"}]}
    board.pod("web", node="", spec=spec, status=unscheduled(reason="SchedulingGated"))
    assert board.why("pods", "web")[1] == (
        "  ! it is held back by its scheduling gates: example.com/quota, since 11:56:00 (4 min ago)"
    )


def test_what_a_pod_depends_on(board: Board) -> None:
    status = unscheduled(reason="SchedulingGated")
    waits = {"type": "swarmlet.io/DependenciesMet", "status": "False", "message": "waits for deployment/db to be ready"}
    status["conditions"].append(waits | {"lastTransitionTime": ago(100)})
    board.pod("web", node="", spec={"schedulingGates": [{"name": "swarmlet.io/depends-on"}]}, status=status)
    assert board.why("pods", "web")[1:] == [
        "  ! it is held back by its scheduling gates: swarmlet.io/depends-on, since 11:56:00 (4 min ago)",
        "    ! waits for deployment/db to be ready, since 11:58:20 (100 s ago)",
    ]


def test_a_claim_that_does_not_exist(board: Board) -> None:
    refusal = '0/2 nodes are available: persistentvolumeclaim "data" not found.'
    spec = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
    board.pod("web", node="", spec=spec, status=unscheduled(refusal))
    assert board.why("pods", "web")[2:] == [
        "  ✗ its claim data does not exist",
        "    -> make the PersistentVolumeClaim data",
    ]


def test_a_node_that_went_silent(board: Board) -> None:
    board.node("h3", ready="Unknown", reason="NodeStatusUnknown", message="The node stopped sending heartbeats.")
    board.pod("web", node="h3", status=ready())
    told = board.why("pods", "web")
    assert told[1] == "  ✗ node h3 is not ready: The node stopped sending heartbeats, since 11:59:15 (45 s ago)"
    assert told[2] == "    -> swarmlet why node/h3"


def test_a_pod_that_is_evicted_says_why_it_goes(board: Board) -> None:
    meta = {"deletionTimestamp": ago(-20), "deletionGracePeriodSeconds": 30}
    status = ready()
    status["conditions"].append(
        {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": ago(10),
        }
    )
    board.pod("web", meta=meta, status=status)
    assert board.why("pods", "web")[:3] == [
        "Pod web is about to go from h1",
        (
            "  - it goes because: Taint manager: deleting due to NoExecute taint (DeletionByTaintManager), "
            "since 11:59:50 (10 s ago)"
        ),
        "  - its grace of 30 s ends, 12:00:20 (in 20 s)",
    ]


def test_a_strict_singleton_that_waits_for_its_node(board: Board) -> None:
    board.node("h3", ready="Unknown", reason="NodeStatusUnknown", message="The node stopped sending heartbeats.")
    meta = {
        "deletionTimestamp": ago(5),
        "deletionGracePeriodSeconds": 0,
        "annotations": {"swarmlet.io/may-run-until": "2026-01-01T12:00:09Z"},
    }
    board.pod("db-0", node="h3", meta=meta)
    assert "  ! never two of it may run, and h3 may still run it until 12:00:09 UTC" in board.why("pods", "db-0")


def test_a_pod_that_its_node_gave_up(board: Board) -> None:
    status = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    board.pod("web", status=status)
    assert board.why("pods", "web")[:2] == [
        "✗ Pod web has failed on h1",
        "  ✗ its node gave it up: Evicted: The node was low on resource: memory",
    ]


def test_a_pod_whose_namesake_was_moved(board: Board) -> None:
    board.pod("db-0", node="h2")
    gone = {"kind": "Pod", "metadata": {"name": "db-0", "uid": "uid-before", "namespace": "default"}}
    board.event(gone, "TaintManagerEviction", "Marking for deletion Pod default/db-0", at=290, type="Normal")
    assert board.why("pods", "db-0")[-1] == (
        "the Pod of this name before it: Marking for deletion Pod default/db-0, 11:55:10 (5 min ago)"
    )


def test_a_pod_that_the_rebalance_moved(board: Board) -> None:
    move = moves.Move("web-a", "uid-a", "h1", "h2", "uid-pod-web-b", "h1 74 % -> 61 %, h2 0 % -> 13 %")
    annotations = {moves.MOVE: msgspec.json.encode(move).decode()}
    board.pod("web-b", node="h2", meta={"annotations": annotations})
    assert board.why("pods", "web-b")[-1] == (
        "it took the place of Pod web-a, which the rebalance moved here from h1: h1 74 % -> 61 %, h2 0 % -> 13 %"
    )


def test_in_a_huge_cluster_the_filters_are_not_run(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "PODS_MAX", 1)
    board.filters = True
    board.pod("web", node="", status=unscheduled("0/2 nodes are available: 2 cordoned."))
    assert len(board.why("pods", "web")) == 3
    board.pod("other")
    assert len(board.why("pods", "web")) == 2


def test_of_pods_that_ask_for_different_things_only_so_many_are_put_to_the_filters(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred Pods that wait, on a thousand nodes, would stop the daemon for seconds."""
    monkeypatch.setattr(refusals, "LOOKS_MAX", 3)
    board.filters = True
    of_deployment = board.deployment("web", wanted=3)
    for name, label in (("web-1-a", "fast"), ("web-1-b", "fast"), ("web-1-c", "slow")):
        waits = unscheduled(f"no disk is {label}.")
        board.pod(name, owner=of_deployment, node="", spec={"nodeSelector": {"disk": label}}, status=waits)
    told = board.why("deployments.apps", "web")
    assert "  ✗ 2 Pods alike, such as web-1-a, which has no node (also web-1-b)" in told
    assert [line for line in told if "now: " in line] == [
        "    - now: 0/2 nodes are available: 2 do not match the node selector (disk=fast)"
    ]


def test_a_node_that_has_left(board: Board) -> None:
    board.pod("web", node="gone")
    assert "  ✗ its node gone is not in the cluster any more" in board.why("pods", "web")


def test_now_is_the_moment_of_the_question() -> None:
    assert NOW.isoformat().startswith("2026-01-01T12")


def test_a_pod_that_somebody_holds(board: Board) -> None:
    board.pod("web", meta={"deletionTimestamp": ago(5), "finalizers": ["example.com/hold"]})
    assert board.why("pods", "web")[:3] == [
        "! Pod web is about to go from h1",
        "  ! its grace of 0 s is over, 11:59:55 (5 s ago)",
        "  ! it is held by: example.com/hold",
    ]


def test_a_container_that_waits_for_its_startup_probe(board: Board) -> None:
    probe = {"startupProbe": {"tcpSocket": {"port": 80}}}
    board.pod("web", container=probe, status=unready(container(running=62)))
    assert board.why("pods", "web")[1] == (
        "  ! container main runs and waits for its startup probe to succeed, since 11:58:58 (62 s ago)"
    )


def test_a_container_without_probes_that_is_not_ready_is_not_explained_by_one(board: Board) -> None:
    board.pod("web", status=unready(container(running=62)))
    assert board.why("pods", "web")[1] == "  ! container main runs and is not ready, since 11:58:58 (62 s ago)"


def test_a_pod_that_its_node_has_not_begun_with(board: Board) -> None:
    bound = {"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(50)}
    pod = board.pod("web", status={"phase": "Pending", "conditions": [bound]})
    assert board.why("pods", "web")[1] == "  ! h1 has not begun with it, since 11:59:10 (50 s ago)"
    board.event(pod, "FailedMount", 'configmap "settings" not found')
    assert board.why("pods", "web")[1] == (
        '  ! h1 has not begun with it: configmap "settings" not found, since 11:59:10 (50 s ago)'
    )
