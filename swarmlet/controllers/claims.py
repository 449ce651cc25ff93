"""Who owns what: finding, adopting and releasing the objects that a controller's selector matches.

Source: kubernetes pkg/controller/controller_ref_manager.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from swarmlet.model import objects
from swarmlet.model.meta import LabelSelector, LabelSelectorRequirement, Object, OwnerReference
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

NAMESPACE_RESOURCE = "namespaces"


def is_selective(selector: LabelSelector) -> bool:
    """Whether it asks for anything: an empty one would select the whole namespace, and is refused by admission."""
    return bool(selector.match_labels or selector.match_expressions)


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether labels meet all that a selector asks for."""
    return selector.match_labels.items() <= labels.items() and all(
        _meets(each, labels) for each in selector.match_expressions
    )


def _meets(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    if requirement.operator == "Exists":
        return value is not None
    if requirement.operator == "DoesNotExist":
        return value is None
    return (value in requirement.values) is (requirement.operator == "In")


def is_controlled_by(value: Object, owner: Object) -> bool:
    """Whether `owner` is the one that manages the object."""
    reference = objects.controller_of(value)
    return reference is not None and reference.uid == owner.metadata.uid


def may_adopt(value: Object, selector: LabelSelector) -> bool:
    """Whether the object is nobody's, stays, and matches."""
    return (
        objects.controller_of(value) is None
        and not objects.is_terminating(value)
        and selects(selector, value.metadata.labels)
    )


def adopted(value: objects.ObjectType, owner: Object) -> objects.ObjectType:
    """Return the object as managed by `owner`."""
    references = (*_other_owners(value, owner), objects.owner_reference(owner))
    return objects.with_metadata(value, owner_references=references)


def released(value: objects.ObjectType, owner: Object) -> objects.ObjectType:
    """Return the object as no longer managed by `owner`."""
    return objects.with_metadata(value, owner_references=_other_owners(value, owner))


def owned(view: View, owner: Stored, resource: str) -> list[Stored]:
    """Return the objects of a resource that `owner` manages."""
    dependents = view.by_owner(owner.object.metadata.uid)
    return [
        each for each in dependents if each.key.resource == resource and is_controlled_by(each.object, owner.object)
    ]


def controller_key(value: Object, kind: str, resource: str) -> Key | None:
    """Return the key of the object's controller where that is of `kind`."""
    reference = objects.controller_of(value)
    if reference is None or reference.kind != kind:
        return None
    return Key(resource, value.metadata.namespace, reference.name)


def accepts_new_objects(view: View, namespace: str) -> bool:
    """Whether the namespace is there to stay: in one that ends, nothing is made any more."""
    stored = view.get(Key(NAMESPACE_RESOURCE, "", namespace))
    return stored is None or not objects.is_terminating(stored.object)


def _other_owners(value: Object, owner: Object) -> tuple[OwnerReference, ...]:
    return tuple(each for each in value.metadata.owner_references if each.uid != owner.metadata.uid)
