"""The claims of a StatefulSet's Pods: one of each template for each ordinal, made before its Pod and outliving it.

How long they live is the retention policy's: a claim that is to go with the StatefulSet, or with the Pod that is scaled
away, is owned by it, and garbage collection does the rest.
Source: kubernetes pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from swarmlet.controllers.sets import statefulset_pods as members
from swarmlet.controllers.sets.controller_history import Work
from swarmlet.errors import CallerError
from swarmlet.model import apps_sets, events, kinds, names, objects, storage_defaults
from swarmlet.model.apps_sets import StatefulSet
from swarmlet.model.base import clock_time
from swarmlet.model.meta import ObjectMeta, OwnerReference
from swarmlet.model.pod import Pod
from swarmlet.model.storage import PersistentVolumeClaim
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

CLAIMS = kinds.PERSISTENT_VOLUME_CLAIM.resource
STATEFUL_SETS = kinds.STATEFUL_SET.resource
PODS = kinds.POD.resource


class Claims:
    """Those of one StatefulSet. `notes` are what there is to tell."""

    def __init__(self, work: Work, stateful_set: StatefulSet) -> None:
        self.notes: list[events.Note] = []
        self._work = work
        self._stateful_set = stateful_set

    def are_there_for(self, ordinal: int) -> bool:
        """Make what is missing of an ordinal's claims; return whether its Pod may be made now."""
        pod_name = members.name_of(self._stateful_set, ordinal)
        for template in self._stateful_set.spec.volume_claim_templates:
            name = members.claim_name(self._stateful_set, template, ordinal)
            stored = self._stored(name)
            if stored is None:
                if not self._make(template, name, pod_name):
                    return False
            elif objects.is_terminating(stored.object) or self._goes_with_a_pod_that_is_gone(stored):
                why = f"error: pvc {name} is being deleted"
                told = f"create Pod {pod_name} in StatefulSet {self._stateful_set.metadata.name} failed {why}"
                self._note(events.WARNING, "FailedCreate", told)
                return False
        return True

    def make_missing(self, pods: Iterable[Pod]) -> None:
        """Make the claims that Pods without a node have lost: somebody deleted them to have empty volumes instead."""
        for pod in pods:
            if pod.spec.node_name or objects.is_terminating(pod):
                continue
            for template in self._stateful_set.spec.volume_claim_templates:
                name = members.claim_name(self._stateful_set, template, members.ordinal_of(pod))
                if self._stored(name) is None and self._work.drafts.has_room:
                    self._make(template, name, pod.metadata.name)

    def keep_policy(self, ordinals: Iterable[int], present: dict[int, Pod]) -> set[int]:
        """Let the claims of these ordinals be owned as the policy asks; return the ordinals of those that were not."""
        changed = set()
        for ordinal in ordinals:
            owner = self._owner(ordinal, present.get(ordinal))
            for template in self._stateful_set.spec.volume_claim_templates:
                stored = self._stored(members.claim_name(self._stateful_set, template, ordinal))
                if stored is None or objects.is_terminating(stored.object):
                    continue
                owned = self._owned(cast("PersistentVolumeClaim", stored.object), owner)
                if owned != stored.object:
                    self._work.drafts.update(stored, owned)
                    changed.add(ordinal)
        return changed

    def _stored(self, name: str) -> Stored | None:
        return self._work.view.get(Key(CLAIMS, self._stateful_set.metadata.namespace, name))

    def _make(self, template: PersistentVolumeClaim, name: str, pod_name: str) -> bool:
        told = f"create Claim {name} Pod {pod_name} in StatefulSet {self._stateful_set.metadata.name}"
        try:
            self._work.drafts.create(kinds.PERSISTENT_VOLUME_CLAIM, self._new(template, name))
        except CallerError as error:
            self._note(events.WARNING, "FailedCreate", f"{told} failed error: {error}")
            return False
        self._note(events.NORMAL, "SuccessfulCreate", f"{told} success")
        return True

    def _new(self, template: PersistentVolumeClaim, name: str) -> PersistentVolumeClaim:
        metadata = template.metadata
        claim = PersistentVolumeClaim(
            metadata=ObjectMeta(
                name=name,
                namespace=self._stateful_set.metadata.namespace,
                uid=names.new_uid(self._work.rng),
                creation_timestamp=clock_time(self._work.now),
                labels=metadata.labels | self._stateful_set.spec.selector.match_labels,
                annotations=metadata.annotations,
                finalizers=metadata.finalizers,
            ),
            spec=template.spec,
        )
        owner = objects.owner_reference(self._stateful_set) if _deletes(self._policy.when_deleted) else None
        return storage_defaults.claim(self._owned(claim, owner))

    @property
    def _policy(self) -> apps_sets.ClaimRetentionPolicy:
        return self._stateful_set.spec.persistent_volume_claim_retention_policy or apps_sets.ClaimRetentionPolicy()

    def _owner(self, ordinal: int, pod: Pod | None) -> OwnerReference | None:
        """Return with whom the claims of an ordinal are to go."""
        if ordinal not in members.ordinals(self._stateful_set) and _deletes(self._policy.when_scaled):
            return objects.owner_reference(pod, controller=False) if pod else None
        return objects.owner_reference(self._stateful_set) if _deletes(self._policy.when_deleted) else None

    def _owned(self, claim: PersistentVolumeClaim, owner: OwnerReference | None) -> PersistentVolumeClaim:
        others = tuple(each for each in claim.metadata.owner_references if not self._is_ours(each))
        return objects.with_metadata(claim, owner_references=(*others, owner) if owner else others)

    def _is_ours(self, reference: OwnerReference) -> bool:
        named = members.parent_and_ordinal(reference.name) if reference.kind == "Pod" else None
        name = self._stateful_set.metadata.name
        return reference.uid == self._stateful_set.metadata.uid or (named is not None and named[0] == name)

    def _goes_with_a_pod_that_is_gone(self, claim: Stored) -> bool:
        """Whether garbage collection is about to take it, for the Pod that it was to go with is gone."""
        return any(
            reference.kind == "Pod" and not self._is_there(reference)
            for reference in claim.object.metadata.owner_references
        )

    def _is_there(self, reference: OwnerReference) -> bool:
        stored = self._work.view.get(Key(PODS, self._stateful_set.metadata.namespace, reference.name))
        return stored is not None and stored.object.metadata.uid == reference.uid

    def _note(self, type_: str, reason: str, message: str) -> None:
        self.notes.append(events.Note(self._stateful_set, type_, reason, message))


def stateful_sets_of(view: View, claim: Key) -> Iterable[Key]:
    """Yield the StatefulSets that a claim's name belongs to."""
    for stored in view.list(STATEFUL_SETS, claim.namespace):
        stateful_set = cast("StatefulSet", stored.object)
        for template in stateful_set.spec.volume_claim_templates:
            prefix = f"{template.metadata.name}-"
            named = members.parent_and_ordinal(claim.name.removeprefix(prefix))
            if claim.name.startswith(prefix) and named and named[0] == stored.key.name:
                yield stored.key


def _deletes(policy: str) -> bool:
    return policy == apps_sets.DELETE
