"""What the commands do with StatefulSets and DaemonSets. What controllers would do, the tests do themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swarmlet.cli.rollouts import judging as rollouts
from swarmlet.controllers.sets import controller_history
from swarmlet.model import kinds
from swarmlet.store.commands import Key
from tests.cli import objects
from tests.cli.conftest import Cluster

TEMPLATE = """
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: "busybox:1.36", command: [sleep, "1000"]}]}
"""
MANIFESTS = {
    "statefulset": "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  serviceName: peers"
    + TEMPLATE,
    "daemonset": "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: db}\nspec:" + TEMPLATE,
}
DONE = {
    "statefulset": {
        "replicas": 1,
        "readyReplicas": 1,
        "updatedReplicas": 1,
        "currentRevision": "db-h2",
        "updateRevision": "db-h2",
    },
    "daemonset": {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1},
}


def kind_of(word: str) -> kinds.Kind:
    return kinds.STATEFUL_SET if word == "statefulset" else kinds.DAEMON_SET


def apply(cluster: Cluster, word: str, **spec: object) -> None:
    path = cluster.folder / f"{word}.yaml"
    path.write_text(MANIFESTS[word], encoding="utf-8")
    cluster.ok("apply", "-f", str(path))
    if spec:
        key = Key(kind_of(word).resource, "default", "db")
        document = json.loads(cluster.replica.store.get(key).json)
        document["spec"] |= spec
        cluster.do(lambda: objects.put(cluster.replica, kind_of(word), document))


def finish(cluster: Cluster, word: str) -> None:
    key = Key(kind_of(word).resource, "default", "db")
    document = json.loads(cluster.replica.store.get(key).json)
    document["status"] = {"observedGeneration": document["metadata"]["generation"], **DONE[word]}
    objects.put(cluster.replica, kind_of(word), document)


def add_revisions(cluster: Cluster, word: str) -> None:
    stored = cluster.replica.store.get(Key(kind_of(word).resource, "default", "db"))
    owner = json.loads(stored.json)
    reference = {"apiVersion": "apps/v1", "kind": kind_of(word).kind, "name": "db", "uid": owner["metadata"]["uid"]}
    for number, image in ((1, "busybox:1.35"), (2, "busybox:1.36")):
        data = controller_history.data_of(stored.object.spec.template)
        data["spec"]["template"]["spec"]["containers"][0]["image"] = image
        metadata = {
            "name": f"db-h{number}",
            "namespace": "default",
            "uid": f"revision{number}",
            "creationTimestamp": objects.now(),
            "labels": {"app": "db"},
            "annotations": {"kubernetes.io/change-cause": f"to {image}"},
            "ownerReferences": [reference | {"controller": True}],
        }
        document = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata}
        objects.put(cluster.replica, kinds.CONTROLLER_REVISION, document | {"data": data, "revision": number})


def image(cluster: Cluster, word: str) -> str:
    document = json.loads(cluster.ok("get", f"{word}/db", "-o", "json"))
    return document["spec"]["template"]["spec"]["containers"][0]["image"]


@pytest.mark.parametrize(
    ("word", "last"),
    [
        ("statefulset", "partitioned roll out complete: 1 new pods have been updated..."),
        ("daemonset", 'daemon set "db" successfully rolled out'),
    ],
)
def test_rollout_status_ends_with_kubectls_sentence(cluster: Cluster, word: str, last: str) -> None:
    apply(cluster, word)
    cluster.once_watched(f"{word}s.apps", do=lambda: finish(cluster, word))
    waiting = "daemon set" if word == "daemonset" else word
    assert cluster.ok("rollout", "status", f"{word}/db").splitlines() == [
        f"Waiting for {waiting} spec update to be observed...",
        last,
    ]


@pytest.mark.parametrize("word", list(MANIFESTS))
def test_apply_waits_until_it_is_rolled_out(cluster: Cluster, word: str) -> None:
    path = cluster.folder / f"{word}.yaml"
    path.write_text(MANIFESTS[word], encoding="utf-8")
    cluster.once_watched(f"{word}s.apps", "pods", do=lambda: finish(cluster, word))
    assert "1 of 1 ready" in cluster.ok("apply", "-f", str(path), "--wait")


@pytest.mark.parametrize("word", list(MANIFESTS))
def test_history_and_undo_read_controller_revisions(cluster: Cluster, word: str) -> None:
    apply(cluster, word)
    cluster.do(lambda: add_revisions(cluster, word))
    history = cluster.ok("rollout", "history", f"{word}/db").splitlines()
    assert [line.split() for line in history[2:]] == [["1", "to", "busybox:1.35"], ["2", "to", "busybox:1.36"]]
    assert "busybox:1.35" in cluster.ok("rollout", "history", f"{word}/db", "--revision=1")
    assert cluster.ok("rollout", "undo", f"{word}/db") == f"{word}.apps/db rolled back\n"
    assert image(cluster, word) == "busybox:1.35"
    assert "skipped rollback" in cluster.ok("rollout", "undo", f"{word}/db", "--to-revision=1")


@pytest.mark.parametrize("word", list(MANIFESTS))
def test_restart_changes_the_template(cluster: Cluster, word: str) -> None:
    apply(cluster, word)
    assert cluster.ok("rollout", "restart", f"{word}/db") == f"{word}.apps/db restarted\n"
    assert "kubectl.kubernetes.io/restartedAt" in cluster.ok("get", f"{word}/db", "-o", "yaml")


@pytest.mark.parametrize("word", list(MANIFESTS))
def test_the_status_of_what_is_updated_by_hand_is_refused(cluster: Cluster, word: str) -> None:
    apply(cluster, word, updateStrategy={"type": "OnDelete"})
    result = cluster.run("rollout", "status", f"{word}/db")
    assert (result.code, result.err) == (
        1,
        "error: rollout status is only available for RollingUpdate strategy type\n",
    )


def test_what_has_no_rollout_is_refused(cluster: Cluster) -> None:
    result = cluster.run("rollout", "status", "configmap/x")
    assert result.code == 2
    assert "only a Deployment, a StatefulSet or a DaemonSet is rolled out" in result.err


def test_a_stateful_set_is_scaled(cluster: Cluster) -> None:
    apply(cluster, "statefulset")
    assert cluster.ok("scale", "sts/db", "--replicas=5") == "statefulset.apps/db scaled\n"
    assert json.loads(cluster.ok("get", "sts/db", "-o", "json"))["spec"]["replicas"] == 5


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("statefulset", ["1 desired | 1 total", "OrderedReady", "db-h2 on 1 Pods", "busybox:1.36"]),
        ("daemonset", ["1 max unavailable, 0 max surge", "Desired Number of Nodes Scheduled", "busybox:1.36"]),
    ],
)
def test_describe_tells_what_people_look_for(cluster: Cluster, word: str, told: list[str]) -> None:
    apply(cluster, word)
    cluster.do(lambda: finish(cluster, word))
    printed = cluster.ok("describe", word, "db")
    assert [words for words in told if words not in printed] == []


def judged(judge, spec: dict[str, Any], **status: Any) -> rollouts.Progress:
    metadata = {"name": "db", "generation": 2}
    return judge({"metadata": metadata, "spec": spec, "status": {"observedGeneration": 2, **status}})


@pytest.mark.parametrize(
    ("status", "told", "done"),
    [
        ({"observedGeneration": 1}, "Waiting for statefulset spec update to be observed...", False),
        ({"readyReplicas": 1}, "Waiting for 2 pods to be ready...", False),
        (
            {"readyReplicas": 3, "updatedReplicas": 1},
            "Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...",
            False,
        ),
        (
            {"readyReplicas": 3, "updatedReplicas": 2},
            "partitioned roll out complete: 2 new pods have been updated...",
            True,
        ),
    ],
)
def test_a_stateful_set_is_told_of_in_kubectls_sentences(status: dict[str, Any], told: str, done: bool) -> None:
    progress = judged(
        rollouts.stateful_set, {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 1}}}, **status
    )
    assert (progress.told, progress.done) == (told, done)


@pytest.mark.parametrize(
    ("status", "told", "done"),
    [
        ({"observedGeneration": 1}, "Waiting for daemon set spec update to be observed...", False),
        ({"desiredNumberScheduled": 3, "updatedNumberScheduled": 1}, "1 out of 3 new pods have been updated...", False),
        (
            {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2},
            "2 of 3 updated pods are available...",
            False,
        ),
        (
            {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3},
            "successfully rolled out",
            True,
        ),
    ],
)
def test_a_daemon_set_is_told_of_in_kubectls_sentences(status: dict[str, Any], told: str, done: bool) -> None:
    progress = judged(rollouts.daemon_set, {}, **status)
    assert told in progress.told
    assert progress.done is done
