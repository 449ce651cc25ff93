"""Rules of a container's environment. Source: k8s.io/kubernetes pkg/apis/core/validation (ValidateEnv)."""

from __future__ import annotations

from collections.abc import Sequence

from swarmlet.model import syntax
from swarmlet.model.environment import (
    ConfigMapKeySelector,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    SecretKeySelector,
)
from swarmlet.model.problems import Place
from swarmlet.model.rules import downward

TOO_MANY = "may not have more than one field specified at a time"


def variables(values: Sequence[EnvVar], place: Place) -> None:
    """Check the variables of a container."""
    for inner, variable in place.each(values):
        if variable.name:
            inner.field("name").invalid_each(variable.name, syntax.env_name(variable.name))
        else:
            inner.field("name").required()
        if variable.value_from is not None:
            _source(variable.value_from, inner.field("valueFrom"), has_value=bool(variable.value))


def whole_sources(values: Sequence[EnvFromSource], place: Place) -> None:
    """Check what all keys of are made variables."""
    for inner, source in place.each(values):
        if source.prefix:
            inner.field("prefix").invalid_each(source.prefix, syntax.env_name(source.prefix))
        given = [
            (name, reference)
            for name, reference in (("configMapRef", source.config_map_ref), ("secretRef", source.secret_ref))
            if reference is not None
        ]
        for name, reference in given:
            _name(reference.name, inner.field(name).field("name"))
        if not given:
            place.invalid("", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            place.invalid("", TOO_MANY)


def _source(source: EnvVarSource, place: Place, *, has_value: bool) -> None:
    count = 0
    if source.field_ref is not None:
        count += 1
        downward.field(source.field_ref, place.field("fieldRef"), downward.ENV_FIELDS)
    if source.resource_field_ref is not None:
        count += 1
        downward.resource(source.resource_field_ref, place.field("resourceFieldRef"), in_volume=False)
    if source.config_map_key_ref is not None:
        count += 1
        _key(source.config_map_key_ref, place.field("configMapKeyRef"))
    if source.secret_key_ref is not None:
        count += 1
        _key(source.secret_key_ref, place.field("secretKeyRef"))
    if not count:
        place.invalid("", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`")
    elif has_value:
        place.invalid("", "may not be specified when `value` is not empty")
    elif count > 1:
        place.invalid("", TOO_MANY)


def _key(selector: ConfigMapKeySelector | SecretKeySelector, place: Place) -> None:
    place.field("name").invalid_each(selector.name, syntax.dns_subdomain(selector.name))
    if selector.key:
        place.field("key").invalid_each(selector.key, syntax.config_key(selector.key))
    else:
        place.field("key").required()


def _name(name: str, place: Place) -> None:
    if name:
        place.invalid_each(name, syntax.dns_subdomain(name))
    else:
        place.required()
