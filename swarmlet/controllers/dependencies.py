"""Lets Pods go once what they wait for is there: the annotation and gate `swarmlet.io/depends-on`.

Order is for the first start of a version. Once one Pod of a ReplicaSet (or of one revision of a StatefulSet or
DaemonSet, or of a Job) was let go, its others are let go at once: what has run is replaced and scaled whatever becomes
of the things it once waited for, so the failure of one does not spread to those that knew it well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers import dependency_states
from swarmlet.controllers.dependency_states import State
from swarmlet.controllers.deployments.revisions import COMPLETED
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, dependencies, events, objects, pods
from swarmlet.model.apps import ReplicaSet
from swarmlet.model.batch import Job
from swarmlet.model.dependencies import DEPENDENCIES_MET, DEPENDS_ON, Dependency
from swarmlet.model.meta import Condition
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

PODS = dependency_states.KINDS["pod"].resource
REVISION_LABELS = ("controller-revision-hash", "pod-template-hash")
PODS_PER_STEP = 500

WAITING = "Waiting"
FAILED = "DependencyFailed"
MET = "Met"
STARTED_BEFORE = "StartedBefore"


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What becomes of Pods; `words` tell why."""

    reason: str
    words: str


class Dependencies:
    """The reconciler; a key names a namespace in which Pods wait for others (its own name is empty)."""

    name: ClassVar[str] = "dependencies"
    watches: ClassVar[frozenset[str]] = frozenset(kind.resource for kind in dependency_states.KINDS.values())

    def __init__(self) -> None:
        self._waiting: dict[str, dict[Key, None]] = {}
        self._has_looked = False

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the namespace of the change where Pods wait in it, and the change may matter to them."""
        if not self._has_looked:  # a rehearsal begins with a change
            self._look(view)
        if change.key.resource == PODS and not self._note(change):
            return ()
        namespace = change.key.namespace
        return (Key(PODS, namespace, ""),) if namespace in self._waiting else ()

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return the namespaces in which Pods wait."""
        self._look(view)
        return [Key(PODS, namespace, "") for namespace in self._waiting]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Let go the Pods of the namespace for which all is there, and tell of the others what they wait for."""
        waiting = [stored for each in self._waiting.get(key.namespace, ()) if (stored := view.get(each))]
        if not waiting:
            return NOTHING
        return _Round(view, key.namespace, now).finish([stored for stored in waiting if _waits(stored)])

    def _look(self, view: View) -> None:
        """Look for all that wait."""
        self._has_looked = True
        self._waiting = {}
        for stored in view.pods_on(""):
            if _waits(stored):
                self._waiting.setdefault(stored.key.namespace, {})[stored.key] = None

    def _note(self, change: Change) -> bool:
        """Keep in mind who waits; return whether somebody may wait for what has changed."""
        namespace = change.key.namespace
        if change.new is not None and _waits(change.new):
            self._waiting.setdefault(namespace, {})[change.key] = None
            return True
        waiting = self._waiting.get(namespace)
        if waiting is None:
            return False
        waiting.pop(change.key, None)
        if not waiting:
            del self._waiting[namespace]
        return _stand(change.old) != _stand(change.new)


class _Round:
    """All Pods of a namespace that wait, each thing that they wait for looked at once."""

    def __init__(self, view: View, namespace: str, now: datetime) -> None:
        self._view = view
        self._namespace = namespace
        self._now = now
        self._states: dict[Dependency, State] = {}
        self._verdicts: dict[str, _Verdict] = {}
        self._versions: dict[tuple[str, str], bool] = {}
        self._drafts = Drafts()
        self._events: list[events.Note] = []
        self._writes = 0

    def finish(self, waiting: list[Stored]) -> Reconciliation:
        """Return what becomes of the Pods; the rest follows at once where they are many."""
        more = False
        for stored in waiting:
            if self._writes >= PODS_PER_STEP:
                more = True
                break
            self._judge(stored, cast("Pod", stored.object))
        return Reconciliation(self._drafts.operations(), tuple(self._events), 0.0 if more else None)

    def _judge(self, stored: Stored, pod: Pod) -> None:
        if self._has_started_before(pod):
            self._release(stored, pod, _Verdict(STARTED_BEFORE, "its version has been started before"))
            return
        verdict = self._verdict(pod.metadata.annotations.get(DEPENDS_ON, ""))
        if verdict.reason == MET:
            self._release(stored, pod, verdict)
        else:
            self._hold(stored, pod, verdict)

    def _verdict(self, text: str) -> _Verdict:
        """Return what is to become of the Pods with an annotation of this text."""
        if text not in self._verdicts:
            self._verdicts[text] = self._considered(text)
        return self._verdicts[text]

    def _considered(self, text: str) -> _Verdict:
        try:
            awaited = dependencies.parse(text)
        except ValueError as error:  # written past the rules, by a version that had others
            return _Verdict(FAILED, f"{DEPENDS_ON}: {error}")
        unmet = [state for each in awaited if not (state := self._state(each)).met]
        if not unmet:
            return _Verdict(MET, f"has what it waited for: {', '.join(each.target for each in awaited)}")
        reason = FAILED if any(state.failed for state in unmet) else WAITING
        return _Verdict(reason, "; ".join(state.words for state in unmet))

    def _state(self, dependency: Dependency) -> State:
        if dependency not in self._states:
            self._states[dependency] = dependency_states.state_of(self._view, self._namespace, dependency)
        return self._states[dependency]

    def _has_started_before(self, pod: Pod) -> bool:
        owner = objects.controller_of(pod)
        if owner is None:
            return False
        version = (owner.uid, _revision(pod))
        if version not in self._versions:
            self._versions[version] = self._was_let_go(*version) or self._has_run(owner.uid, pod)
        return self._versions[version]

    def _was_let_go(self, owner_uid: str, revision: str) -> bool:
        owned = [each.object for each in self._view.by_owner(owner_uid)]
        siblings = [each for each in owned if isinstance(each, Pod) and _revision(each) == revision]
        return any(not dependencies.is_gated(each) and DEPENDS_ON in each.metadata.annotations for each in siblings)

    def _has_run(self, owner_uid: str, pod: Pod) -> bool:
        """Whether the owner tells that Pods of this version have run, though none is left."""
        reference = objects.controller_of(pod)
        kind = dependency_states.OWNERS.get(reference.kind) if reference else None
        stored = self._view.get(Key(kind.resource, self._namespace, reference.name)) if kind and reference else None
        if stored is None or stored.object.metadata.uid != owner_uid:
            return False
        owner = stored.object
        if isinstance(owner, ReplicaSet):
            return COMPLETED in owner.metadata.annotations
        return isinstance(owner, Job) and bool(owner.status.succeeded or owner.status.failed)

    def _release(self, stored: Stored, pod: Pod, verdict: _Verdict) -> None:
        self._tell(stored, dependencies.without_gate(pod), verdict)
        self._events.append(events.Note(pod, events.NORMAL, "DependenciesMet", f"Let go: {verdict.words}"))

    def _hold(self, stored: Stored, pod: Pod, verdict: _Verdict) -> None:
        before = conditions.get(pod.status.conditions, DEPENDENCIES_MET)
        if before is not None and (before.reason, before.message) == (verdict.reason, verdict.words):
            return
        self._tell(stored, pod, verdict)
        if before is None or before.reason != verdict.reason:
            failed = verdict.reason == FAILED
            type_ = events.WARNING if failed else events.NORMAL
            told = "DependencyFailed" if failed else "WaitingForDependencies"
            words = verdict.words[:1].upper() + verdict.words[1:]
            self._events.append(events.Note(pod, type_, told, words))

    def _tell(self, stored: Stored, pod: Pod, verdict: _Verdict) -> None:
        met = verdict.reason in {MET, STARTED_BEFORE}
        condition = Condition(type=DEPENDENCIES_MET, status=str(met), reason=verdict.reason, message=verdict.words)
        told = conditions.put(pod.status.conditions, condition, self._now)
        status = msgspec.structs.replace(pod.status, conditions=told, phase=pod.status.phase or "Pending")
        self._drafts.update(stored, msgspec.structs.replace(pod, status=status))
        self._writes += 1


def _waits(stored: Stored) -> bool:
    pod = cast("Pod", stored.object)
    return not pod.spec.node_name and pods.is_active(pod) and dependencies.is_gated(pod)


def _stand(stored: Stored | None) -> object:
    """Return what of a Pod may matter to those that wait for it."""
    if stored is None:
        return None
    pod = cast("Pod", stored.object)
    return pod.status.phase, pods.is_ready(pod), objects.is_terminating(pod), dependencies.is_gated(pod)


def _revision(pod: Pod) -> str:
    return next((text for label in REVISION_LABELS if (text := pod.metadata.labels.get(label))), "")
