"""What a custom resource becomes before it is stored, and the rules that it must keep: those of its kind's schema.

Source: k8s.io/apiextensions-apiserver/pkg/registry/customresource (strategy.go, validator.go).
"""

from __future__ import annotations

from typing import Any

from swarmlet.model import structural, structural_values, syntax
from swarmlet.model.custom import CustomKind, CustomResource
from swarmlet.model.json_path import parse
from swarmlet.model.problems import Place, Problems, refusal
from swarmlet.model.rules import meta

REPLICAS_MAX = 2**31 - 1


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
    meta.metadata(value.metadata, place, namespaced=kind.namespaced, name_rule=syntax.dns_subdomain)
    if old is None or old.content != value.content:
        _content(kind, value, Place(problems, ""))
    if problems.causes:
        raise refusal(value, problems.causes)


def _content(kind: CustomKind, value: CustomResource, place: Place) -> None:
    properties = kind.schema.get("properties") or {}
    outer = {name: each for name, each in properties.items() if name not in structural.OBJECT_FIELDS}
    structural_values.check({**kind.schema, "properties": outer}, value.content, place)
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
