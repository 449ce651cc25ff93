"""apps/v1 StatefulSet, DaemonSet, and the ControllerRevision that is the history of both.

Source: k8s.io/api/apps/v1/types.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from swarmlet.model.base import ApiStruct, IntOrString, always
from swarmlet.model.meta import Condition, LabelSelector, Object
from swarmlet.model.pod import PodTemplateSpec
from swarmlet.model.storage import PersistentVolumeClaim

ORDERED_READY = "OrderedReady"
PARALLEL = "Parallel"
ROLLING_UPDATE = "RollingUpdate"
ON_DELETE = "OnDelete"
RETAIN = "Retain"
DELETE = "Delete"


class RollingUpdateStatefulSet(ApiStruct, frozen=True, kw_only=True):
    """Pods of an ordinal below `partition`, counted from the first, keep the revision they have."""

    partition: int | None = None
    max_unavailable: IntOrString | None = None


class StatefulSetUpdateStrategy(ApiStruct, frozen=True, kw_only=True):
    type: str = ""
    rolling_update: RollingUpdateStatefulSet | None = None


class ClaimRetentionPolicy(ApiStruct, frozen=True, kw_only=True):
    """Kubernetes' StatefulSetPersistentVolumeClaimRetentionPolicy: "Retain" or "Delete"."""

    when_deleted: str = ""
    when_scaled: str = ""


class StatefulSetOrdinals(ApiStruct, frozen=True, kw_only=True):
    start: int = 0


class StatefulSetSpec(ApiStruct, frozen=True, kw_only=True):
    """Each of `volume_claim_templates` is a claim that every Pod gets one of, and that outlives the Pod."""

    replicas: int | None = None
    selector: LabelSelector = LabelSelector()
    template: PodTemplateSpec = PodTemplateSpec()
    volume_claim_templates: tuple[PersistentVolumeClaim, ...] = ()
    service_name: str = ""
    pod_management_policy: str = ""
    update_strategy: StatefulSetUpdateStrategy = StatefulSetUpdateStrategy()
    revision_history_limit: int | None = None
    min_ready_seconds: int = 0
    persistent_volume_claim_retention_policy: ClaimRetentionPolicy | None = None
    ordinals: StatefulSetOrdinals | None = None


class StatefulSetStatus(ApiStruct, frozen=True, kw_only=True):
    """`replicas` and `available_replicas` are on the wire at zero, too: clients require them."""

    observed_generation: int = 0
    replicas: int = msgspec.field(default_factory=int)
    ready_replicas: int = 0
    current_replicas: int = 0
    updated_replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""
    collision_count: int | None = None
    conditions: tuple[Condition, ...] = ()
    available_replicas: int = msgspec.field(default_factory=int)


class StatefulSet(Object, frozen=True, kw_only=True):
    api_version: str = always("apps/v1")
    kind: str = always("StatefulSet")
    spec: StatefulSetSpec = StatefulSetSpec()
    status: StatefulSetStatus = msgspec.field(default_factory=StatefulSetStatus)  # clients want "status": {}


class RollingUpdateDaemonSet(ApiStruct, frozen=True, kw_only=True):
    max_unavailable: IntOrString | None = None
    max_surge: IntOrString | None = None


class DaemonSetUpdateStrategy(ApiStruct, frozen=True, kw_only=True):
    type: str = ""
    rolling_update: RollingUpdateDaemonSet | None = None


class DaemonSetSpec(ApiStruct, frozen=True, kw_only=True):
    selector: LabelSelector = LabelSelector()
    template: PodTemplateSpec = PodTemplateSpec()
    update_strategy: DaemonSetUpdateStrategy = DaemonSetUpdateStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int | None = None


class DaemonSetStatus(ApiStruct, frozen=True, kw_only=True):
    """The first four are on the wire at zero, too: clients require them."""

    current_number_scheduled: int = msgspec.field(default_factory=int)
    number_misscheduled: int = msgspec.field(default_factory=int)
    desired_number_scheduled: int = msgspec.field(default_factory=int)
    number_ready: int = msgspec.field(default_factory=int)
    observed_generation: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0
    number_unavailable: int = 0
    collision_count: int | None = None
    conditions: tuple[Condition, ...] = ()


class DaemonSet(Object, frozen=True, kw_only=True):
    api_version: str = always("apps/v1")
    kind: str = always("DaemonSet")
    spec: DaemonSetSpec = DaemonSetSpec()
    status: DaemonSetStatus = msgspec.field(default_factory=DaemonSetStatus)  # clients want "status": {}


class ControllerRevision(Object, frozen=True, kw_only=True):
    """A past or present version of a StatefulSet or DaemonSet: `data` is the patch of its owner that brings it back."""

    api_version: str = always("apps/v1")
    kind: str = always("ControllerRevision")
    data: dict[str, Any] = {}
    revision: int = msgspec.field(default_factory=int)
