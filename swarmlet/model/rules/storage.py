"""Rules of PersistentVolumeClaim, PersistentVolume and StorageClass.

Source: kubernetes pkg/apis/core/validation, pkg/apis/storage/validation.
"""

from __future__ import annotations

import msgspec

from swarmlet.model import quantity, storage, syntax
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import affinity, container, meta, volumes

RECLAIM_POLICIES = (storage.DELETE, storage.RETAIN)
BINDING_MODES = (storage.IMMEDIATE, storage.WAIT_FOR_FIRST_CONSUMER)
NOT_MOUNTED = "swarmlet mounts volumes of local and hostPath"

_CLAIM_MAY_CHANGE = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)


def claim(value: storage.PersistentVolumeClaim, problems: Problems) -> None:
    """Check a claim."""
    claim_spec(value.spec, problems.at("spec"))


def claim_spec(spec: storage.PersistentVolumeClaimSpec, place: Place) -> None:
    """Check what a claim asks for, as it stands alone or in a StatefulSet."""
    _access_modes(spec.access_modes, place.field("accessModes"))
    if spec.selector:
        meta.selector(spec.selector, place.field("selector"))
    _size(spec.resources.requests, place.field("resources"))
    if spec.storage_class_name:
        named = place.field("storageClassName")
        named.invalid_each(spec.storage_class_name, syntax.dns_subdomain(spec.storage_class_name))
    _mode(spec.volume_mode, place.field("volumeMode"))
    for name, source in (("dataSource", spec.data_source), ("dataSourceRef", spec.data_source_ref)):
        if source:
            place.field(name).forbidden("swarmlet makes empty volumes only")
    if spec.volume_attributes_class_name:
        place.field("volumeAttributesClassName").forbidden("swarmlet's volumes have no attributes")


def claim_update(new: storage.PersistentVolumeClaim, old: storage.PersistentVolumeClaim, problems: Problems) -> None:
    """Check what of a claim may not change: only a bound one may grow."""
    place = problems.at("spec")
    kept = new.spec
    if old.status.phase == storage.BOUND:
        kept = msgspec.structs.replace(kept, resources=old.spec.resources)
    if not old.spec.volume_name:  # whoever binds it
        kept = msgspec.structs.replace(kept, volume_name=old.spec.volume_name)
    if old.spec.storage_class_name is None:
        kept = msgspec.structs.replace(kept, storage_class_name=None)
    if kept != old.spec:
        place.forbidden(_CLAIM_MAY_CHANGE)
    now, before = (each.spec.resources.requests.get(storage.STORAGE, "0") for each in (new, old))
    if quantity.parse(now).nano < quantity.parse(old.status.capacity.get(storage.STORAGE, before)).nano:
        told = place.field("resources").field("requests").field(storage.STORAGE)
        told.forbidden("field can not be less than status.capacity")


def volume(value: storage.PersistentVolume, problems: Problems) -> None:
    """Check a volume."""
    place, spec = problems.at("spec"), value.spec
    _access_modes(spec.access_modes, place.field("accessModes"))
    _capacity(spec.capacity, place.field("capacity"))
    policy = place.field("persistentVolumeReclaimPolicy")
    if spec.persistent_volume_reclaim_policy == storage.RECYCLE:
        policy.forbidden("Recycle is deprecated and not supported by swarmlet: use Retain or Delete")
    else:
        policy.one_of(spec.persistent_volume_reclaim_policy, RECLAIM_POLICIES)
    _mode(spec.volume_mode, place.field("volumeMode"))
    if spec.storage_class_name:
        named = place.field("storageClassName")
        named.invalid_each(spec.storage_class_name, syntax.dns_subdomain(spec.storage_class_name))
    if spec.node_affinity:
        _node_affinity(spec.node_affinity, place.field("nodeAffinity"))
    _source(spec, place)


def volume_update(new: storage.PersistentVolume, old: storage.PersistentVolume, problems: Problems) -> None:
    """Check what of a volume may not change: what it is, and where."""
    place = problems.at("spec")
    if _sources(new.spec) != _sources(old.spec):
        place.field("persistentvolumesource").forbidden("spec.persistentvolumesource is immutable after creation")
    if old.spec.node_affinity and new.spec.node_affinity != old.spec.node_affinity:
        place.field("nodeAffinity").invalid(new.spec.node_affinity, meta.IMMUTABLE)
    if new.spec.volume_mode != old.spec.volume_mode:
        place.field("volumeMode").invalid(new.spec.volume_mode, meta.IMMUTABLE)


def storage_class(value: storage.StorageClass, problems: Problems) -> None:
    """Check a class; one of the cluster's own provisioner must wait for the node of the first Pod."""
    if not value.provisioner:
        problems.at("provisioner").required()
    else:
        problems.at("provisioner").invalid_each(value.provisioner, syntax.label_key(value.provisioner.lower()))
    problems.at("reclaimPolicy").one_of(value.reclaim_policy, RECLAIM_POLICIES)
    mode = problems.at("volumeBindingMode")
    mode.one_of(value.volume_binding_mode, BINDING_MODES)
    if value.provisioner != storage.LOCAL_PROVISIONER:
        return
    if value.volume_binding_mode == storage.IMMEDIATE:
        why = f"{storage.LOCAL_PROVISIONER} makes a volume on the node of its first Pod: it must be"
        mode.invalid(value.volume_binding_mode, f"{why} {storage.WAIT_FOR_FIRST_CONSUMER}")
    if value.parameters:
        problems.at("parameters").forbidden(f"{storage.LOCAL_PROVISIONER} has no parameters")


def storage_class_update(new: storage.StorageClass, old: storage.StorageClass, problems: Problems) -> None:
    """Check what of a class may not change: all but whether its volumes may grow."""
    if new.parameters != old.parameters:
        problems.at("parameters").forbidden("updates to parameters are forbidden.")
    if new.provisioner != old.provisioner:
        problems.at("provisioner").forbidden("updates to provisioner are forbidden.")
    if new.reclaim_policy != old.reclaim_policy:
        problems.at("reclaimPolicy").forbidden("updates to reclaimPolicy are forbidden.")
    if new.volume_binding_mode != old.volume_binding_mode:
        problems.at("volumeBindingMode").invalid(new.volume_binding_mode, meta.IMMUTABLE)


def _access_modes(modes: tuple[str, ...], place: Place) -> None:
    if not modes:
        place.required("at least 1 access mode is required")
    for mode in modes:
        if mode not in storage.ACCESS_MODES:
            place.unsupported(mode, storage.ACCESS_MODES)
    if storage.READ_WRITE_ONCE_POD in modes and len(modes) > 1:
        place.forbidden("may not use ReadWriteOncePod with other access modes")


def _mode(mode: str, place: Place) -> None:
    if mode == storage.BLOCK:
        place.forbidden("swarmlet's volumes are folders: only Filesystem is supported")
    else:
        place.one_of(mode, (storage.FILESYSTEM,))


def _size(requests: dict[str, str], place: Place) -> None:
    asked = place.field("requests")
    if storage.STORAGE not in requests:
        asked.field(storage.STORAGE).required()
    else:
        _positive(requests[storage.STORAGE], asked.field(storage.STORAGE))


def _capacity(capacity: dict[str, str], place: Place) -> None:
    if not capacity:
        place.required()
    elif set(capacity) != {storage.STORAGE}:
        place.unsupported(", ".join(sorted(capacity)), (storage.STORAGE,))
    else:
        _positive(capacity[storage.STORAGE], place.key(storage.STORAGE))


def _positive(amount: str, place: Place) -> None:
    if quantity.parse(amount).nano <= 0:
        place.invalid(amount, "must be greater than zero")


def _node_affinity(value: storage.VolumeNodeAffinity, place: Place) -> None:
    if value.required is None:
        place.field("required").required("must specify required node constraints")
    else:
        affinity.node_selector(value.required, place.field("required"))


def _sources(spec: storage.PersistentVolumeSpec) -> dict[str, object]:
    ours = {"local": spec.local, "hostPath": spec.host_path}
    foreign = {
        each.encode_name: getattr(spec, each.name)
        for each in msgspec.structs.fields(spec)
        if each.type == storage.Foreign
    }
    return {name: source for name, source in (ours | foreign).items() if source is not None}


def _source(spec: storage.PersistentVolumeSpec, place: Place) -> None:
    given = _sources(spec)
    if not given:
        place.required("must specify a volume type")
    for name in given:
        if name not in ("local", "hostPath"):
            place.field(name).forbidden(NOT_MOUNTED)
    if spec.local and spec.host_path:
        place.field("local").forbidden("may not specify more than 1 volume type")
    if spec.host_path:
        volumes.host_path(spec.host_path, place.field("hostPath"))
    if spec.local:
        inner = place.field("local").field("path")
        if spec.local.path:
            container.no_back_steps(spec.local.path, inner)
        else:
            inner.required()
        if spec.node_affinity is None:
            place.field("nodeAffinity").required("Local volume requires node affinity")
