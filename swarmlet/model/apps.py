"""apps/v1 Deployment and ReplicaSet, and autoscaling/v1 Scale. Source: k8s.io/api/apps/v1/types.go."""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, IntOrString, always
from swarmlet.model.meta import Condition, LabelSelector, Object, ObjectMeta
from swarmlet.model.pod import PodTemplateSpec


class RollingUpdateDeployment(ApiStruct, frozen=True, kw_only=True):
    max_unavailable: IntOrString | None = None
    max_surge: IntOrString | None = None


class DeploymentStrategy(ApiStruct, frozen=True, kw_only=True):
    type: str = ""
    rolling_update: RollingUpdateDeployment | None = None


class DeploymentSpec(ApiStruct, frozen=True, kw_only=True):
    replicas: int | None = None
    selector: LabelSelector = LabelSelector()
    template: PodTemplateSpec = PodTemplateSpec()
    strategy: DeploymentStrategy = DeploymentStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int | None = None
    paused: bool = False
    progress_deadline_seconds: int | None = None


class DeploymentStatus(ApiStruct, frozen=True, kw_only=True):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    terminating_replicas: int | None = None
    conditions: tuple[Condition, ...] = ()
    collision_count: int | None = None


class Deployment(Object, frozen=True, kw_only=True):
    api_version: str = always("apps/v1")
    kind: str = always("Deployment")
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = msgspec.field(default_factory=DeploymentStatus)  # clients want "status": {}


class ReplicaSetSpec(ApiStruct, frozen=True, kw_only=True):
    replicas: int | None = None
    min_ready_seconds: int = 0
    selector: LabelSelector = LabelSelector()
    template: PodTemplateSpec = PodTemplateSpec()


class ReplicaSetStatus(ApiStruct, frozen=True, kw_only=True, omit_defaults=False):
    replicas: int = 0
    fully_labeled_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class ReplicaSet(Object, frozen=True, kw_only=True):
    api_version: str = always("apps/v1")
    kind: str = always("ReplicaSet")
    spec: ReplicaSetSpec = ReplicaSetSpec()
    status: ReplicaSetStatus = msgspec.field(default_factory=ReplicaSetStatus)  # clients want "status": {}


class ScaleSpec(ApiStruct, frozen=True, kw_only=True):
    replicas: int = 0


class ScaleStatus(ApiStruct, frozen=True, kw_only=True, omit_defaults=False):
    replicas: int = 0
    selector: str = ""


class Scale(Object, frozen=True, kw_only=True):
    """autoscaling/v1 Scale: the `/scale` subresource of what has replicas."""

    api_version: str = always("autoscaling/v1")
    kind: str = always("Scale")
    metadata: ObjectMeta = ObjectMeta()
    spec: ScaleSpec = ScaleSpec()
    status: ScaleStatus = msgspec.field(default_factory=ScaleStatus)  # clients want "status": {}
