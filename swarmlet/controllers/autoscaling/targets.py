"""What a HorizontalPodAutoscaler scales: how many replicas it has, which Pods those are, and how their number changes.

A Deployment, ReplicaSet or StatefulSet tells it in its spec; of a kind that users brought its definition says where.
Source: k8s.io/client-go/scale, and kubernetes pkg/controller/podautoscaler/horizontal.go (scaleForResourceMappings).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec

from swarmlet.controllers.work import claims
from swarmlet.errors import CallerError, InvalidError
from swarmlet.model import custom_scale, kinds, objects, schema, selectors
from swarmlet.model.apps import Deployment, ReplicaSet
from swarmlet.model.apps_sets import StatefulSet
from swarmlet.model.autoscaling import CrossVersionObjectReference
from swarmlet.model.custom import CustomKind, CustomResource
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.ownership import entries, tracking
from swarmlet.store import catalogue
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

FIELD_MANAGER = "kube-controller-manager"
_WORKLOADS = (kinds.DEPLOYMENT, kinds.REPLICA_SET, kinds.STATEFUL_SET)


class NoScaleError(Exception):
    """What is to be scaled is not there, in Kubernetes' words."""


@dataclass(frozen=True, slots=True)
class ScaleTarget:
    """An object with replicas. `selector`: of its Pods, as text; "" where it names none."""

    stored: Stored
    kind: Kind
    replicas: int
    selector: str

    @property
    def object(self) -> Object:
        return self.stored.object

    def pods(self, view: View) -> list[Pod]:
        """Return its Pods; raise `CallerError` where its selector is none."""
        if isinstance(self.kind, CustomKind):
            selects = selectors.parse_labels(self.selector)
            everyone = (cast("Pod", each.object) for each in view.list(kinds.POD.resource, self.stored.key.namespace))
            return [pod for pod in everyone if selects(pod.metadata.labels)]
        owners = [self.stored]
        if self.kind is kinds.DEPLOYMENT:
            owners = claims.owned(view, self.stored, kinds.REPLICA_SET.resource)
        found = [each for owner in owners for each in claims.owned(view, owner, kinds.POD.resource)]
        return [cast("Pod", each.object) for each in found]

    def scaled(self, replicas: int, now: datetime) -> Object:
        """Return the object with another number of replicas, which is owned as what the API's `/scale` writes."""
        changed = objects.with_metadata(
            _with_replicas(self.kind, self.object, replicas), generation=self.object.metadata.generation + 1
        )
        # Who asked for another number is to meet a conflict, and not to undo it.
        manager = entries.manager(entries.UPDATE, FIELD_MANAGER, changed.api_version, "scale")
        return tracking.updated(self.object, changed, manager, now, schema.definition_of_kind(self.kind))


def target_of(view: View, namespace: str, reference: CrossVersionObjectReference) -> ScaleTarget:
    """Return what is to be scaled; raise `NoScaleError` where it is not there, or has no number of replicas."""
    kind = _kind_of(view, reference)
    stored = view.get(Key(kind.resource, namespace, reference.name))
    if stored is None:
        raise NoScaleError(f'{kind.resource} "{reference.name}" not found')
    if isinstance(kind, CustomKind):
        try:
            scale = custom_scale.read(kind, cast("CustomResource", stored.object))
        except InvalidError as error:
            raise NoScaleError(str(error)) from error
        return ScaleTarget(stored, kind, scale.spec.replicas, scale.status.selector)
    spec = cast("Deployment | ReplicaSet | StatefulSet", stored.object).spec
    replicas = 1 if spec.replicas is None else spec.replicas
    return ScaleTarget(stored, kind, replicas, selectors.to_text(spec.selector))


def selector_problem(target: ScaleTarget) -> str:
    """Return what keeps a target's Pods from being found, "" for nothing."""
    if not target.selector:
        return "the HPA target's scale is missing a selector"
    try:
        selectors.parse_labels(target.selector)
    except CallerError as error:
        return f"couldn't convert selector into a corresponding internal selector object: {error}"
    return ""


def _kind_of(view: View, reference: CrossVersionObjectReference) -> Kind:
    group = reference.api_version.rpartition("/")[0]
    known = next((each for each in _WORKLOADS if (each.kind, each.group) == (reference.kind, group)), None)
    if known is not None:
        return known
    collection = catalogue.collection(view, reference.api_version, reference.kind)
    found = catalogue.Catalogue(view).of_resource(collection[0]) if collection else None
    if not isinstance(found, CustomKind):
        raise NoScaleError(f'no matches for kind "{reference.kind}" in group "{group}"')
    if found.scale is None or not found.namespaced:
        raise NoScaleError("the server could not find the requested resource")
    return found


def _with_replicas(kind: Kind, value: Object, replicas: int) -> Object:
    if isinstance(kind, CustomKind):
        content = custom_scale.written(kind, cast("CustomResource", value), replicas)
        return msgspec.structs.replace(cast("CustomResource", value), content=content)
    workload = cast("Deployment | ReplicaSet | StatefulSet", value)
    return msgspec.structs.replace(workload, spec=msgspec.structs.replace(workload.spec, replicas=replicas))
