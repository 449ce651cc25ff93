"""Troubles of what has Pods, each with the sentences that tell of it."""

from __future__ import annotations

from tests.explain.board import Board, ago, container, end, unready, unscheduled

LATE = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": 'ReplicaSet "web-2" has timed out progressing.',
    "lastTransitionTime": ago(240),
}


def test_a_rollout_that_stalls_names_the_new_pods_that_are_not_ready_and_why(board: Board) -> None:
    board.deployment(
        wanted=2,
        ready=2,
        status={"replicas": 3, "updatedReplicas": 1, "conditions": [LATE]},
        spec={"progressDeadlineSeconds": 30},
    )
    deployment = {"metadata": {"name": "web", "uid": "uid-deployment-web"}}
    new = board.replica_set("web-2", deployment, wanted=1, revision=2)
    pod = board.pod("web-2-a", owner=new, status=unready(container(running=62)), node="h2")
    board.event(pod, "Unhealthy", "Readiness probe failed: HTTP 503", count=8, field="spec.containers{main}")
    assert board.why("deployments.apps", "web") == [
        "✗ Deployment web: all of its 2 replicas are available",
        (
            "  ✗ its rollout has not progressed within 30 s (progressDeadlineSeconds): of 2 replicas 1 is of the "
            "newest revision 2, and 2 of older ones run, since 11:56:00 (4 min ago)"
        ),
        "    -> swarmlet rollout undo deployment/web goes back",
        "  ✗ Pod web-2-a on h2",
        (
            "    ✗ container main runs and is not ready: Readiness probe failed: HTTP 503 (8 times), "
            "since 11:59:00 (60 s ago)"
        ),
        "      -> see what its readiness probe asks for, and whether the container answers that",
    ]


def test_pods_with_the_same_trouble_are_told_of_once(board: Board) -> None:
    replica_set = board.deployment(wanted=3)
    for name in "abc":
        board.pod(f"web-{name}", owner=replica_set, node="", status=unscheduled("0/2 nodes are available: 2 cordoned."))
    assert board.why("deployments.apps", "web") == [
        "✗ Deployment web: of 3 replicas none is available",
        "  ✗ 3 Pods alike, such as web-a, which has no node (also web-b, web-c)",
        "    ✗ 0/2 nodes are available: 2 cordoned, since 11:56:00 (4 min ago)",
    ]


def test_a_quota_that_is_used_up(board: Board) -> None:
    failed = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": 'pods "web-x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
        "lastTransitionTime": ago(30),
    }
    board.deployment(wanted=3, ready=2, status={"conditions": [failed]})
    assert board.why("deployments.apps", "web")[1:] == [
        (
            '  ✗ it cannot make more Pods: pods "web-x" is forbidden: exceeded quota: q, requested: '
            "pods=1, used: pods=2, "
            "limited: pods=2, since 11:59:30 (30 s ago)"
        ),
        "    -> raise the quota, or ask for less: swarmlet describe quota",
    ]


def test_a_rollout_that_is_paused(board: Board) -> None:
    board.deployment(ready=1, spec={"paused": True})
    assert board.why("deployments.apps", "web")[1:] == [
        "  ! its rollout is paused (spec.paused)",
        "    -> swarmlet rollout resume deployment/web",
    ]


def test_a_change_that_no_controller_has_seen(board: Board) -> None:
    board.deployment(ready=1, meta={"generation": 2}, status={"observedGeneration": 1})
    assert "  ! its newest change was not acted on yet: that is the leader's work" in board.why(
        "deployments.apps", "web"
    )


def test_who_changed_a_deployment_last_and_what(board: Board) -> None:
    board.deployment(ready=1, by="ann")
    assert board.why("deployments.apps", "web")[1].startswith("it was made by ann from 10.0.0.7 (revision ")
    board.deployment(ready=1, spec={"minReadySeconds": 5}, by="bob")
    assert board.why("deployments.apps", "web")[1].startswith(
        "its newest change, of spec.minReadySeconds, was made by bob from 10.0.0.7 (revision "
    )
    assert board.why("deployments.apps", "web")[2].startswith("  -> swarmlet diff ")


def test_what_was_changed_is_named_as_the_history_names_it(board: Board) -> None:
    board.deployment(ready=1, by="ann")
    labels, main = {"app": "web"}, {"name": "main", "image": "web:2"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [main]}}
    board.deployment(ready=1, spec={"template": template}, by="bob")
    assert board.why("deployments.apps", "web")[1].startswith(
        "its newest change, of spec.template.spec.containers[main].image, was made by bob "
    )


def test_who_asked_for_the_deletion_of_what_is_there_still(board: Board) -> None:
    board.deployment(ready=1, by="ann")
    board.deployment(ready=1, meta={"deletionTimestamp": ago(5), "finalizers": ["foregroundDeletion"]}, by="bob")
    assert board.why("deployments.apps", "web")[1].startswith("its deletion was asked for by bob from 10.0.0.7 ")


def test_a_replica_set_kept_to_go_back_to(board: Board) -> None:
    board.deployment(wanted=0)
    assert board.why("replicasets.apps", "web-1") == [
        "ReplicaSet web-1 (revision 1 of Deployment web): it asks for no replicas",
        "it is kept at no replicas, to go back to: swarmlet rollout undo",
    ]


def test_a_stateful_set_whose_first_pod_holds_up_the_others(board: Board) -> None:
    db = board.put("apps/v1", "StatefulSet", "db", spec={"replicas": 3}, status={"replicas": 1, "readyReplicas": 0})
    crash = container(waiting="CrashLoopBackOff", message="back-off 10s restarting", last=end(1), restarts=1)
    board.pod("db-0", owner=db, status=unready(crash))
    told = board.why("statefulsets.apps", "db")
    assert told[0] == "✗ StatefulSet db: of 3 replicas none is ready"
    assert "  ! 2 more Pods wait for db-0 to be ready (podManagementPolicy OrderedReady)" in told


def test_a_stateful_set_that_waits_for_an_end(board: Board) -> None:
    db = board.put("apps/v1", "StatefulSet", "db", spec={"replicas": 1}, status={"replicas": 1})
    board.pod("db-0", owner=db, meta={"deletionTimestamp": ago(5)})
    board.event(db, "WaitsForFencing", "Pod db-0: waits until 12:00:09 because h1 may still run it")
    told = board.why("statefulsets.apps", "db")
    assert "  ! Pod db-0 on h1 must have ended before another takes its place, since 11:59:55 (5 s ago)" in told
    assert "  ! Pod db-0: waits until 12:00:09 because h1 may still run it, 11:59:50 (10 s ago)" in told


def test_a_daemon_set_that_no_node_fits(board: Board) -> None:
    board.put("apps/v1", "DaemonSet", "logs")
    assert "no node fits its Pods" in board.why("daemonsets.apps", "logs")[1]


def test_a_daemon_set_that_misses_a_node(board: Board) -> None:
    status = {"desiredNumberScheduled": 2, "numberReady": 1, "updatedNumberScheduled": 2}
    logs = board.put("apps/v1", "DaemonSet", "logs", status=status)
    waiting = container(waiting="ErrImagePull", message="no route to host")
    board.pod("logs-x", owner=logs, node="h2", status=unready(waiting, phase="Pending"))
    assert board.why("daemonsets.apps", "logs")[:3] == [
        "✗ DaemonSet logs: ready on 1 of 2 nodes",
        "  ✗ Pod logs-x on h2",
        '    ✗ container main has no image "web:1": no route to host, since 11:58:58 (62 s ago)',
    ]


def test_a_job_that_failed_too_often(board: Board) -> None:
    failed = {
        "type": "Failed",
        "status": "True",
        "reason": "BackoffLimitExceeded",
        "message": "Job has reached the specified backoff limit",
        "lastTransitionTime": ago(100),
    }
    job = board.put(
        "batch/v1",
        "Job",
        "load",
        spec={"backoffLimit": 2, "completions": 1},
        status={"conditions": [failed], "failed": 3, "startTime": ago(300)},
    )
    board.pod("load-a", owner=job, status={"phase": "Failed", "containerStatuses": [container(ended=end(7))]})
    assert board.why("jobs.batch", "load") == [
        "✗ Job load has failed: 0 of 1 succeeded, 3 failed, 0 active",
        (
            "  ✗ Job has reached the specified backoff limit (BackoffLimitExceeded: 3 failed Pods, backoffLimit 2), "
            "since 11:58:20 (100 s ago)"
        ),
        "  ✗ the last Pod that failed is load-a on h1",
        "    ✗ container main ended with exit code 7, 11:59:40 (20 s ago)",
        "      -> read what it wrote: swarmlet logs load-a -n default -c main",
    ]


def test_a_job_that_runs_against_its_deadline(board: Board) -> None:
    spec = {"activeDeadlineSeconds": 100, "backoffLimit": 6}
    board.put("batch/v1", "Job", "load", spec=spec, status={"active": 1, "failed": 1, "startTime": ago(60)})
    told = board.why("jobs.batch", "load")
    assert "  ! after 6 more failures it is given up (backoffLimit 6)" in told
    assert "  - it is given up in 40 s (activeDeadlineSeconds 100)" in told


def test_a_cron_job_that_waits_for_its_last_run(board: Board) -> None:
    spec = {"schedule": "0 3 * * *", "concurrencyPolicy": "Forbid"}
    status = {"active": [{"name": "nightly-1"}], "lastScheduleTime": ago(9 * 3600)}
    board.put("batch/v1", "CronJob", "nightly", spec=spec, status=status)
    assert board.why("cronjobs.batch", "nightly") == [
        "! CronJob nightly (0 3 * * *) last ran, 03:00:00 (9 h ago)",
        "  ! its next run waits for the end of nightly-1 (concurrencyPolicy Forbid)",
        "it runs next, Jan 2 03:00:00 (in 15 h)",
    ]


def test_a_rollout_that_is_under_way(board: Board) -> None:
    told = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "lastTransitionTime": ago(9)}
    board.deployment(wanted=3, ready=3, status={"replicas": 4, "updatedReplicas": 1, "conditions": [told]})
    assert board.why("deployments.apps", "web")[1] == (
        "  ! its rollout is under way: of 3 replicas 1 is of the newest revision 1, and 3 of older ones run, "
        "since 11:59:51 (9 s ago)"
    )


def test_a_stateful_set_and_a_daemon_set_whose_rollouts_are_under_way(board: Board) -> None:
    status = {
        "replicas": 2,
        "readyReplicas": 2,
        "updatedReplicas": 1,
        "currentRevision": "db-1",
        "updateRevision": "db-2",
    }
    board.put("apps/v1", "StatefulSet", "db", spec={"replicas": 2}, status=status)
    assert board.why("statefulsets.apps", "db") == [
        "! StatefulSet db: of 2 replicas 2 are ready",
        "  ! its rollout is under way: 1 of 2 replicas are of the newest revision db-2",
    ]
    status = {"desiredNumberScheduled": 2, "numberReady": 2, "updatedNumberScheduled": 1, "numberMisscheduled": 1}
    board.put("apps/v1", "DaemonSet", "logs", spec={"updateStrategy": {"type": "OnDelete"}}, status=status)
    assert board.why("daemonsets.apps", "logs")[1:] == [
        "  ! its rollout waits for its Pods to be deleted (OnDelete): 1 of 2 Pods are of the newest revision",
        "  ! it runs on 1 node where it should not",
    ]


def test_what_is_suspended(board: Board) -> None:
    held = {"type": "Suspended", "status": "True", "reason": "JobSuspended", "lastTransitionTime": ago(30)}
    board.put("batch/v1", "Job", "load", spec={"suspend": True}, status={"conditions": [held]})
    assert board.why("jobs.batch", "load")[1] == (
        "  ! it is suspended (spec.suspend): no Pods are made, since 11:59:30 (30 s ago)"
    )
    board.put("batch/v1", "CronJob", "nightly", spec={"schedule": "0 3 * * *", "suspend": True})
    assert board.why("cronjobs.batch", "nightly") == [
        "! CronJob nightly (0 3 * * *) has not run yet",
        "  ! it is suspended (spec.suspend): no Jobs are made",
    ]


def test_a_cron_job_that_could_not_make_its_job(board: Board) -> None:
    cron_job = board.put("batch/v1", "CronJob", "nightly", spec={"schedule": "0 3 * * *"})
    board.event(cron_job, "FailedCreate", "Error creating job: exceeded quota")
    assert "  ! Error creating job: exceeded quota, 11:59:50 (10 s ago)" in board.why("cronjobs.batch", "nightly")
