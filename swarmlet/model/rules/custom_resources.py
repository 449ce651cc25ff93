"""What a custom resource becomes before it is stored, and the rules that it must keep: those of its kind's schema.

Source: k8s.io/apiextensions-apiserver/pkg/registry/customresource (strategy.go, validator.go).
"""

from __future__ import annotations

import functools
from typing import Any

from swarmlet.model import structural, structural_rules, structural_values, syntax
from swarmlet.model.custom import CustomKind, CustomResource
from swarmlet.model.json_path import parse
from swarmlet.model.problems import Place, Problems, refusal
from swarmlet.model.rules import meta

REPLICAS_MAX = 2**31 - 1
RULES_LEFT_OUT = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


def completed(kind: CustomKind, value: CustomResource) -> CustomResource:
    """Return an object with the defaults of its schema, and without nulls in whose place none stand."""
    content = structural.with_defaults(kind.schema, value.content)
    return (
        value
        if content == value.content
        else CustomResource(api_version=value.api_version, kind=value.kind, metadata=value.metadata, content=content)
    )


def validate(kind: CustomKind, value: CustomResource, old: CustomResource | None = None) -> None:
    """Raise `InvalidError` where an object breaks a rule, or changes what may not change from `old`.

    As in Kubernetes, a part that an update leaves as it was is not judged anew by rules that have become stricter.
    """
    problems = Problems()
    place = problems.at("metadata")
    if old is not None:
        meta.metadata_update(value.metadata, old.metadata, place)
    meta.metadata(
        value.metadata, place, namespaced=kind.namespaced, name_rule=syntax.dns_subdomain, any_finalizers=True
    )
    if old is None or old.content != value.content:
        _content(kind, value, old, Place(problems, ""))
    if problems.causes:
        raise refusal(value, problems.causes)


def _content(kind: CustomKind, value: CustomResource, old: CustomResource | None, place: Place) -> None:
    properties = kind.schema.get("properties") or {}
    outer = {name: each for name, each in properties.items() if name not in structural.OBJECT_FIELDS}
    before = structural.NOTHING if old is None else old.content
    structural_values.check({**kind.schema, "properties": outer}, value.content, place, before)
    if properties.get("metadata"):
        structural_values.check(properties["metadata"], _names(value), place.field("metadata"))
    _replicas_within(kind, value, place)
    if _has_rules(kind):
        if place.problems.causes:
            Place(place.problems, structural_rules.ROOT).invalid(None, RULES_LEFT_OUT)
        else:
            whole = None if old is None else _whole(old)
            structural_rules.check(kind.schema, _whole(value), whole, place)


@functools.lru_cache(maxsize=256)
def _has_rules(kind: CustomKind) -> bool:
    return structural_rules.has_rules(kind.schema)


def _names(value: CustomResource) -> dict[str, str]:
    """Return the part of an object's metadata that a schema may be about."""
    given = {"name": value.metadata.name, "generateName": value.metadata.generate_name}
    return {name: text for name, text in given.items() if text}


def _whole(value: CustomResource) -> dict[str, Any]:
    return {**value.document, "metadata": _names(value)}


def _replicas_within(kind: CustomKind, value: CustomResource, place: Place) -> None:
    scale = kind.scale
    if scale is None:
        return
    for path in (scale.spec_replicas_path, scale.status_replicas_path):
        for count in parse(path).find(value.content):
            _replicas(count, Place(place.problems, path.lstrip(".")))


def _replicas(count: Any, place: Place) -> None:
    if not isinstance(count, int) or isinstance(count, bool):
        place.invalid(count, "must be an integer")
    elif count < 0:
        place.invalid(count, "should be a non-negative integer")
    elif count > REPLICAS_MAX:
        place.invalid(count, f"should be less than or equal to {REPLICAS_MAX}")
