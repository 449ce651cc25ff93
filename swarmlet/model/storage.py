"""PersistentVolumeClaim and PersistentVolume (core/v1), and StorageClass (storage.k8s.io/v1).

A volume of a kind that swarmlet cannot mount is kept here only to be refused by its field's name.
Source: k8s.io/api/core/v1/types.go, k8s.io/api/storage/v1/types.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from swarmlet.model.affinity import NodeSelector
from swarmlet.model.base import ApiStruct, Time, always
from swarmlet.model.core import ObjectReference
from swarmlet.model.meta import Condition, LabelSelector, Object
from swarmlet.model.pod_volumes import HostPathVolumeSource

READ_WRITE_ONCE = "ReadWriteOnce"
READ_ONLY_MANY = "ReadOnlyMany"
READ_WRITE_MANY = "ReadWriteMany"
READ_WRITE_ONCE_POD = "ReadWriteOncePod"
ACCESS_MODES = (READ_WRITE_ONCE, READ_ONLY_MANY, READ_WRITE_MANY, READ_WRITE_ONCE_POD)
FILESYSTEM = "Filesystem"
BLOCK = "Block"
RETAIN = "Retain"
DELETE = "Delete"
RECYCLE = "Recycle"
IMMEDIATE = "Immediate"
WAIT_FOR_FIRST_CONSUMER = "WaitForFirstConsumer"
STORAGE = "storage"

LOCAL_PROVISIONER = "swarmlet.io/local"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
LOCAL_CLASS = "local"
"""The class that every cluster has."""

CLAIM_PROTECTION = "kubernetes.io/pvc-protection"
VOLUME_PROTECTION = "kubernetes.io/pv-protection"
LOCAL_FOLDER = "swarmlet.io/local-volume"
"""The finalizer of a volume whose folder is still on its node."""
FOLDER_MADE = "swarmlet.io/folder-made"
"""On a volume whose folder was made, "true": where it is missing later, data are lost, and no empty one is made."""

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"

PENDING = "Pending"
AVAILABLE = "Available"
BOUND = "Bound"
RELEASED = "Released"
LOST = "Lost"
FAILED = "Failed"

Foreign = dict[str, Any] | None
"""A source that is refused by name, as it was written."""


class VolumeResources(ApiStruct, frozen=True, kw_only=True):
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}


class PersistentVolumeClaimSpec(ApiStruct, frozen=True, kw_only=True):
    """`storage_class_name` None asks for the default class, "" for no class at all."""

    access_modes: tuple[str, ...] = ()
    selector: LabelSelector | None = None
    resources: VolumeResources = VolumeResources()
    volume_name: str = ""
    storage_class_name: str | None = None
    volume_mode: str = ""
    data_source: Foreign = None
    data_source_ref: Foreign = None
    volume_attributes_class_name: str | None = None


class PersistentVolumeClaimStatus(ApiStruct, frozen=True, kw_only=True):
    phase: str = ""
    access_modes: tuple[str, ...] = ()
    capacity: dict[str, str] = {}
    conditions: tuple[Condition, ...] = ()


class PersistentVolumeClaim(Object, frozen=True, kw_only=True):
    api_version: str = always("v1")
    kind: str = always("PersistentVolumeClaim")
    spec: PersistentVolumeClaimSpec = PersistentVolumeClaimSpec()
    status: PersistentVolumeClaimStatus = msgspec.field(default_factory=PersistentVolumeClaimStatus)


class LocalVolumeSource(ApiStruct, frozen=True, kw_only=True):
    path: str
    fs_type: str = ""


class VolumeNodeAffinity(ApiStruct, frozen=True, kw_only=True):
    required: NodeSelector | None = None


class PersistentVolumeSpec(ApiStruct, frozen=True, kw_only=True):
    capacity: dict[str, str] = {}
    access_modes: tuple[str, ...] = ()
    claim_ref: ObjectReference | None = None
    persistent_volume_reclaim_policy: str = ""
    storage_class_name: str = ""
    volume_mode: str = ""
    node_affinity: VolumeNodeAffinity | None = None
    local: LocalVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    aws_elastic_block_store: Foreign = None
    azure_disk: Foreign = None
    azure_file: Foreign = None
    cephfs: Foreign = None
    cinder: Foreign = None
    csi: Foreign = None
    fc: Foreign = None
    flex_volume: Foreign = None
    flocker: Foreign = None
    gce_persistent_disk: Foreign = None
    glusterfs: Foreign = None
    iscsi: Foreign = None
    nfs: Foreign = None
    photon_persistent_disk: Foreign = None
    portworx_volume: Foreign = None
    quobyte: Foreign = None
    rbd: Foreign = None
    scale_io: Foreign = msgspec.field(name="scaleIO", default=None)
    storageos: Foreign = None
    vsphere_volume: Foreign = None


class PersistentVolumeStatus(ApiStruct, frozen=True, kw_only=True):
    phase: str = ""
    message: str = ""
    reason: str = ""
    last_phase_transition_time: Time | None = None


class PersistentVolume(Object, frozen=True, kw_only=True):
    api_version: str = always("v1")
    kind: str = always("PersistentVolume")
    spec: PersistentVolumeSpec = PersistentVolumeSpec()
    status: PersistentVolumeStatus = msgspec.field(default_factory=PersistentVolumeStatus)


class StorageClass(Object, frozen=True, kw_only=True):
    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("StorageClass")
    provisioner: str = always("")
    parameters: dict[str, str] = {}
    reclaim_policy: str = ""
    allow_volume_expansion: bool | None = None
    volume_binding_mode: str = ""
