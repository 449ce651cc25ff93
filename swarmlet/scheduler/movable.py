"""Which Pods may be moved to another node, and why the others may not, in words.

A Pod is moved start-first: its replacement is available before it goes. So it must be one of a ReplicaSet that is well
and allows one Pod more for a while, and must leave nothing behind.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import msgspec

from swarmlet.errors import CallerError
from swarmlet.model import conditions, disruptions, kinds, moves, objects, pods, singletons
from swarmlet.model.apps import Deployment, ReplicaSet
from swarmlet.model.core import Node
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.model.policy import PodDisruptionBudget
from swarmlet.model.storage import PersistentVolume, PersistentVolumeClaim
from swarmlet.model.volumes import HOSTNAME
from swarmlet.scheduler.demand import demand_of
from swarmlet.scheduler.rebalance import Candidate
from swarmlet.store.allowance import Allowance
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

NODES = kinds.NODE.resource
PODS = kinds.POD.resource
REPLICA_SETS = kinds.REPLICA_SET.resource
DEPLOYMENTS = kinds.DEPLOYMENT.resource
BUDGETS = kinds.POD_DISRUPTION_BUDGET.resource
REVISION = "deployment.kubernetes.io/revision"
SCHEDULER_NAMES = ("", "default-scheduler")

EVICTED = "Evicted"
"""The reason in the status of a Pod that its node gave up."""
PRESSURE_REST = timedelta(hours=1)
"""For how long a node that gave a Pod up gets none by a move."""

NO_START_FIRST = {
    "StatefulSet": "a StatefulSet's Pod keeps its name, so no other can be started before it ends",
    "DaemonSet": "a DaemonSet's Pod belongs to its node",
    "Job": "a Job's Pod is to run to its end",
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a Pod stays where it is; `seconds_left` where time alone takes the obstacle away."""

    why: str
    seconds_left: float | None = None


class Survey:
    """The Pods of one moment, judged when they are asked for; `busy` are owners of which a Pod moves already, by uid.

    `soonest_seconds` is when the first of those that were judged may move that may not only because it is too early.
    """

    def __init__(self, view: View, now: datetime, minimum_age_seconds: float, busy: Container[str] = ()) -> None:
        self.soonest_seconds: float | None = None
        self._view = view
        self._now = now
        self._minimum_age = timedelta(seconds=minimum_age_seconds)
        self._busy = busy
        self._owners: dict[str, tuple[str, Obstacle | None]] = {}
        self._candidates: dict[str, Sequence[Candidate]] = {}
        self._domains: dict[str, tuple[str, ...]] = {}

    def candidates(self, node: str) -> Sequence[Candidate]:
        """Return the Pods of a node that may be moved, the youngest first."""
        if node not in self._candidates:
            found = [(stored, cast("Pod", stored.object)) for stored in self._view.pods_on(node)]
            found.sort(key=lambda each: each[0].key)
            found.sort(key=lambda each: _created(each[1]), reverse=True)
            self._candidates[node] = [
                Candidate(stored.key, demand_of(pod), node, self.owner(stored))
                for stored, pod in found
                if self.obstacle(stored) is None
            ]
        return self._candidates[node]

    def domains_of(self, owner_uid: str) -> Sequence[str]:
        """Return the labels of nodes over whose values the Pods of an owner ask to be spread, beside the nodes."""
        if owner_uid not in self._domains:
            pods_of = (each for each in self._view.by_owner(owner_uid) if each.key.resource == PODS)
            first = next(pods_of, None)
            constraints = cast("Pod", first.object).spec.topology_spread_constraints if first else ()
            keys = dict.fromkeys(each.topology_key for each in constraints)
            self._domains[owner_uid] = tuple(key for key in keys if key != HOSTNAME)
        return self._domains[owner_uid]

    def owner(self, stored: Stored) -> str:
        """Return in words whose a Pod is, as in "deployment default/web"."""
        reference = objects.controller_of(stored.object)
        if reference is None:
            return f"pod {stored.key.namespace}/{stored.key.name}"
        if reference.kind != "ReplicaSet":
            return f"{reference.kind.lower()} {stored.key.namespace}/{reference.name}"
        return self._judged_owner(stored)[0]

    def obstacle(self, stored: Stored) -> Obstacle | None:
        """Return why a Pod may not be moved now; None where it may."""
        found = self._of_pod(cast("Pod", stored.object)) or self._judged_owner(stored)[1] or self._of_ground(stored)
        if found and found.seconds_left is not None:
            self.soonest_seconds = min(found.seconds_left, self.soonest_seconds or found.seconds_left)
        return found

    def _of_pod(self, pod: Pod) -> Obstacle | None:
        """What a Pod itself says."""
        why = _nature(pod)
        if why:
            return Obstacle(why)
        left = _created(pod) + self._minimum_age - self._now
        if left > timedelta(0):
            return Obstacle(f"it is younger than {self._minimum_age.total_seconds():g} s", left.total_seconds())
        return None

    def _judged_owner(self, stored: Stored) -> tuple[str, Obstacle | None]:
        reference = objects.controller_of(stored.object)
        if reference is None:
            return "", Obstacle("nobody would replace it")
        if reference.uid not in self._owners:
            owner = self._view.get(Key(REPLICA_SETS, stored.key.namespace, reference.name))
            if owner is None or owner.object.metadata.uid != reference.uid:
                self._owners[reference.uid] = "", Obstacle("its owner is no more")
            else:
                self._owners[reference.uid] = self._of_replica_set(owner)
        return self._owners[reference.uid]

    def _of_replica_set(self, stored: Stored) -> tuple[str, Obstacle | None]:
        replica_set = cast("ReplicaSet", stored.object)
        deployment = deployment_of(self._view, replica_set)
        named: Object = deployment or replica_set
        name = f"{named.kind.lower()} {stored.key.namespace}/{named.metadata.name}"
        return name, self._of_owner(replica_set, deployment, name)

    def _of_owner(self, replica_set: ReplicaSet, deployment: Deployment | None, name: str) -> Obstacle | None:
        why = self._state(replica_set, deployment, name)
        if why:
            return Obstacle(why)
        held = moves.held_until(replica_set)
        if held is None or held <= self._now:
            return None
        count = moves.failures(replica_set)
        told = f"{name} is left in peace until {held:%H:%M:%S}: {count} moves of its Pods in a row were undone"
        return Obstacle(told, (held - self._now).total_seconds())

    def _state(self, replica_set: ReplicaSet, deployment: Deployment | None, name: str) -> str:
        """Return why no Pod of the owner is moved as things are, "" where one may be."""
        if replica_set.metadata.uid in self._busy:
            return f"another Pod of {name} is being moved"
        status, size = replica_set.status, replica_set.spec.replicas
        observed = status.observed_generation >= replica_set.metadata.generation
        if deployment is not None and not _may_surge(deployment):
            return f"{name} never runs one Pod more than it asks for (its strategy)"
        if replica_set.spec.template.spec.node_name:
            return f"{name} names the node of its Pods"
        if why := _rollout(replica_set, deployment, name):
            return why
        well = observed and status.replicas == status.available_replicas == (1 if size is None else size)
        return "" if well else f"{name} is not fully available"

    def _of_ground(self, stored: Stored) -> Obstacle | None:
        """What the Pod's node, namespace, volumes, budget and quota say; asked last, for it costs most."""
        pod = cast("Pod", stored.object)
        bearers = self._bearers(pod)
        if moves.is_forbidden(bearers):
            return Obstacle(f'{moves.REBALANCE}: "{moves.NEVER}"')
        node = self._view.get(Key(NODES, "", pod.spec.node_name))
        if node is None or not _is_in_use(cast("Node", node.object)):
            return Obstacle(f"its node {pod.spec.node_name} is not ready, or cordoned: a drain moves its Pods")
        why = self._local_volume(pod, allowed=moves.is_allowed(bearers)) or self._budget(pod) or self._quota(pod)
        return Obstacle(why) if why else None

    def _bearers(self, pod: Pod) -> list[Object]:
        """Return all that may bear the annotation for a Pod."""
        reference = objects.controller_of(pod)
        namespace = pod.metadata.namespace
        stored = self._view.get(Key(REPLICA_SETS, namespace, reference.name)) if reference else None
        replica_set = cast("ReplicaSet", stored.object) if stored else None
        space = self._view.get(Key(kinds.NAMESPACE.resource, "", namespace))
        deployment = deployment_of(self._view, replica_set) if replica_set else None
        return [each for each in (pod, replica_set, deployment, space.object if space else None) if each]

    def _local_volume(self, pod: Pod, *, allowed: bool) -> str:
        for volume in pod.spec.volumes:
            if volume.host_path is not None:
                return f"its volume {volume.name} is a folder of its node"
            if volume.empty_dir is not None and not allowed:
                return f'its volume {volume.name} would be lost ({moves.REBALANCE}: "{moves.ALWAYS}" allows that)'
            if volume.persistent_volume_claim is not None:
                why = self._claim(pod.metadata.namespace, volume.persistent_volume_claim.claim_name)
                if why:
                    return why
        return ""

    def _claim(self, namespace: str, name: str) -> str:
        stored = self._view.get(Key(kinds.PERSISTENT_VOLUME_CLAIM.resource, namespace, name))
        claim = cast("PersistentVolumeClaim", stored.object) if stored else None
        held = self._view.get(Key(kinds.PERSISTENT_VOLUME.resource, "", claim.spec.volume_name)) if claim else None
        volume = cast("PersistentVolume", held.object) if held else None
        if volume is None or volume.spec.node_affinity is not None:
            return f"its volume {name} lies on its node"
        if not {"ReadWriteMany", "ReadOnlyMany"} & set(volume.spec.access_modes):
            return f"its volume {name} can be mounted on one node at a time only"
        return ""

    def _budget(self, pod: Pod) -> str:
        """Return why a budget would not let the Pod go even with its replacement available, "" where it would."""
        found = [cast("PodDisruptionBudget", each.object) for each in self._view.list(BUDGETS, pod.metadata.namespace)]
        budgets = [each for each in found if disruptions.covers(each, pod)]
        if len(budgets) > 1:
            return "more than one PodDisruptionBudget covers it"
        for each in budgets:
            status = each.status
            if not disruptions.is_observed(each) or status.current_healthy + 1 <= status.desired_healthy:
                return f"its disruption budget {each.metadata.name} needs {status.desired_healthy} healthy Pods"
        return ""

    def _quota(self, pod: Pod) -> str:
        """Return why the namespace has no room for a replacement, "" where it has."""
        metadata = ObjectMeta(name=pod.metadata.name, namespace=pod.metadata.namespace, labels=pod.metadata.labels)
        replacement = Pod(metadata=metadata, spec=msgspec.structs.replace(pod.spec, node_name=""))
        try:
            Allowance(self._view).admit(kinds.POD, replacement)
        except CallerError as error:
            return f"its namespace has no room for a replacement: {error}"
        return ""


def deployment_of(view: View, replica_set: ReplicaSet) -> Deployment | None:
    """Return the Deployment that manages a ReplicaSet."""
    reference = objects.controller_of(replica_set)
    if reference is None or reference.kind != kinds.DEPLOYMENT.kind:
        return None
    stored = view.get(Key(DEPLOYMENTS, replica_set.metadata.namespace, reference.name))
    return cast("Deployment", stored.object) if stored and stored.object.metadata.uid == reference.uid else None


def is_newest(replica_set: ReplicaSet, deployment: Deployment) -> bool:
    """Whether the ReplicaSet is the one that the Deployment's Pods are to be of."""
    return deployment.metadata.annotations.get(REVISION) == replica_set.metadata.annotations.get(REVISION)


def _rollout(replica_set: ReplicaSet, deployment: Deployment | None, name: str) -> str:
    """Return why none of the ReplicaSet's Pods is moved while its owner changes, "" where it does not."""
    if objects.is_terminating(replica_set) or (deployment and objects.is_terminating(deployment)):
        return f"{name} is about to go"
    if deployment is None:
        return ""
    if deployment.spec.paused:
        return f"{name} is paused"
    status = deployment.status
    wanted = 1 if deployment.spec.replicas is None else deployment.spec.replicas
    newest = is_newest(replica_set, deployment)
    settled = status.observed_generation >= deployment.metadata.generation and status.updated_replicas == wanted
    return "" if newest and settled and status.replicas == wanted else f"{name} is being rolled out or scaled"


def unsettled(view: View, now: datetime, settle_seconds: float) -> dict[str, float]:
    """Return the nodes that have been ready for less than `settle_seconds`, and how long each takes yet."""
    found: dict[str, float] = {}
    for stored in view.list(NODES):
        ready = conditions.get(cast("Node", stored.object).status.conditions, "Ready")
        if ready is not None and ready.status == "True" and ready.last_transition_time is not None:
            left = settle_seconds - (now - ready.last_transition_time).total_seconds()
            if left > 0:
                found[stored.key.name] = left
    return found


def _nature(pod: Pod) -> str:
    """Return what it is about a Pod that keeps it where it is, "" for nothing."""
    reference = objects.controller_of(pod)
    if pods.is_finished(pod) or objects.is_terminating(pod):
        return "it has ended, or is about to go"
    if reference is None:
        return "nobody would replace it"
    if reference.kind != kinds.REPLICA_SET.kind:
        return NO_START_FIRST.get(reference.kind, f"a {reference.kind} replaces it in its own way")
    if singletons.must_be_single(pod):
        return "it is a strict singleton: no other may be started before it ends"
    if pod.spec.scheduler_name not in SCHEDULER_NAMES:
        return f"the scheduler {pod.spec.scheduler_name} places it"
    return "" if pods.is_ready(pod) else "it is not ready"


def rests(view: View, node: str, now: datetime) -> bool:
    """Whether a node has run short of something lately and evicted Pods: what comes back to it may well go again."""
    return any(now - at < PRESSURE_REST for stored in view.pods_on(node) if (at := _evicted_at(stored)))


def _evicted_at(stored: Stored) -> datetime | None:
    pod = cast("Pod", stored.object)
    if pod.status.phase != "Failed" or pod.status.reason != EVICTED:
        return None
    told = conditions.get(pod.status.conditions, moves.MOVED.type)
    return told.last_transition_time if told else None


def _may_surge(deployment: Deployment) -> bool:
    strategy = deployment.spec.strategy
    rolling = strategy.rolling_update
    return strategy.type != "Recreate" and (rolling is None or rolling.max_surge not in (0, "0%"))


def _is_in_use(node: Node) -> bool:
    return conditions.is_true(node.status.conditions, "Ready") and not node.spec.unschedulable


def _created(pod: Pod) -> datetime:
    created = pod.metadata.creation_timestamp
    assert created is not None, "whoever makes a Pod stamps it"
    return created
