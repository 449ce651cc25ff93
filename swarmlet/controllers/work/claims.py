"""Who owns what: finding, adopting and releasing the objects that a controller's selector matches.

Source: kubernetes pkg/controller/controller_ref_manager.go.
"""

from __future__ import annotations

from swarmlet.model import kinds, objects
from swarmlet.model.meta import LabelSelector, Object, OwnerReference
from swarmlet.model.selectors import LabelPredicate
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View


def is_selective(selector: LabelSelector) -> bool:
    """Whether it asks for anything: an empty one would select the whole namespace, and is refused by admission."""
    return bool(selector.match_labels or selector.match_expressions)


def is_controlled_by(value: Object, owner: Object) -> bool:
    """Whether `owner` is the one that manages the object."""
    reference = objects.controller_of(value)
    return reference is not None and reference.uid == owner.metadata.uid


def may_adopt(value: Object, selects: LabelPredicate) -> bool:
    """Whether the object is nobody's, stays, and matches."""
    return objects.controller_of(value) is None and not objects.is_terminating(value) and selects(value.metadata.labels)


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
    stored = view.get(Key(kinds.NAMESPACE.resource, "", namespace))
    return stored is None or not objects.is_terminating(stored.object)


def _other_owners(value: Object, owner: Object) -> tuple[OwnerReference, ...]:
    return tuple(each for each in value.metadata.owner_references if each.uid != owner.metadata.uid)
