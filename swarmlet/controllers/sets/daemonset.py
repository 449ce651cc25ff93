"""DaemonSets: a Pod on every node that its template allows, as nodes come and go.

A node that is cordoned or short of something has its Pod all the same; one that is not ready keeps the Pod it has, and
counts as none that should have one, as in Kubernetes. Source: kubernetes pkg/controller/daemon.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.orphans import Orphans
from swarmlet.controllers.sets import controller_history, daemonset_rollout
from swarmlet.controllers.sets import daemonset_pods as members
from swarmlet.controllers.sets.controller_history import History, Work
from swarmlet.controllers.sets.daemonset_rollout import Site
from swarmlet.controllers.work import claims
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.errors import CallerError
from swarmlet.model import events, kinds, objects, pods, selectors
from swarmlet.model.apps_sets import DaemonSet, DaemonSetStatus
from swarmlet.model.core import Node
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

DAEMON_SETS = kinds.DAEMON_SET.resource
PODS = kinds.POD.resource
NODES = kinds.NODE.resource
BURST_PODS = 500
"""Pods made or removed in one step; the rest follows in the next."""
ENDED_POD_KEPT_SECONDS = 10.0
"""Since it was made: so a Pod that ends at once is not made anew without a pause."""


class DaemonSets:
    """The reconciler; `rng` makes the uids and names of Pods."""

    name: ClassVar[str] = "daemonset"
    watches: ClassVar[frozenset[str]] = frozenset({DAEMON_SETS, PODS, NODES, controller_history.REVISIONS})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._orphans = Orphans()

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the DaemonSet itself, that of a Pod or revision, or all where a node now takes other Pods."""
        if change.key.resource == DAEMON_SETS:
            return [change.key]
        if change.key.resource == NODES:
            return self.all_keys(view) if _takes_others(change) else []
        if change.key.resource == PODS:
            self._orphans.catch_up(view)
        found: list[Key] = []
        for stored in filter(None, (change.old, change.new)):
            key = claims.controller_key(stored.object, "DaemonSet", DAEMON_SETS)
            if key is not None:
                found.append(key)
            elif stored is change.new and objects.controller_of(stored.object) is None:
                found += _adopters(stored, view)
        return found

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every DaemonSet."""
        return [stored.key for stored in view.list(DAEMON_SETS)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the Pods to make or remove, and the DaemonSet's status."""
        stored = view.get(key)
        if stored is None or not claims.is_selective(cast("DaemonSet", stored.object).spec.selector):
            return NOTHING
        step = _Step(Work(view, Drafts(view), now, self._rng), stored)
        if not objects.is_terminating(stored.object):
            step.adopt(self._orphans.of(view, key.namespace))
            step.take()
        return step.finish()


class _Step:
    """One DaemonSet, its Pods by node, and what is to become of them."""

    def __init__(self, work: Work, stored: Stored) -> None:
        self._work = work
        self._stored = stored
        self._daemon_set = cast("DaemonSet", stored.object)
        self._events: list[events.Note] = []
        self._room = BURST_PODS
        self._wait: float | None = None
        self._status = self._daemon_set.status
        self._by_node: dict[str, list[Pod]] = {}
        self._bases: dict[str, Stored] = {}
        self._selects = selectors.from_labels(self._daemon_set.spec.selector)
        for base in claims.owned(work.view, stored, PODS):
            pod = cast("Pod", base.object)
            if self._selects(pod.metadata.labels):
                self._take_in(base, pod)
            else:
                work.drafts.update(base, claims.released(pod, self._daemon_set))

    def adopt(self, orphans: Iterable[Stored]) -> None:
        """Take in the Pods of nobody that match."""
        for base in orphans:
            pod = cast("Pod", base.object)
            if pods.is_active(pod) and claims.may_adopt(pod, self._selects):
                adopted = claims.adopted(pod, self._daemon_set)
                self._work.drafts.update(base, adopted)
                self._take_in(base, adopted)

    def _take_in(self, base: Stored, pod: Pod) -> None:
        self._by_node.setdefault(members.node_of(pod), []).append(pod)
        self._bases[pod.metadata.name] = base

    def take(self) -> None:
        """Decide, and count what there is."""
        history = History(self._work, self._stored, hash_label=controller_history.POD_REVISION)
        newest, collisions = history.newest()
        hash_ = newest.metadata.labels[controller_history.POD_REVISION]
        sites: list[Site] = []
        misscheduled = 0
        choice = members.Choice(self._daemon_set.spec.template.spec)
        nodes = {stored.key.name: cast("Node", stored.object) for stored in self._work.view.list(NODES)}
        for name, node in nodes.items():
            present = self._by_node.get(name, [])
            if choice.is_for(node):
                sites.append(daemonset_rollout.site(name, present, hash_))
                self._remove_ended(present)
            elif present:
                misscheduled += 1
                self._remove_ended(present)
                if not choice.may_stay_on(node):
                    self._remove_all(present)
        self._leave_lost_nodes(nodes.keys())
        plan = daemonset_rollout.plan(self._daemon_set, sites, self._work.now)
        self._remove_all(plan.remove)
        self._make(plan.make, hash_)
        self._status = self._count(sites, misscheduled, collisions)
        live = {members.revision_hash(pod) for present in self._by_node.values() for pod in present} | {hash_}
        history.trim({controller_history.name_of(self._daemon_set, each) for each in live})

    def _leave_lost_nodes(self, nodes: Iterable[str]) -> None:
        """Remove the Pods that wait for a node that is no more; those that were on it, others remove."""
        for name in self._by_node.keys() - {*nodes, ""}:
            self._remove_all([pod for pod in self._by_node[name] if not pod.spec.node_name])

    def _remove_ended(self, present: Iterable[Pod]) -> None:
        for pod in present:
            if not pods.is_finished(pod) or objects.is_terminating(pod):
                continue
            created = pod.metadata.creation_timestamp or self._work.now
            left = ENDED_POD_KEPT_SECONDS - (self._work.now - created).total_seconds()
            if left > 0:
                self._look_again_in(left)
                continue
            failed = pod.status.phase == "Failed"
            told = (
                f"Found {'failed' if failed else 'succeeded'} daemon pod {self._stored.key.namespace}/"
                f"{pod.metadata.name} on node {pod.spec.node_name}, will try to "
                f"{'kill' if failed else 'delete'} it"
            )
            reason = "FailedDaemonPod" if failed else "SucceededDaemonPod"
            self._note(events.WARNING if failed else events.NORMAL, reason, told)
            self._remove_all([pod])

    def _remove_all(self, going: Iterable[Pod]) -> None:
        for pod in going:
            if objects.is_terminating(pod):
                continue
            if not self._room:
                self._look_again_in(0.0)
                return
            self._room -= 1
            self._work.drafts.remove(self._bases[pod.metadata.name], self._work.now)
            self._note(events.NORMAL, "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}")

    def _make(self, nodes: Sequence[str], hash_: str) -> None:
        if not claims.accepts_new_objects(self._work.view, self._stored.key.namespace):
            return
        if len(nodes) > self._room:
            self._look_again_in(0.0)
        for node in nodes[: self._room]:
            pod = members.new_pod(self._daemon_set, node, hash_, now=self._work.now, rng=self._work.rng)
            if not self._work.drafts.has_room:
                self._look_again_in(0.0)
                return
            try:
                self._work.drafts.create(kinds.POD, pod)
            except CallerError as error:
                self._note(events.WARNING, "FailedCreate", f"Error creating: {error}")
                return
            self._note(events.NORMAL, "SuccessfulCreate", f"Created pod: {pod.metadata.name}")

    def _note(self, type_: str, reason: str, message: str) -> None:
        self._events.append(events.Note(self._daemon_set, type_, reason, message))

    def _look_again_in(self, seconds: float) -> None:
        self._wait = seconds if self._wait is None else min(seconds, self._wait)

    def finish(self) -> Reconciliation:
        """Return the operations, the status among them."""
        after = msgspec.structs.replace(self._daemon_set, status=self._status)
        self._work.drafts.update(self._stored, after)
        return self._work.drafts.reconciliation(self._events, self._wait)

    def _count(self, sites: Sequence[Site], misscheduled: int, collisions: int | None) -> DaemonSetStatus:
        """Count the nodes by the oldest Pod that stays on each, for one that is being updated has two."""
        now, least = self._work.now, self._daemon_set.spec.min_ready_seconds
        oldest = [min((*each.new, *each.old), key=daemonset_rollout.age) for each in sites if each.new or each.old]
        updated = {pod.metadata.uid for each in sites for pod in each.new}
        available = sum(pods.is_available(pod, now, least) for pod in oldest)
        for wait in (pods.available_in(pod, now, least) for present in self._by_node.values() for pod in present):
            if wait:
                self._look_again_in(wait.total_seconds())
        return DaemonSetStatus(
            current_number_scheduled=sum(bool(self._by_node.get(each.node)) for each in sites),
            number_misscheduled=misscheduled,
            desired_number_scheduled=len(sites),
            number_ready=sum(map(pods.is_ready, oldest)),
            observed_generation=self._daemon_set.metadata.generation,
            updated_number_scheduled=sum(pod.metadata.uid in updated for pod in oldest),
            number_available=available,
            number_unavailable=len(sites) - available,
            collision_count=collisions,
            conditions=self._daemon_set.status.conditions,
        )


def _takes_others(change: Change) -> bool:
    return change.old is None or change.new is None or _offer(change.old) != _offer(change.new)


def _offer(stored: Stored) -> tuple[object, ...]:
    """Return what of a node decides which DaemonSets have a Pod there."""
    node = cast("Node", stored.object)
    return node.metadata.labels, node.spec.taints


def _adopters(orphan: Stored, view: View) -> list[Key]:
    if orphan.key.resource != PODS:
        return []
    return [
        each.key
        for each in view.list(DAEMON_SETS, orphan.key.namespace)
        if claims.may_adopt(orphan.object, selectors.from_labels(cast("DaemonSet", each.object).spec.selector))
    ]
