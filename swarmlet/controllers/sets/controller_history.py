"""The versions of a StatefulSet or a DaemonSet: ControllerRevisions, each with the template that it had.

A Deployment's versions are its ReplicaSets (`revisions`), which run Pods; here a version is its template alone.
Source: kubernetes pkg/controller/history.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgspec

from swarmlet.controllers.work import claims
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.model import kinds, names, objects, selectors
from swarmlet.model.apps_sets import ControllerRevision, DaemonSet, StatefulSet
from swarmlet.model.base import clock_time
from swarmlet.model.meta import LabelSelector, Object, ObjectMeta
from swarmlet.model.pod import PodTemplateSpec
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

REVISIONS = kinds.CONTROLLER_REVISION.resource
POD_REVISION = "controller-revision-hash"
"""The label of a Pod that says which version it is of."""
NAME_LENGTH_MAX = 223  # of the owner's part in a revision's name
HISTORY_LIMIT = 10
"""Old versions that are kept where nothing is said."""
_NOT_COPIED = "kubectl.kubernetes.io/last-applied-configuration"

_encoder = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Work:
    """One reconciliation: what is read, and where to put what comes of it."""

    view: View
    drafts: Drafts
    now: datetime
    rng: random.Random


def data_of(template: PodTemplateSpec) -> dict[str, Any]:
    """Return the strategic merge patch that gives an owner this template; `kubectl rollout undo` applies it."""
    document: dict[str, Any] = msgspec.json.decode(_encoder.encode(template))
    return {"spec": {"template": {**document, "$patch": "replace"}}}


def template_of(revision: ControllerRevision) -> PodTemplateSpec:
    """Return the template of a version."""
    document = {key: value for key, value in revision.data["spec"]["template"].items() if key != "$patch"}
    return msgspec.convert(document, PodTemplateSpec)


class History:
    """The versions of one owner. `hash_label` is the label by which a revision bears its hash."""

    def __init__(self, work: Work, owner: Stored, *, hash_label: str) -> None:
        self._work = work
        self._owner = cast("StatefulSet | DaemonSet", owner.object)
        self._hash_label = hash_label
        self._bases: dict[str, Stored] = {}
        self._known: dict[str, ControllerRevision] = {}
        for stored in claims.owned(work.view, owner, REVISIONS):
            self._take_in(stored, cast("ControllerRevision", stored.object))
        if not self._known and not objects.is_terminating(self._owner):
            self._adopt(self._owner.spec.selector)

    def get(self, name: str) -> ControllerRevision | None:
        """Return a version by its name."""
        return self._known.get(name)

    def newest(self) -> tuple[ControllerRevision, int | None]:
        """Return the version of the owner's template, and its new number of collisions.

        It is made where there is none; one that was there before gets the next number, as one that was gone back to.
        One from which a user took its hash is none: Pods could not be told by it.
        """
        wanted = data_of(self._owner.spec.template)
        highest = max((each.revision for each in self._known.values()), default=0)
        alike = [
            each for each in self._known.values() if each.data == wanted and self._hash_label in each.metadata.labels
        ]
        if not alike:
            return self._make(wanted, highest + 1)
        found = max(alike, key=_age)
        if found.revision < highest:
            found = msgspec.structs.replace(found, revision=highest + 1)
            self._known[found.metadata.name] = found
            self._work.drafts.update(self._bases[found.metadata.name], found)
        return found, self._owner.status.collision_count

    def trim(self, live: Collection[str]) -> None:
        """Remove the oldest versions beyond `revisionHistoryLimit`; those in `live` are not history yet."""
        limit = self._owner.spec.revision_history_limit
        old = sorted((each for name, each in self._known.items() if name not in live), key=_age)
        surplus = len(old) - (HISTORY_LIMIT if limit is None else limit)
        for each in old[: max(0, surplus)]:
            if each.metadata.name in self._bases:
                self._work.drafts.remove(self._bases[each.metadata.name], self._work.now)
            del self._known[each.metadata.name]

    def _adopt(self, selector: LabelSelector) -> None:
        """Take in the versions of an owner that was deleted without its Pods."""
        selects = selectors.from_labels(selector)
        for stored in self._work.view.list(REVISIONS, self._owner.metadata.namespace):
            each = cast("ControllerRevision", stored.object)
            if claims.may_adopt(each, selects):
                adopted = claims.adopted(each, self._owner)
                self._take_in(stored, adopted)
                self._work.drafts.update(stored, adopted)

    def _take_in(self, stored: Stored, revision: ControllerRevision) -> None:
        self._bases[stored.key.name] = stored
        self._known[stored.key.name] = revision

    def _make(self, data: dict[str, Any], number: int) -> tuple[ControllerRevision, int | None]:
        owner, work = self._owner, self._work
        collisions = owner.status.collision_count or 0
        while work.view.get(Key(REVISIONS, owner.metadata.namespace, name := name_of(owner, _hash(data, collisions)))):
            collisions += 1
        annotations = {key: text for key, text in owner.metadata.annotations.items() if key != _NOT_COPIED}
        made = ControllerRevision(
            metadata=ObjectMeta(
                name=name,
                namespace=owner.metadata.namespace,
                uid=names.new_uid(work.rng),
                creation_timestamp=clock_time(work.now),
                labels=owner.spec.template.metadata.labels | {self._hash_label: name.rpartition("-")[2]},
                annotations=annotations,
                owner_references=(objects.owner_reference(owner),),
            ),
            data=data,
            revision=number,
        )
        self._known[name] = made
        work.drafts.create(kinds.CONTROLLER_REVISION, made)
        return made, collisions or owner.status.collision_count


def name_of(owner: Object, hash_: str) -> str:
    """Return the name of the version of an owner that has a hash."""
    return f"{owner.metadata.name[:NAME_LENGTH_MAX]}-{hash_}"


def _hash(data: dict[str, Any], collisions: int) -> str:
    return names.hashed(_encoder.encode(data) + b"#%d" % collisions)


def _age(revision: ControllerRevision) -> tuple[int, str]:
    return revision.revision, revision.metadata.name
