"""Fields, defaults and rules of claims, volumes and storage classes."""

from __future__ import annotations

import pytest

from swarmlet.errors import InvalidError
from swarmlet.model import decode, defaults, kinds, objects, storage, validation, volumes
from swarmlet.model.kinds import Kind

CLAIM = {
    "metadata": {"name": "data", "namespace": "default"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
HERE = {
    "nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["a"]}]}]
}
VOLUME = {
    "metadata": {"name": "disk"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "local": {"path": "/mnt/disk"},
        "nodeAffinity": {"required": HERE},
    },
}
CLASS = {
    "metadata": {"name": "fast"},
    "provisioner": "swarmlet.io/local",
    "volumeBindingMode": "WaitForFirstConsumer",
}
FOREIGN = ("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume", "flocker")
FOREIGN += ("gcePersistentDisk", "glusterfs", "iscsi", "nfs", "photonPersistentDisk", "portworxVolume", "quobyte")
FOREIGN += ("rbd", "scaleIO", "storageos", "vsphereVolume")


def merged(document: dict, path: str, value: object) -> dict:
    first, _, rest = path.partition(".")
    inner = merged(document.get(first) or {}, rest, value) if rest else value
    return {key: each for key, each in {**document, first: inner}.items() if each is not None}


def made(kind: Kind, document: dict):
    return defaults.fill(decode.decode(kind, document).object)


def problems(kind: Kind, document: dict) -> dict[str, str]:
    try:
        validation.validate(made(kind, document))
    except InvalidError as error:
        return dict(error.causes)
    return {}


def update_problems(kind: Kind, before: dict, after: dict) -> dict[str, str]:
    try:
        validation.validate_update(made(kind, after), made(kind, before))
    except InvalidError as error:
        return dict(error.causes)
    return {}


def test_what_is_filled_in_is_kubernetes() -> None:
    claim = objects.to_document(made(kinds.PERSISTENT_VOLUME_CLAIM, CLAIM))
    assert claim["spec"]["volumeMode"] == "Filesystem"
    assert claim["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert claim["status"] == {"phase": "Pending"}
    volume = objects.to_document(made(kinds.PERSISTENT_VOLUME, VOLUME))
    assert (volume["spec"]["persistentVolumeReclaimPolicy"], volume["spec"]["volumeMode"]) == ("Retain", "Filesystem")
    assert volume["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    made_class = objects.to_document(made(kinds.STORAGE_CLASS, {"metadata": {"name": "x"}, "provisioner": "e.com/x"}))
    assert (made_class["reclaimPolicy"], made_class["volumeBindingMode"]) == ("Delete", "Immediate")


def test_no_class_and_the_default_class_are_told_apart() -> None:
    none = made(kinds.PERSISTENT_VOLUME_CLAIM, merged(CLAIM, "spec.storageClassName", ""))
    assert objects.to_document(none)["spec"]["storageClassName"] == ""
    assert made(kinds.PERSISTENT_VOLUME_CLAIM, CLAIM).spec.storage_class_name is None


def test_one_that_is_about_to_go_gets_no_finalizer_anew() -> None:
    going = merged(CLAIM, "metadata.deletionTimestamp", "2026-01-01T00:00:00Z")
    assert made(kinds.PERSISTENT_VOLUME_CLAIM, going).metadata.finalizers == ()


@pytest.mark.parametrize(
    ("kind", "document"),
    [(kinds.PERSISTENT_VOLUME_CLAIM, CLAIM), (kinds.PERSISTENT_VOLUME, VOLUME), (kinds.STORAGE_CLASS, CLASS)],
)
def test_what_keeps_the_rules_is_taken(kind: Kind, document: dict) -> None:
    assert problems(kind, document) == {}


@pytest.mark.parametrize(
    ("path", "value", "where", "told"),
    [
        ("spec.accessModes", [], "spec.accessModes", "at least 1 access mode is required"),
        ("spec.accessModes", ["ReadAlways"], "spec.accessModes", "supported values"),
        ("spec.accessModes", ["ReadWriteOncePod", "ReadWriteOnce"], "spec.accessModes", "may not use ReadWriteOncePod"),
        ("spec.resources", {}, "spec.resources.requests.storage", "Required value"),
        ("spec.resources.requests.storage", "0", "spec.resources.requests.storage", "must be greater than zero"),
        ("spec.volumeMode", "Block", "spec.volumeMode", "only Filesystem is supported"),
        ("spec.volumeMode", "Tape", "spec.volumeMode", "supported values"),
        ("spec.storageClassName", "No_Name", "spec.storageClassName", "RFC 1123"),
        ("spec.dataSource", {"kind": "VolumeSnapshot", "name": "x"}, "spec.dataSource", "empty volumes only"),
        ("spec.dataSourceRef", {"kind": "VolumeSnapshot", "name": "x"}, "spec.dataSourceRef", "empty volumes only"),
        ("spec.volumeAttributesClassName", "gold", "spec.volumeAttributesClassName", "no attributes"),
    ],
)
def test_a_claims_wrong_field_is_named(path: str, value: object, where: str, told: str) -> None:
    assert told in problems(kinds.PERSISTENT_VOLUME_CLAIM, merged(CLAIM, path, value)).get(where, "")


@pytest.mark.parametrize(
    ("path", "value", "where", "told"),
    [
        ("spec.capacity", {}, "spec.capacity", "Required value"),
        ("spec.capacity", {"storage": "1Gi", "cpu": "1"}, "spec.capacity", "supported values"),
        ("spec.capacity.storage", "-1Gi", "spec.capacity[storage]", "must be greater than zero"),
        ("spec.persistentVolumeReclaimPolicy", "Recycle", "spec.persistentVolumeReclaimPolicy", "not supported"),
        ("spec.persistentVolumeReclaimPolicy", "Keep", "spec.persistentVolumeReclaimPolicy", "supported values"),
        ("spec.nodeAffinity", None, "spec.nodeAffinity", "Local volume requires node affinity"),
        ("spec.nodeAffinity", {}, "spec.nodeAffinity.required", "must specify required node constraints"),
        ("spec.local", None, "spec", "must specify a volume type"),
        ("spec.local.path", "/mnt/../etc", "spec.local.path", "must not contain '..'"),
        ("spec.hostPath", {"path": "/srv"}, "spec.local", "may not specify more than 1 volume type"),
        *((f"spec.{name}", {"x": "y"}, f"spec.{name}", "swarmlet mounts volumes of local") for name in FOREIGN),
    ],
)
def test_a_volumes_wrong_field_is_named(path: str, value: object, where: str, told: str) -> None:
    assert told in problems(kinds.PERSISTENT_VOLUME, merged(VOLUME, path, value)).get(where, "")


@pytest.mark.parametrize(
    ("path", "value", "where", "told"),
    [
        ("provisioner", "", "provisioner", "Required value"),
        ("reclaimPolicy", "Recycle", "reclaimPolicy", "supported values"),
        ("volumeBindingMode", "Sometimes", "volumeBindingMode", "supported values"),
        ("volumeBindingMode", "Immediate", "volumeBindingMode", "must be WaitForFirstConsumer"),
        ("parameters", {"type": "ssd"}, "parameters", "has no parameters"),
    ],
)
def test_a_classs_wrong_field_is_named(path: str, value: object, where: str, told: str) -> None:
    assert told in problems(kinds.STORAGE_CLASS, merged(CLASS, path, value)).get(where, "")


def test_what_cannot_be_honoured_of_a_class_is_told() -> None:
    document = CLASS | {"allowedTopologies": [{"matchLabelExpressions": [{"key": "a", "values": ["b"]}]}]}
    assert decode.decode(kinds.STORAGE_CLASS, document).unsupported_fields == ("allowedTopologies",)


BOUND = merged(merged(CLAIM, "spec.volumeName", "v"), "status", {"phase": "Bound", "capacity": {"storage": "1Gi"}})


@pytest.mark.parametrize(
    ("before", "path", "value", "told"),
    [
        (CLAIM, "spec.resources.requests.storage", "2Gi", "spec is immutable after creation except"),
        (CLAIM, "spec.accessModes", ["ReadOnlyMany"], "spec is immutable after creation except"),
        (BOUND, "spec.volumeName", "other", "spec is immutable after creation except"),
        (BOUND, "spec.resources.requests.storage", "2Gi", ""),
        (CLAIM, "spec.storageClassName", "fast", ""),
        (merged(CLAIM, "spec.storageClassName", "a"), "spec.storageClassName", "b", "spec is immutable"),
    ],
)
def test_a_claim_changes_only_its_size_once_it_is_bound(before: dict, path: str, value: object, told: str) -> None:
    found = update_problems(kinds.PERSISTENT_VOLUME_CLAIM, before, merged(before, path, value))
    assert (told in found.get("spec", "")) if told else found == {}


def test_a_claim_never_shrinks() -> None:
    less = merged(BOUND, "spec.resources.requests.storage", "500Mi")
    found = update_problems(kinds.PERSISTENT_VOLUME_CLAIM, BOUND, less)
    assert found == {"spec.resources.requests.storage": "Forbidden: field can not be less than status.capacity"}


@pytest.mark.parametrize(
    ("kind", "document", "path", "value"),
    [
        (kinds.PERSISTENT_VOLUME, VOLUME, "spec.local.path", "/elsewhere"),
        (kinds.PERSISTENT_VOLUME, VOLUME, "spec.nodeAffinity.required.nodeSelectorTerms", [{"matchFields": []}]),
        (kinds.STORAGE_CLASS, CLASS, "provisioner", "example.com/other"),
        (kinds.STORAGE_CLASS, CLASS, "reclaimPolicy", "Retain"),
        (kinds.STORAGE_CLASS, merged(CLASS, "provisioner", "e.com/x"), "parameters", {"a": "b"}),
    ],
)
def test_what_a_volume_or_a_class_is_does_not_change(kind: Kind, document: dict, path: str, value: object) -> None:
    assert update_problems(kind, document, merged(document, path, value))


def test_volumes_that_fit_come_smallest_first() -> None:
    claim = made(kinds.PERSISTENT_VOLUME_CLAIM, merged(CLAIM, "spec.storageClassName", ""))
    sizes = {"big": "9Gi", "fit": "2Gi", "small": "1Mi"}
    found = [
        made(kinds.PERSISTENT_VOLUME, merged(merged(VOLUME, "metadata.name", name), "spec.capacity.storage", size))
        for name, size in sizes.items()
    ]
    assert [each.metadata.name for each in volumes.fitting(found, claim, "")] == ["fit", "big"]


def test_a_volume_on_a_node_tells_which() -> None:
    on_node = volumes.on_node({"kubernetes.io/hostname": "b", "swarmlet.io/node-id": "n-2", "other": "x"})
    volume = made(kinds.PERSISTENT_VOLUME, VOLUME)
    placed = storage.PersistentVolume(spec=storage.PersistentVolumeSpec(node_affinity=on_node))
    assert (volumes.node_name(placed), volumes.node_id(placed)) == ("b", "n-2")
    assert (volumes.node_name(volume), volumes.node_id(volume)) == ("a", "")
