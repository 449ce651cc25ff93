"""What happens to Pods in a rehearsal, as steps that people read: so many of an owner start, get ready, stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

from swarmlet.controllers.garbage import owner_key
from swarmlet.model import conditions, kinds, objects, plans
from swarmlet.model.dependencies import DEPENDENCIES_MET
from swarmlet.model.meta import Object
from swarmlet.model.plans import PlannedPods, Step, Waiting
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

PODS = kinds.POD.resource
NEW = "<new>"
OWNERS_DEPTH_MAX = 4


@dataclass(slots=True)
class _Entry:
    does: str
    owner: Key | None
    namespace: str
    after_seconds: float
    pods: Counter[tuple[str, str]] = field(default_factory=Counter)


class Diary:
    """Takes down what happens; `before` is the state that the rehearsal began with, the changes of the plan not in it.

    `written` are the objects that the plan writes: what happens to Pods of others is told as such.
    """

    def __init__(self, before: View, written: Iterable[Key]) -> None:
        self._before = before
        self._written = frozenset(written)
        self._entries: list[_Entry] = []
        self._owners: dict[str, Key | None] = {}

    def hear(self, change: Change, view: View, after_seconds: float) -> bool:
        """Take down what a change means for a Pod; return whether it means something."""
        if change.key.resource != PODS:
            return False
        does = _meaning(change)
        stored = change.new or change.old
        if not does or stored is None:
            return False
        pod = cast("Pod", stored.object)
        owner = self.owner(pod, view)
        last = self._entries[-1] if self._entries else None
        if last is None or (last.does, last.owner, last.namespace) != (does, owner, pod.metadata.namespace):
            last = _Entry(does, owner, pod.metadata.namespace, after_seconds)
            self._entries.append(last)
        last.pods[self._name(pod), pod.spec.node_name] += 1
        return True

    def steps(self) -> tuple[Step, ...]:
        """Return what happened, in its order."""
        return tuple(
            Step(
                does=each.does,
                pods=_alike(each.pods),
                namespace=each.namespace,
                owner=told(each.owner),
                unplanned=not self._is_planned(each),
                after_seconds=round(each.after_seconds, 1),
            )
            for each in self._entries
        )

    def waiting(self, unbound: Sequence[Stored], view: View) -> tuple[Waiting, ...]:
        """Return which Pods have no node, alike ones together, with the scheduler's reasons."""
        groups: Counter[tuple[str, str, str, str]] = Counter()
        for stored in unbound:
            pod = cast("Pod", stored.object)
            condition = conditions.get(pod.status.conditions, "PodScheduled")
            if objects.is_terminating(pod) or condition is None or condition.status == "True":
                continue
            owner = told(self.owner(pod, view))
            awaited = conditions.get(pod.status.conditions, DEPENDENCIES_MET)
            told_by = awaited if awaited is not None and awaited.status == "False" else condition
            reason = told_by.message or told_by.reason
            groups[pod.metadata.namespace, owner, self._name(pod), reason] += 1
        return tuple(
            Waiting(pods=PlannedPods(name=name, count=count), reason=reason, namespace=namespace, owner=owner)
            for (namespace, owner, name, reason), count in sorted(groups.items())
        )

    def owner(self, pod: Object, view: View) -> Key | None:
        """Return the object that a user made and that the Pod comes from; None for a Pod of nobody."""
        uid = pod.metadata.uid
        if uid not in self._owners:
            self._owners[uid] = self._root(pod, view)
        return self._owners[uid]

    def _root(self, value: Object, view: View) -> Key | None:
        found: Key | None = None
        for _ in range(OWNERS_DEPTH_MAX):
            reference = objects.controller_of(value)
            key = owner_key(view, reference, value) if reference else None
            if key is None:
                break
            found = key
            stored = view.get(key) or self._before.get(key)
            if stored is None:
                break
            value = stored.object
        return found

    def _is_planned(self, entry: _Entry) -> bool:
        if entry.owner is not None:
            return entry.owner in self._written or Key(kinds.NAMESPACE.resource, "", entry.namespace) in self._written
        return any(Key(PODS, entry.namespace, name) in self._written for name, _ in entry.pods)

    def _name(self, pod: Pod) -> str:
        """Return the Pod's name; where it would have another one each time, only what is certain of it."""
        metadata = pod.metadata
        controller = objects.controller_of(pod)
        is_its_place = controller is not None and controller.kind == "StatefulSet"
        if is_its_place or not metadata.generate_name or self._before.get(Key(PODS, metadata.namespace, metadata.name)):
            return metadata.name
        return f"{metadata.generate_name}{NEW}"


def told(key: Key | None) -> str:
    """Return an object's name as people write it: "deployments.apps/web"."""
    return f"{key.resource}/{key.name}" if key else ""


def _alike(counted: Counter[tuple[str, str]]) -> tuple[PlannedPods, ...]:
    return tuple(PlannedPods(name=name, node=node, count=count) for (name, node), count in sorted(counted.items()))


def _meaning(change: Change) -> str:
    """Return what a change of a Pod is to people, "" for nothing."""
    old = cast("Pod", change.old.object) if change.old else None
    new = cast("Pod", change.new.object) if change.new else None
    if new is None or objects.is_terminating(new):
        return plans.STOP if old and not objects.is_terminating(old) else ""
    if new.spec.node_name and not (old and old.spec.node_name):
        return plans.START
    was_ready = old is not None and conditions.is_true(old.status.conditions, "Ready")
    return plans.READY if conditions.is_true(new.status.conditions, "Ready") and not was_ready else ""
