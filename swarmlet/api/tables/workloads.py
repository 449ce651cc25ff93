"""The rows of Deployments, ReplicaSets, StatefulSets, DaemonSets and ControllerRevisions.

Source: kubernetes/pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.shapes import AGE, CONTAINERS, IMAGES, NAME, NONE, Column, Columns, age, labels, template
from swarmlet.model import objects, selectors
from swarmlet.model.apps import Deployment, ReplicaSet
from swarmlet.model.apps_sets import ControllerRevision, DaemonSet, StatefulSet

READY = Column("Ready", description="Number of the pod with ready state")


def _deployment(value: Deployment, now: datetime) -> list[object]:
    wanted = value.spec.replicas if value.spec.replicas is not None else 1
    return [
        value.metadata.name,
        f"{value.status.ready_replicas}/{wanted}",
        value.status.updated_replicas,
        value.status.available_replicas,
        age(value, now),
        *template(value.spec.template),
        selectors.to_text(value.spec.selector),
    ]


def _replica_set(value: ReplicaSet, now: datetime) -> list[object]:
    return [
        value.metadata.name,
        value.spec.replicas if value.spec.replicas is not None else 1,
        value.status.replicas,
        value.status.ready_replicas,
        age(value, now),
        *template(value.spec.template),
        selectors.to_text(value.spec.selector) or NONE,
    ]


def _stateful_set(value: StatefulSet, now: datetime) -> list[object]:
    wanted = value.spec.replicas if value.spec.replicas is not None else 1
    return [
        value.metadata.name,
        f"{value.status.ready_replicas}/{wanted}",
        age(value, now),
        *template(value.spec.template),
    ]


def _daemon_set(value: DaemonSet, now: datetime) -> list[object]:
    return [
        value.metadata.name,
        value.status.desired_number_scheduled,
        value.status.current_number_scheduled,
        value.status.number_ready,
        value.status.updated_number_scheduled,
        value.status.number_available,
        labels(value.spec.template.spec.node_selector),
        age(value, now),
        *template(value.spec.template),
        selectors.to_text(value.spec.selector) or NONE,
    ]


def _controller_revision(value: ControllerRevision, now: datetime) -> list[object]:
    owner = objects.controller_of(value)
    group = owner.api_version.rpartition("/")[0] if owner else ""
    told = f"{owner.kind}{'.' if group else ''}{group}".lower() + f"/{owner.name}" if owner else NONE
    return [value.metadata.name, told, value.revision, age(value, now)]


DEPLOYMENT = Columns(
    (
        NAME,
        READY,
        Column("Up-to-date", field="api.apps.v1.DeploymentStatus.updatedReplicas"),
        Column("Available", field="api.apps.v1.DeploymentStatus.availableReplicas"),
        AGE,
        CONTAINERS,
        IMAGES,
        Column("Selector", priority=1, field="api.apps.v1.DeploymentSpec.selector"),
    ),
    _deployment,
)
REPLICA_SET = Columns(
    (
        NAME,
        Column("Desired", "integer", field="api.apps.v1.ReplicaSetSpec.replicas"),
        Column("Current", "integer", field="api.apps.v1.ReplicaSetStatus.replicas"),
        Column("Ready", "integer", field="api.apps.v1.ReplicaSetStatus.readyReplicas"),
        AGE,
        CONTAINERS,
        IMAGES,
        Column("Selector", priority=1, field="api.apps.v1.ReplicaSetSpec.selector"),
    ),
    _replica_set,
)
STATEFUL_SET = Columns((NAME, READY, AGE, CONTAINERS, IMAGES), _stateful_set)
DAEMON_SET = Columns(
    (
        NAME,
        Column("Desired", "integer", field="api.apps.v1.DaemonSetStatus.desiredNumberScheduled"),
        Column("Current", "integer", field="api.apps.v1.DaemonSetStatus.currentNumberScheduled"),
        Column("Ready", "integer", field="api.apps.v1.DaemonSetStatus.numberReady"),
        Column("Up-to-date", "integer", field="api.apps.v1.DaemonSetStatus.updatedNumberScheduled"),
        Column("Available", "integer", field="api.apps.v1.DaemonSetStatus.numberAvailable"),
        Column("Node Selector", field="api.core.v1.PodSpec.nodeSelector"),
        AGE,
        CONTAINERS,
        IMAGES,
        Column("Selector", priority=1, field="api.apps.v1.DaemonSetSpec.selector"),
    ),
    _daemon_set,
)
CONTROLLER_REVISION = Columns(
    (
        NAME,
        Column("Controller", description="Controller of the object"),
        Column("Revision", field="api.apps.v1.ControllerRevision.revision"),
        AGE,
    ),
    _controller_revision,
)
