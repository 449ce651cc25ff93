"""Workloads on three machines while daemons die in the middle: rollouts good and bad, StatefulSets, Jobs, CronJobs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.documents import deployment
from tools.lab.cluster import Cluster, Daemon, eventually

STATEFUL_SET = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: ranks}}
spec:
  replicas: 3
  serviceName: ranks
  selector: {{matchLabels: {{app: ranks}}}}
  template:
    metadata: {{labels: {{app: ranks}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {{name: main, image: "{image}", imagePullPolicy: IfNotPresent, command: [hold]}}
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: parts}
spec:
  completions: 6
  parallelism: 2
  completionMode: Indexed
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: busybox:lab
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "sleep 1; echo part $JOB_COMPLETION_INDEX"]
"""
CRON_JOB = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: minutely}
spec:
  schedule: "* * * * *"
  successfulJobsHistoryLimit: 10
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - {name: main, image: "busybox:lab", imagePullPolicy: IfNotPresent, command: ["true"]}
"""
AUTO_ROLLBACK = "swarmlet.io/auto-rollback=true"
BEFORE_THE_MINUTE_SECONDS = 2


@pytest.fixture
def web(cluster: Cluster) -> Iterator[str]:
    """A Deployment of four, running; gone afterwards."""
    cluster.kubectl("apply", "-f", "-", stdin=deployment("web", 4))
    cluster.wait_running("app=web", 4)
    yield "app=web"
    delete(cluster, "deployment", "web", "app=web")


def delete(cluster: Cluster, kind: str, name: str, selector: str) -> None:
    cluster.kubectl("delete", kind, name)
    eventually(lambda: not cluster.pods(selector), 60, f"the Pods of {name} are gone")


def restart(daemon: Daemon) -> None:
    """End a daemon as a crash does, start it again and wait until it answers; its containers go on."""
    daemon.kill()
    daemon.start()
    eventually(lambda: daemon.status().get("healthy"), 30, f"{daemon.name} is back")


def images(cluster: Cluster, selector: str) -> list[str]:
    return [pod["spec"]["containers"][0]["image"] for pod in cluster.running(selector)]


def container_ids(cluster: Cluster, selector: str) -> set[str]:
    return {pod["status"]["containerStatuses"][0]["containerID"] for pod in cluster.running(selector)}


def items(cluster: Cluster, *what: str) -> list[dict[str, Any]]:
    return json.loads(cluster.kubectl("get", *what, "-o", "json"))["items"]


def test_restarts_of_all_daemons_touch_no_container(cluster: Cluster, web: str) -> None:
    before = container_ids(cluster, web)
    for daemon in cluster:
        restart(daemon)
    cluster.wait_ready(3)
    cluster.wait_running(web, 4)
    assert container_ids(cluster, web) == before


def test_a_rollout_ends_well_though_the_leader_dies_in_the_middle(cluster: Cluster, web: str) -> None:
    cluster.kubectl("set", "image", "deployment/web", "main=busybox:lab2")
    eventually(lambda: "busybox:lab2" in images(cluster, web), 30, "the first new Pod runs")
    restart(cluster.leader())
    printed = cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert "successfully rolled out" in printed
    assert images(cluster, web) == ["busybox:lab2"] * 4


def test_a_bad_rollout_leaves_the_old_pods_and_is_undone_by_hand(cluster: Cluster, web: str) -> None:
    before = container_ids(cluster, web)
    cluster.kubectl("set", "image", "deployment/web", "main=missing:1")
    eventually(lambda: "ErrImagePull" in cluster.kubectl("get", "pods", "-l", web), 30, "the new Pod cannot start")
    restart(cluster.leader())
    assert len(container_ids(cluster, web) & before) >= 3
    cluster.kubectl("rollout", "undo", "deployment/web")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert images(cluster, web) == ["busybox:lab"] * 4


def test_a_rollout_that_misses_its_deadline_is_taken_back_by_itself(cluster: Cluster, web: str) -> None:
    cluster.kubectl("annotate", "deployment/web", AUTO_ROLLBACK)
    patch = {"spec": {"progressDeadlineSeconds": 3}}
    cluster.kubectl("patch", "deployment/web", "-p", json.dumps(patch))
    cluster.kubectl("set", "image", "deployment/web", "main=missing:1")
    eventually(lambda: "ErrImagePull" in cluster.kubectl("get", "pods", "-l", web), 30, "the new Pod cannot start")
    restart(cluster.leader())
    eventually(lambda: images(cluster, web) == ["busybox:lab"] * 4, 40, "the Deployment is as it was")
    events = cluster.kubectl("get", "events", "--field-selector", "involvedObject.name=web")
    assert "DeploymentRollback" in events, events
    assert "Rolled back to revision 1: revision 2 was not available within 3 s" in events, events


def test_a_stateful_set_is_updated_in_order_though_daemons_die(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=STATEFUL_SET.format(image="busybox:lab"))
    cluster.wait_running("app=ranks", 3)
    cluster.kubectl("apply", "-f", "-", stdin=STATEFUL_SET.format(image="busybox:lab2"))
    eventually(lambda: "busybox:lab2" in images(cluster, "app=ranks"), 30, "the last Pod is new")
    restart(cluster.leader())
    cluster.kubectl("rollout", "status", "statefulset/ranks", "--timeout=60s")
    pods = cluster.wait_running("app=ranks", 3)
    assert sorted(pod["metadata"]["name"] for pod in pods) == ["ranks-0", "ranks-1", "ranks-2"]
    assert images(cluster, "app=ranks") == ["busybox:lab2"] * 3
    delete(cluster, "statefulset", "ranks", "app=ranks")


def test_a_job_does_each_part_once_though_daemons_die(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=JOB)
    eventually(lambda: items(cluster, "pods", "-l", "job-name=parts"), 30, "the Job has begun")
    for daemon in (cluster.leader(), cluster.followers()[0]):
        restart(daemon)
    cluster.kubectl("wait", "--for=condition=complete", "job/parts", "--timeout=60s")
    status = json.loads(cluster.kubectl("get", "job", "parts", "-o", "json"))["status"]
    assert (status["succeeded"], status["completedIndexes"]) == (6, "0-5")
    assert status.get("failed", 0) == 0
    said = {cluster.kubectl("logs", pod["metadata"]["name"]) for pod in items(cluster, "pods", "-l", "job-name=parts")}
    assert said == {f"part {index}\n" for index in range(6)}
    delete(cluster, "job", "parts", "job-name=parts")


def test_a_cron_job_runs_once_a_minute_though_the_leader_dies_just_before(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=CRON_JOB)
    now = datetime.now(UTC)
    minute = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    time.sleep(max(0.0, (minute - now).total_seconds() - BEFORE_THE_MINUTE_SECONDS))
    restart(cluster.leader())
    eventually(lambda: items(cluster, "jobs"), 30, "the minute's Job is there")
    cluster.kubectl("wait", "--for=condition=complete", "job", "--all", "--timeout=30s")
    restart(cluster.leader())
    cluster.wait_ready(3)
    jobs = items(cluster, "jobs")
    times = [job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] for job in jobs]
    assert times == [minute.strftime("%Y-%m-%dT%H:%M:%SZ")]
    delete(cluster, "cronjob", "minutely", "batch.kubernetes.io/job-name")
