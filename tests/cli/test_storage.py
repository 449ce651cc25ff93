"""What kubectl and our own command line show of claims, volumes and classes."""

from __future__ import annotations

import msgspec
import pytest

from swarmlet.model import kinds, objects
from swarmlet.model.core import Node, NodeStatus, ObjectReference
from swarmlet.model.meta import Condition, Object, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_volumes import PersistentVolumeClaimVolumeSource, Volume
from swarmlet.model.storage import (
    LocalVolumeSource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
    PersistentVolumeSpec,
    PersistentVolumeStatus,
    StorageClass,
    VolumeResources,
)
from swarmlet.model.volumes import on_node
from tests.cli.conftest import Cluster

LABELS = {"kubernetes.io/hostname": "b", "swarmlet.io/node-id": "n-2"}
CLAIM = PersistentVolumeClaim(
    metadata=ObjectMeta(name="data", namespace="default", uid="c", finalizers=("kubernetes.io/pvc-protection",)),
    spec=PersistentVolumeClaimSpec(
        access_modes=("ReadWriteOnce",),
        resources=VolumeResources(requests={"storage": "1Gi"}),
        volume_name="pvc-c",
        storage_class_name="local",
        volume_mode="Filesystem",
    ),
    status=PersistentVolumeClaimStatus(
        phase="Bound", access_modes=("ReadWriteOnce", "ReadOnlyMany"), capacity={"storage": "2Gi"}
    ),
)
VOLUME = PersistentVolume(
    metadata=ObjectMeta(name="pvc-c", uid="v"),
    spec=PersistentVolumeSpec(
        capacity={"storage": "2Gi"},
        access_modes=("ReadWriteOncePod",),
        persistent_volume_reclaim_policy="Delete",
        storage_class_name="local",
        claim_ref=ObjectReference(namespace="default", name="data", uid="c"),
        node_affinity=on_node(LABELS),
        local=LocalVolumeSource(path="/srv/pvc-c"),
        volume_mode="Filesystem",
    ),
    status=PersistentVolumeStatus(phase="Released"),
)
CLASS = StorageClass(
    metadata=ObjectMeta(name="local", annotations={"storageclass.kubernetes.io/is-default-class": "true"}),
    provisioner="swarmlet.io/local",
    reclaim_policy="Delete",
    volume_binding_mode="WaitForFirstConsumer",
    allow_volume_expansion=True,
)


def put(cluster: Cluster, kind: kinds.Kind, value: Object) -> None:
    cluster.do(lambda: cluster.replica.put(kind, value))


def put_node(cluster: Cluster, *, ready: str, labels: dict[str, str] = LABELS) -> None:
    conditions = (Condition(type="Ready", status=ready),)
    node = Node(metadata=ObjectMeta(name="b", labels=labels), status=NodeStatus(conditions=conditions))
    put(cluster, kinds.NODE, node)


@pytest.fixture
def stored(cluster: Cluster) -> Cluster:
    source = PersistentVolumeClaimVolumeSource(claim_name="data")
    spec = PodSpec(volumes=(Volume(name="v", persistent_volume_claim=source),))
    put(cluster, kinds.POD, Pod(metadata=ObjectMeta(name="db", namespace="default", uid="p"), spec=spec))
    put(cluster, kinds.PERSISTENT_VOLUME_CLAIM, CLAIM)
    put(cluster, kinds.PERSISTENT_VOLUME, VOLUME)
    put(cluster, kinds.STORAGE_CLASS, CLASS)
    return cluster


def cells(text: str) -> list[str]:
    return text.splitlines()[1].split()


def test_kubectl_lists_them_with_its_own_columns(stored: Cluster) -> None:
    claims = stored.kubectl("get", "pvc", "-o", "wide").out
    header = "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE VOLUMEMODE"
    assert claims.splitlines()[0].split() == header.split()
    unknown_age = "<unknown>"
    row = ["data", "Bound", "pvc-c", "2Gi", "RWO,ROX", "local", "<unset>", unknown_age, "Filesystem"]
    assert cells(claims) == row
    row = ["pvc-c", "2Gi", "RWOP", "Delete", "Released", "default/data", "local", "<unset>", unknown_age, "Filesystem"]
    assert cells(stored.kubectl("get", "pv", "-o", "wide").out) == row
    row = ["local", "(default)", "swarmlet.io/local", "Delete", "WaitForFirstConsumer", "true", unknown_age]
    assert cells(stored.kubectl("get", "sc").out) == row


def test_kubectl_describes_them(stored: Cluster) -> None:
    told = stored.kubectl("describe", "pvc", "data").out
    assert "Used By:       db" in told
    assert "[kubernetes.io/pvc-protection]" in told
    assert "Path:  /srv/pvc-c" in stored.kubectl("describe", "pv", "pvc-c").out
    assert "IsDefaultClass:        Yes" in stored.kubectl("describe", "sc", "local").out


def described(cluster: Cluster, *words: str) -> dict[str, str]:
    lines = cluster.ok("describe", *words).splitlines()
    return {label.strip(): value.strip() for label, _, value in (line.partition(":") for line in lines)}


def test_describe_says_who_uses_a_claim_and_where_it_lives(stored: Cluster) -> None:
    put_node(stored, ready="True")
    told = described(stored, "pvc", "data")
    assert (told["Used By"], told["Lives On"], told["Requested"], told["Capacity"]) == ("db", "b", "1Gi", "2Gi")


@pytest.mark.parametrize("words", [("pvc", "data"), ("pv", "pvc-c")])
def test_describe_says_plainly_that_the_machine_of_a_volume_is_not_there(
    stored: Cluster, words: tuple[str, str]
) -> None:
    assert described(stored, *words)["Lives On"] == "b (which has left the cluster)"
    put_node(stored, ready="Unknown")
    assert described(stored, *words)["Lives On"].startswith("b (which is down since ")
    put_node(stored, ready="True", labels=LABELS | {"swarmlet.io/node-id": "n-9"})
    assert described(stored, *words)["Lives On"] == "b (which has left the cluster)"


def test_describe_tells_of_volumes_and_classes(stored: Cluster) -> None:
    told = described(stored, "pv", "pvc-c")
    assert (told["Claim"], told["Reclaim Policy"], told["Source"]) == (
        "default/data",
        "Delete",
        "LocalVolume /srv/pvc-c",
    )
    assert told["Node Affinity"] == "kubernetes.io/hostname in [b], swarmlet.io/node-id in [n-2]"
    told = described(stored, "sc", "local")
    assert (told["Provisioner"], told["AllowVolumeExpansion"]) == ("swarmlet.io/local", "true")


@pytest.mark.parametrize("grows", [True, False])
def test_a_claim_grows_only_where_its_class_lets_volumes_grow(stored: Cluster, *, grows: bool) -> None:
    put(stored, kinds.STORAGE_CLASS, msgspec.structs.replace(CLASS, allow_volume_expansion=grows or None))
    own = {"pv.kubernetes.io/provisioned-by": "swarmlet.io/local"}
    put(stored, kinds.PERSISTENT_VOLUME, objects.with_metadata(VOLUME, annotations=own))
    size = '{"spec": {"resources": {"requests": {"storage": "9Gi"}}}}'
    result = stored.kubectl("patch", "pvc", "data", "-p", size)
    if grows:
        assert result.code == 0, result
    else:
        assert 'persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc' in result.err


def test_the_volume_of_a_claim_that_was_made_by_hand_does_not_grow(stored: Cluster) -> None:
    size = '{"spec": {"resources": {"requests": {"storage": "9Gi"}}}}'
    assert "is forbidden" in stored.kubectl("patch", "pvc", "data", "-p", size).err
