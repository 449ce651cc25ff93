"""A StatefulSet whose Pods keep what they wrote: on their machine, without it, and until it is to go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.lab.cluster import Cluster, eventually

SPACE = "volumes-e2e"
SET = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  replicas: 3
  serviceName: store
  podManagementPolicy: Parallel
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      terminationGracePeriodSeconds: 1
      securityContext: {fsGroup: 4321}
      containers:
      - name: main
        image: busybox:lab
        command: [sh, -c, "test -f /data/born || echo $POD_NAME >/data/born; echo again >>/data/starts; exec hold"]
        env: [{name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Mi}}}
"""


class Store:
    """The StatefulSet as a user sees it, and its folders as the machines have them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def kubectl(self, *words: str, **more: Any) -> str:
        return self.cluster.kubectl("-n", SPACE, *words, **more)

    def listed(self, kind: str) -> list[dict[str, Any]]:
        return json.loads(self.kubectl("get", kind, "-o", "json"))["items"]

    def running(self) -> dict[str, str]:
        """Return the node of each Pod that is ready and stays."""
        found = {}
        for pod in self.listed("pods"):
            ready = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}.get("Ready")
            if ready == "True" and not pod["metadata"].get("deletionTimestamp"):
                found[pod["metadata"]["name"]] = pod["spec"]["nodeName"]
        return found

    def wait_running(self, count: int, seconds: float = 30) -> dict[str, str]:
        return eventually(
            lambda: homes if len(homes := self.running()) == count else None, seconds, f"{count} Pods run"
        )

    def folder(self, ordinal: int, node: str) -> Path:
        claim = json.loads(self.kubectl("get", "pvc", f"data-store-{ordinal}", "-o", "json"))
        return self.cluster[node].data_dir / "volumes" / claim["spec"]["volumeName"]

    def has_its_data(self, ordinal: int, node: str) -> bool:
        """Whether the Pod was started again on what it wrote when it was first made."""
        folder = self.folder(ordinal, node)
        again = len((folder / "starts").read_text().splitlines()) >= 2
        return again and (folder / "born").read_text() == f"store-{ordinal}\n"


@pytest.fixture
def store(cluster: Cluster) -> Iterator[Store]:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(space))
    store = Store(cluster)
    store.kubectl("apply", "-f", "-", stdin=SET)
    yield store
    for daemon in cluster:  # a volume waits for its machine
        if not daemon.machine.on:
            daemon.machine.power_on()
            daemon.start()
    cluster.wait_ready(3)
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false")

    def gone() -> bool:
        spaces = cluster.kubectl("get", "namespaces", "-o", "name")
        return f"namespace/{SPACE}" not in spaces.split() and not cluster.kubectl("get", "pv", "-o", "name").split()

    eventually(gone, 60, "the namespace and its volumes are gone")


def test_data_stay_with_their_pod_whatever_happens(cluster: Cluster, store: Store) -> None:
    homes = store.wait_running(3)
    assert sorted(homes.values()) == ["h1", "h2", "h3"]
    folder = store.folder(0, homes["store-0"])
    assert folder.stat().st_gid == 4321
    rows = [line.split() for line in store.kubectl("get", "pvc").splitlines()[1:]]
    assert [(row[0], row[1], row[3], row[4], row[5]) for row in rows] == [
        (f"data-store-{ordinal}", "Bound", "10Mi", "RWO", "local") for ordinal in range(3)
    ]

    store.kubectl("delete", "pod", "store-0")
    assert store.wait_running(3) == homes
    assert store.has_its_data(0, homes["store-0"])

    store.kubectl("scale", "statefulset", "store", "--replicas=2")
    store.wait_running(2)
    assert len(store.listed("pvc")) == 3
    store.kubectl("scale", "statefulset", "store", "--replicas=3")
    assert store.wait_running(3) == homes
    assert store.has_its_data(2, homes["store-2"])

    lost = cluster.followers()[0]
    (ordinal,) = (int(name[-1]) for name, node in homes.items() if node == lost.name)
    kept = store.folder(ordinal, lost.name)
    lost.machine.power_off()

    def told() -> str:
        # Between the lost Pod's end and the next one's making there is none.
        pod = json.loads(store.kubectl("get", "pod", f"store-{ordinal}", "-o", "json", "--ignore-not-found") or "{}")
        conditions = pod.get("status", {}).get("conditions", ()) if not pod.get("spec", {}).get("nodeName") else ()
        return next((each.get("message", "") for each in conditions if each["type"] == "PodScheduled"), "")

    expected = f"volume {kept.name} lives on node {lost.name}, which is down since "
    eventually(lambda: expected in told(), 40, "the Pod says what it waits for")
    claim = f"data-store-{ordinal}"
    eventually(lambda: expected in store.kubectl("describe", "pvc", claim), 10, "so does its claim")
    lost.machine.power_on()
    lost.start()
    cluster.wait_ready(3)
    assert store.wait_running(3, 40) == homes
    assert store.has_its_data(ordinal, lost.name)
    assert len(cluster.kubectl("get", "pv", "-o", "name").split()) == 3

    folders = [store.folder(each, homes[f"store-{each}"]) for each in range(3)]
    store.kubectl("delete", "statefulset", "store")
    eventually(lambda: not any(folder.exists() for folder in folders), 30, "the folders are gone")
    eventually(lambda: not cluster.kubectl("get", "pv", "-o", "name").split(), 10, "the volumes are gone")
