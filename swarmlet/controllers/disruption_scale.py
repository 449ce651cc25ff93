"""How many Pods there ought to be of those that a disruption budget covers, and how many of them must be healthy.

The number comes from whoever makes the Pods, so a Pod that is missing counts as one that is disrupted.
Source: kubernetes pkg/controller/disruption (getExpectedPodCount, getExpectedScale and the finders).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from swarmlet.model import kinds, objects
from swarmlet.model.apps import Deployment, ReplicaSet
from swarmlet.model.apps_sets import StatefulSet
from swarmlet.model.base import IntOrString
from swarmlet.model.meta import Object, OwnerReference
from swarmlet.model.pod import Pod
from swarmlet.model.policy import PodDisruptionBudgetSpec
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

_SCALED = {kind.kind: kind for kind in (kinds.DEPLOYMENT, kinds.REPLICA_SET, kinds.STATEFUL_SET)}


class NoScaleError(Exception):
    """Nobody can tell how many Pods there ought to be; the message is Kubernetes'."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """`unmanaged` are Pods, by name, that nobody would replace; they are in no count but that of a plain number."""

    expected: int
    desired_healthy: int
    unmanaged: tuple[str, ...] = ()


def expectation(view: View, spec: PodDisruptionBudgetSpec, pods: Sequence[Pod]) -> Expectation:
    """Return what the budget asks of its Pods; raise `NoScaleError` where their number cannot be told."""
    if spec.max_unavailable is not None:
        expected, unmanaged = _scale(view, pods)
        return Expectation(expected, max(0, expected - _share(spec.max_unavailable, expected)), unmanaged)
    if isinstance(spec.min_available, str):
        expected, unmanaged = _scale(view, pods)
        return Expectation(expected, _share(spec.min_available, expected), unmanaged)
    if spec.min_available is not None:
        return Expectation(len(pods), spec.min_available)
    return Expectation(0, 0)


def _share(value: IntOrString, total: int) -> int:
    """Return a count, or a percentage of `total` rounded up."""
    return value if isinstance(value, int) else -(-int(value.rstrip("%")) * total // 100)


def _scale(view: View, pods: Sequence[Pod]) -> tuple[int, tuple[str, ...]]:
    """Return how many Pods the controllers of these are asked for, and which Pods have none."""
    asked: dict[str, int] = {}
    unmanaged: list[str] = []
    known: set[str] = set()
    for pod in pods:
        reference = objects.controller_of(pod)
        if reference is None:
            unmanaged.append(pod.metadata.name)
        elif reference.uid not in known:
            known.add(reference.uid)
            owner = _scaled(view, reference, pod)
            asked[owner.metadata.uid] = replicas(owner)
    return sum(asked.values()), tuple(unmanaged)


def _scaled(view: View, reference: OwnerReference, pod: Pod) -> Object:
    """Return what says how many of this Pod there ought to be: of a rollout's ReplicaSets the one Deployment."""
    if reference.kind not in _SCALED:
        group = reference.api_version.rpartition("/")[0]
        plural = f"{reference.kind.lower()}s" + (f".{group}" if group else "")
        raise NoScaleError(f"{plural} does not implement the scale subresource")
    owner = _referred(view, reference, pod.metadata.namespace)
    above = objects.controller_of(owner) if owner is not None else None
    if isinstance(owner, ReplicaSet) and above is not None and above.kind == kinds.DEPLOYMENT.kind:
        owner = _referred(view, above, pod.metadata.namespace)
    if owner is None:
        raise NoScaleError(f'found no controllers for pod "{pod.metadata.name}"')
    return owner


def _referred(view: View, reference: OwnerReference, namespace: str) -> Object | None:
    stored = view.get(Key(_SCALED[reference.kind].resource, namespace, reference.name))
    return stored.object if stored and stored.object.metadata.uid == reference.uid else None


def replicas(owner: Object) -> int:
    """Return how many Pods a Deployment, ReplicaSet or StatefulSet is asked for."""
    asked = cast("Deployment | ReplicaSet | StatefulSet", owner).spec.replicas
    return 1 if asked is None else asked
