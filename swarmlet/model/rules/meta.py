"""Rules of metadata and of label selectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from swarmlet.model import syntax
from swarmlet.model.meta import LabelSelector, LabelSelectorRequirement, ManagedFieldsEntry, ObjectMeta, OwnerReference
from swarmlet.model.problems import Place

ANNOTATIONS_BYTES_MAX = 256 * 1024
FIELD_MANAGER_LENGTH_MAX = 128
STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")
IMMUTABLE = "field is immutable"

NameRule = Callable[[str], list[str]]


def metadata(
    value: ObjectMeta, place: Place, *, namespaced: bool, name_rule: NameRule, any_finalizers: bool = False
) -> None:
    """Check a whole object's metadata. `any_finalizers`: may have no domain, as of kinds that users bring."""
    _name(value, place, name_rule)
    _namespace(value.namespace, place.field("namespace"), namespaced=namespaced)
    if value.generation < 0:
        place.field("generation").not_negative(value.generation)
    label_map(value.labels, place.field("labels"))
    annotation_map(value.annotations, place.field("annotations"))
    _owners(value.owner_references, place.field("ownerReferences"))
    _finalizers(value.finalizers, place.field("finalizers"), any_finalizers=any_finalizers)
    _managed_fields(value.managed_fields, place.field("managedFields"))


def metadata_update(new: ObjectMeta, old: ObjectMeta, place: Place) -> None:
    """Check what of the metadata may not change."""
    for name in ("name", "namespace", "uid"):
        if getattr(new, name) != getattr(old, name):
            place.field(name).invalid(getattr(new, name), IMMUTABLE)
    added = sorted(set(new.finalizers) - set(old.finalizers))
    if old.deletion_timestamp and added:
        told = ", ".join(f'"{name}"' for name in added)
        place.field("finalizers").forbidden(
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{told}}}"
        )


def label_map(value: Mapping[str, str], place: Place) -> None:
    """Check labels, or a nodeSelector, which is written alike."""
    for key, text in value.items():
        place.invalid_each(key, syntax.label_key(key))
        place.invalid_each(text, syntax.label_value(text))


def annotation_map(value: Mapping[str, str], place: Place) -> None:
    """Check annotations: their keys, and their size altogether."""
    for key in value:
        place.invalid_each(key, syntax.label_key(key.lower()))
    if sum(len(key.encode()) + len(text.encode()) for key, text in value.items()) > ANNOTATIONS_BYTES_MAX:
        place.too_long(ANNOTATIONS_BYTES_MAX)


def selector(value: LabelSelector, place: Place) -> None:
    """Check how a label selector is written."""
    label_map(value.match_labels, place.field("matchLabels"))
    for inner, requirement in place.field("matchExpressions").each(value.match_expressions):
        _requirement(requirement, inner)


def is_empty(value: LabelSelector) -> bool:
    """Whether a selector selects everything."""
    return not value.match_labels and not value.match_expressions


def _name(value: ObjectMeta, place: Place, name_rule: NameRule) -> None:
    if value.generate_name:
        prefix = value.generate_name
        masked = prefix[:-1] + "a" if prefix.endswith("-") else prefix
        place.field("generateName").invalid_each(prefix, name_rule(masked))
    if value.name:
        place.field("name").invalid_each(value.name, name_rule(value.name))
    elif not value.generate_name:
        place.field("name").required("name or generateName is required")


def _namespace(namespace: str, place: Place, *, namespaced: bool) -> None:
    if not namespaced:
        if namespace:
            place.forbidden("not allowed on this type")
    elif namespace:
        place.invalid_each(namespace, syntax.dns_label(namespace))
    else:
        place.required()


def _owners(owners: Sequence[OwnerReference], place: Place) -> None:
    controllers = [owner.name for owner in owners if owner.controller]
    for inner, owner in place.each(owners):
        for field, text in (("kind", owner.kind), ("name", owner.name), ("uid", owner.uid)):
            if not text:
                inner.field(field).invalid(text, "must not be empty")
        if not owner.api_version:
            inner.field("apiVersion").invalid("", "version must not be empty")
    if len(controllers) > 1:
        place.invalid(
            controllers,
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {controllers[1]}",
        )


def _finalizers(finalizers: Sequence[str], place: Place, *, any_finalizers: bool) -> None:
    for finalizer in finalizers:
        place.invalid_each(finalizer, syntax.label_key(finalizer))
        if not any_finalizers and "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
            place.invalid(finalizer, "name is neither a standard finalizer name nor is it fully qualified")
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        place.invalid(finalizers, "finalizer orphan and foregroundDeletion cannot be both set")


def _managed_fields(entries: Sequence[ManagedFieldsEntry], place: Place) -> None:
    for inner, entry in place.each(entries):
        if entry.operation not in ("Apply", "Update"):
            inner.field("operation").invalid(entry.operation, "must be `Apply` or `Update`")
        if entry.fields_type not in ("", "FieldsV1"):
            inner.field("fieldsType").invalid(entry.fields_type, "must be `FieldsV1`")
        if len(entry.manager) > FIELD_MANAGER_LENGTH_MAX:
            inner.field("manager").too_long(FIELD_MANAGER_LENGTH_MAX)


def _requirement(requirement: LabelSelectorRequirement, place: Place) -> None:
    match requirement.operator:
        case "In" | "NotIn":
            if not requirement.values:
                place.field("values").required("must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if requirement.values:
                place.field("values").forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        case _:
            place.field("operator").invalid(requirement.operator, "not a valid selector operator")
    place.field("key").invalid_each(requirement.key, syntax.label_key(requirement.key))
    for inner, value in place.field("values").each(requirement.values):
        inner.invalid_each(value, syntax.label_value(value))
