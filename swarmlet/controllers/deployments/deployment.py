"""Deployments: one ReplicaSet for the present template, the earlier ones shrunk within the bounds and kept as history.

Rules, words and annotations are Kubernetes', so that `kubectl rollout` works.
Source: kubernetes pkg/controller/deployment.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.deployments import auto_rollback, revisions, rollout
from swarmlet.controllers.deployments import status as deployment_status
from swarmlet.controllers.work import claims
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, events, kinds, objects, pods, selectors, singletons
from swarmlet.model.apps import Deployment, DeploymentStatus, ReplicaSet
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

DEPLOYMENTS = kinds.DEPLOYMENT.resource
REPLICA_SETS = kinds.REPLICA_SET.resource
PODS = kinds.POD.resource


class Deployments:
    """The reconciler; `rng` makes the uids of new ReplicaSets."""

    name: ClassVar[str] = "deployment"
    watches: ClassVar[frozenset[str]] = frozenset({DEPLOYMENTS, REPLICA_SETS, PODS})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the Deployment itself, or those that a ReplicaSet or a removed Pod belongs to."""
        if change.key.resource == DEPLOYMENTS:
            return [change.key]
        if change.key.resource == PODS:
            return _of_removed_pod(change, view)
        return _of_replica_set(change, view)

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every Deployment."""
        return [stored.key for stored in view.list(DEPLOYMENTS)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the one next step of the Deployment's rollout, and its status."""
        stored = view.get(key)
        if stored is None or not claims.is_selective(cast("Deployment", stored.object).spec.selector):
            return NOTHING
        return _Step(view, stored, now, self._rng).take()


class _Step:
    """One step: the ReplicaSets as they are to become, and what is said about it."""

    def __init__(self, view: View, stored: Stored, now: datetime, rng: random.Random) -> None:
        self._view = view
        self._stored = stored
        self._deployment = cast("Deployment", stored.object)
        self._now = now
        self._rng = rng
        self._drafts = Drafts(view)
        self._events: list[events.Note] = []
        self._held = self._deployment.status.conditions
        self._collisions = self._deployment.status.collision_count
        self._bases: dict[str, Stored] = {}
        self._sets: dict[str, ReplicaSet] = {}
        self._created: str = ""
        self._claim()
        new = revisions.find_new(self._deployment, self._sets.values())
        self._new_name = new.metadata.name if new else ""

    @property
    def _new(self) -> ReplicaSet | None:
        return self._sets.get(self._new_name)

    @property
    def _old(self) -> list[ReplicaSet]:
        return [each for name, each in self._sets.items() if name != self._new_name]

    def take(self) -> Reconciliation:
        """Decide, and return what came of it."""
        deployment = self._deployment
        if objects.is_terminating(deployment):
            return self._finish(self._count())
        self._held = deployment_status.pausing(deployment, self._held, self._now)
        if deployment.spec.paused or self._is_scaled():
            self._rescale()
            self._mark_new()
            if deployment.spec.paused:
                self._clean_up()
            return self._finish(self._count())
        if auto_rollback.is_due(deployment, self._new) and (earlier := auto_rollback.way_back(self._old)):
            return self._roll_back(earlier)
        if rollout.strategy_type(deployment) == rollout.RECREATE or self._old_singletons_run():
            self._recreate()
        else:
            self._roll()
        status = deployment_status.judge_progress(deployment, self._count(), self._new, self._now)
        new = self._new  # none while Recreate waits for the old Pods, though of none nothing is missing
        if new is not None and deployment_status.is_complete(deployment, status):
            self._sets[self._new_name] = auto_rollback.completed(new)
            self._clean_up()
        return self._finish(status)

    def _roll_back(self, earlier: ReplicaSet) -> Reconciliation:
        """Ask for an earlier template in the place of a late one, which the status has told of in a step before."""
        failed = self._sets[self._new_name]
        text = auto_rollback.message(self._deployment, failed, earlier)
        self._events.append(events.Note(self._deployment, events.WARNING, "DeploymentRollback", text))
        self._deployment = auto_rollback.rolled_back(self._deployment, earlier)
        return dataclasses.replace(self._finish(self._deployment.status), why=text)

    # The ways to bring replicas over to the present template.

    def _roll(self) -> None:
        self._ensure_new()
        new = self._sets[self._new_name]
        grown = rollout.new_size(self._deployment, list(self._sets.values()), rollout.size(new))
        if grown != rollout.size(new):
            self._resize(self._new_name, grown)
        elif not self._created:
            bounds = rollout.bounds_of(self._deployment)
            for name, replicas in rollout.shrink_old(bounds, new, self._old).items():
                self._resize(name, replicas)

    def _recreate(self) -> None:
        still_active = rollout.active(self._old)
        for each in still_active:
            self._resize(each.metadata.name, 0)
        if still_active or self._old_pods_run():
            return
        self._ensure_new()
        self._resize(self._new_name, rollout.desired_replicas(self._deployment))

    def _old_singletons_run(self) -> bool:
        """Whether the template asks no more for what it asked for before: until those have ended, it holds."""
        return any(singletons.asks_for_single(each.spec.template) for each in self._old) and self._old_pods_run()

    def _old_pods_run(self) -> bool:
        return any(
            not pods.is_finished(cast("Pod", pod.object))
            for each in self._old
            for pod in claims.owned(self._view, self._bases[each.metadata.name], PODS)
        )

    # ReplicaSets.

    def _claim(self) -> None:
        """Find the Deployment's ReplicaSets; take in those of nobody that match, let go of those that no longer do."""
        deployment = self._deployment
        selects = selectors.from_labels(deployment.spec.selector)
        for stored in self._view.list(REPLICA_SETS, self._stored.key.namespace):
            each = cast("ReplicaSet", stored.object)
            if claims.is_controlled_by(each, deployment):
                if not selects(each.metadata.labels):
                    self._drafts.update(stored, claims.released(each, deployment))
                    continue
            elif objects.is_terminating(deployment) or not claims.may_adopt(each, selects):
                continue
            else:
                each = claims.adopted(each, deployment)
                self._drafts.update(stored, each)
            self._bases[stored.key.name] = stored
            self._sets[stored.key.name] = each

    def _ensure_new(self) -> None:
        """Make the ReplicaSet of the present template, or mark the one there is as the newest revision."""
        deployment = self._deployment
        if self._new_name:
            self._mark_new()
            if deployment_status.has_deadline(deployment) and not conditions.get(self._held, "Progressing"):
                self._say_progress(deployment_status.NEW_FOUND, f'Found new replica set "{self._new_name}"')
            return
        taken = {stored.key.name for stored in self._view.list(REPLICA_SETS, self._stored.key.namespace)}
        new, collisions = revisions.make_new(deployment, self._old, taken=taken, now=self._now, rng=self._rng)
        self._collisions = collisions or self._collisions
        self._new_name = self._created = new.metadata.name
        self._sets[self._new_name] = revisions.sized(deployment, new, rollout.size(new))
        if rollout.size(new):
            self._note_scaling("up", self._new_name, 0, rollout.size(new))
        if deployment_status.has_deadline(deployment):
            self._say_progress(deployment_status.NEW_CREATED, f'Created new replica set "{self._new_name}"')

    def _mark_new(self) -> None:
        new = self._new
        if new is not None:
            self._sets[self._new_name] = revisions.marked(self._deployment, new, self._old)

    def _is_scaled(self) -> bool:
        """Whether `spec.replicas` changed since the active ReplicaSets were sized."""
        desired = rollout.desired_replicas(self._deployment)
        said = (rollout.number_in(each, rollout.DESIRED_REPLICAS) for each in rollout.active(self._sets.values()))
        return any(number not in (None, desired) for number in said)

    def _rescale(self) -> None:
        for name, replicas in rollout.rescale(self._deployment, self._new, self._old).items():
            self._resize(name, replicas)

    def _resize(self, name: str, replicas: int) -> None:
        before = rollout.size(self._sets[name])
        self._sets[name] = revisions.sized(self._deployment, self._sets[name], replicas)
        if replicas != before:
            self._note_scaling("up" if replicas > before else "down", name, before, replicas)

    def _clean_up(self) -> None:
        for each in revisions.surplus(self._deployment, self._old):
            self._drafts.remove(self._bases[each.metadata.name], self._now)
            del self._sets[each.metadata.name]

    # What is said.

    def _note_scaling(self, direction: str, name: str, before: int, after: int) -> None:
        message = f"Scaled {direction} replica set {name} from {before} to {after}"
        self._events.append(events.Note(self._deployment, events.NORMAL, "ScalingReplicaSet", message))

    def _say_progress(self, reason: str, message: str) -> None:
        self._held = deployment_status.progressing(self._held, "True", reason, message, self._now)

    def _count(self) -> DeploymentStatus:
        held = deployment_status.failures(self._held, self._new, self._old, self._now)
        everyone = list(self._sets.values())
        status = deployment_status.count(self._deployment, everyone, self._new, held, self._now)
        return msgspec.structs.replace(status, collision_count=self._collisions)

    def _finish(self, status: DeploymentStatus) -> Reconciliation:
        for name, each in self._sets.items():
            if name == self._created:
                self._drafts.create(kinds.REPLICA_SET, each)
            else:
                self._drafts.update(self._bases[name], each)
        self._drafts.update(self._stored, self._with_revision(status))
        wait = deployment_status.seconds_to_deadline(self._deployment, status, self._now)
        return self._drafts.reconciliation(self._events, wait)

    def _with_revision(self, status: DeploymentStatus) -> Deployment:
        after = msgspec.structs.replace(self._deployment, status=status)
        new = self._new
        if new is None or objects.is_terminating(after):
            return after
        revision = {revisions.REVISION: str(revisions.revision_of(new))}
        return objects.with_metadata(after, annotations=after.metadata.annotations | revision)


def _of_replica_set(change: Change, view: View) -> list[Key]:
    found: list[Key] = []
    for stored in filter(None, (change.old, change.new)):
        key = claims.controller_key(stored.object, "Deployment", DEPLOYMENTS)
        if key is not None:
            found.append(key)
        elif objects.controller_of(stored.object) is None:
            found += _adopters(stored, view)
    return found


def _adopters(orphan: Stored, view: View) -> list[Key]:
    return [
        each.key
        for each in view.list(DEPLOYMENTS, orphan.key.namespace)
        if claims.may_adopt(orphan.object, selectors.from_labels(cast("Deployment", each.object).spec.selector))
    ]


def _of_removed_pod(change: Change, view: View) -> list[Key]:
    """A Recreate rollout waits for the last of the old Pods to go."""
    if change.new is not None or change.old is None:
        return []
    key = claims.controller_key(change.old.object, "ReplicaSet", REPLICA_SETS)
    replica_set = view.get(key) if key else None
    owner = claims.controller_key(replica_set.object, "Deployment", DEPLOYMENTS) if replica_set else None
    return [owner] if owner else []
