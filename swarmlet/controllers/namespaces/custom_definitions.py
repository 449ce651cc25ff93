"""CustomResourceDefinitions: their names accepted, their kinds established, and their objects cleaned away at the end.

Source: k8s.io/apiextensions-apiserver/pkg/controller (status, establish, finalizer).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import EVERY_CUSTOM, NOTHING, Reconciliation
from swarmlet.model import apiextensions, conditions, objects
from swarmlet.model.apiextensions import CustomResourceDefinition, CustomResourceDefinitionNames
from swarmlet.model.meta import Condition
from swarmlet.store.catalogue import DEFINITIONS, DEFINITIONS_MAX
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

REMOVALS_PER_STEP = 500
SETTLE_SECONDS = 2.0
"""Between the last moment at which an object could be made and the end of its kind: what is under way arrives."""

_ACCEPTED = Condition(
    type=apiextensions.NAMES_ACCEPTED, status="True", reason="NoConflicts", message="no conflicts found"
)
_ESTABLISHED = Condition(
    type=apiextensions.ESTABLISHED,
    status="True",
    reason="InitialNamesAccepted",
    message="the initial names have been accepted",
)
_NOT_ESTABLISHED = Condition(
    type=apiextensions.ESTABLISHED, status="False", reason="NotAccepted", message="not all names are accepted"
)
_DELETING = Condition(
    type=apiextensions.TERMINATING,
    status="True",
    reason="InstanceDeletionInProgress",
    message="CustomResource deletion is in progress",
)


class CustomDefinitions:
    """The reconciler; a key names a definition."""

    name: ClassVar[str] = "custom-definitions"
    watches: ClassVar[frozenset[str]] = frozenset({DEFINITIONS, EVERY_CUSTOM})

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the definition and those whose names it may keep from them; of an object that goes, its kind's."""
        if change.key.resource != DEFINITIONS:
            return [Key(DEFINITIONS, "", change.key.resource)] if change.new is None else []
        either = change.new or change.old
        assert either is not None, "a change has a before or an after"
        group = cast("CustomResourceDefinition", either.object).spec.group
        return [change.key, *(each.key for each, value in _definitions(view) if value.spec.group == group)]

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every definition."""
        return [stored.key for stored in view.list(DEFINITIONS)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the definition's status as it should be, or the next step of its end."""
        stored = view.get(key)
        if stored is None:
            return NOTHING
        value = cast("CustomResourceDefinition", stored.object)
        drafts = Drafts()
        if objects.is_terminating(value):
            return _ended(view, stored, value, drafts, now)
        drafts.update(stored, _established(view, key, value, now))
        return drafts.reconciliation()


def _definitions(view: View) -> Iterator[tuple[Stored, CustomResourceDefinition]]:
    for stored in view.list(DEFINITIONS):
        yield stored, cast("CustomResourceDefinition", stored.object)


# A definition that is.


def _established(view: View, key: Key, value: CustomResourceDefinition, now: datetime) -> CustomResourceDefinition:
    conflict = _conflict(view, key, value)
    status = value.status
    told = conditions.put(status.conditions, conflict or _ACCEPTED, now)
    if not apiextensions.holds(value, apiextensions.ESTABLISHED):
        told = conditions.put(told, _NOT_ESTABLISHED if conflict else _ESTABLISHED, now)
    version = apiextensions.storage_version(value)
    kept = status.stored_versions
    none_yet = CustomResourceDefinitionNames(plural="", kind="")
    names = (status.accepted_names or none_yet) if conflict else value.spec.names
    changed = msgspec.structs.replace(
        status,
        conditions=told,
        accepted_names=names,
        stored_versions=kept if version in kept else (*kept, version),
    )
    finalizers = value.metadata.finalizers
    if apiextensions.FINALIZER not in finalizers:
        value = objects.with_metadata(value, finalizers=(*finalizers, apiextensions.FINALIZER))
    return msgspec.structs.replace(value, status=changed)


def _conflict(view: View, key: Key, value: CustomResourceDefinition) -> Condition | None:
    """Return what tells that a name is another definition's; of two that are new the older one has it."""
    others = [each for stored, each in _definitions(view) if stored.key != key and _goes_before(each, value)]
    if len(others) >= DEFINITIONS_MAX:
        return _refused("TooManyDefinitions", f"there are {DEFINITIONS_MAX} CustomResourceDefinitions already")
    named = [each.status.accepted_names or each.spec.names for each in others if each.spec.group == value.spec.group]
    words = {word for names in named for word in (names.plural, names.singular, *names.short_names)}
    kinds = {word for names in named for word in (names.kind, names.list_kind)}
    names = value.spec.names
    for what, word, taken in (
        ("Plural", names.plural, words),
        ("Singular", names.singular, words),
        *(("ShortNames", each, words) for each in names.short_names),
        ("Kind", names.kind, kinds),
        ("ListKind", names.list_kind, kinds),
    ):
        if word in taken:
            return _refused(f"{what}Conflict", f'"{word}" is already in use')
    return None


def _refused(reason: str, message: str) -> Condition:
    return Condition(type=apiextensions.NAMES_ACCEPTED, status="False", reason=reason, message=message)


def _goes_before(one: CustomResourceDefinition, other: CustomResourceDefinition) -> bool:
    if apiextensions.holds(one, apiextensions.ESTABLISHED) != apiextensions.holds(other, apiextensions.ESTABLISHED):
        return apiextensions.holds(one, apiextensions.ESTABLISHED)
    return _age(one) < _age(other)


def _age(value: CustomResourceDefinition) -> tuple[str, str]:
    return str(value.metadata.creation_timestamp), value.metadata.name


# A definition that is about to go.


def _ended(
    view: View, stored: Stored, value: CustomResourceDefinition, drafts: Drafts, now: datetime
) -> Reconciliation:
    """Delete the objects of the kind; when none is left, let the definition go."""
    finalizers = value.metadata.finalizers
    if apiextensions.FINALIZER not in finalizers:
        return NOTHING
    told = conditions.put(value.status.conditions, _DELETING, now)
    drafts.update(stored, msgspec.structs.replace(value, status=msgspec.structs.replace(value.status, conditions=told)))
    left = view.list(stored.key.name)
    if left:
        staying = [each for each in left if not objects.is_terminating(each.object)]
        for each in staying[:REMOVALS_PER_STEP]:
            drafts.remove(each, now)
        return drafts.reconciliation()
    assert value.metadata.deletion_timestamp is not None, "it is terminating"
    missing = value.metadata.deletion_timestamp + timedelta(seconds=SETTLE_SECONDS) - now
    if missing > timedelta():
        return drafts.reconciliation(wait=missing.total_seconds())
    others = tuple(each for each in finalizers if each != apiextensions.FINALIZER)
    if others:
        drafts.update(stored, objects.with_metadata(value, finalizers=others))
    else:
        drafts.erase(stored)
    return drafts.reconciliation()
