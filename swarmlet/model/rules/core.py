"""Rules of Namespace, Node, ConfigMap, Secret, Event and Lease."""

from __future__ import annotations

import binascii
from collections.abc import Mapping

from swarmlet.model import core, quantity, syntax
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import meta
from swarmlet.model.service_accounts import NAME_ANNOTATION, TOKEN_SECRET

CONTENT_BYTES_MAX = 1024 * 1024
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
HIDDEN = "<hidden>"

SECRET_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
"""The keys that a Secret of a type must have."""


def config_map(value: core.ConfigMap, problems: Problems) -> None:
    """Check a ConfigMap."""
    _keys(value.data, problems.at("data"))
    _keys(value.binary_data, problems.at("binaryData"))
    for key in value.data.keys() & value.binary_data.keys():
        problems.at("data").key(key).invalid(key, "duplicate of key present in binaryData")
    size = sum(len(text.encode()) for text in value.data.values())
    size += _decoded_size(value.binary_data, problems.at("binaryData"))
    if size > CONTENT_BYTES_MAX:
        problems.at("data").too_long(CONTENT_BYTES_MAX)


def config_map_update(new: core.ConfigMap, old: core.ConfigMap, problems: Problems) -> None:
    """Check what of a ConfigMap may not change."""
    if old.immutable:
        same = {"data": new.data == old.data, "binaryData": new.binary_data == old.binary_data}
        _frozen(problems, immutable=bool(new.immutable), same=same)


def secret(value: core.Secret, problems: Problems) -> None:
    """Check a Secret, showing nothing of what it holds."""
    _keys(value.data, problems.at("data"))
    for key in SECRET_KEYS.get(value.type, ()):
        if key not in value.data:
            problems.at("data").key(key).required()
    if value.type == TOKEN_SECRET and not value.metadata.annotations.get(NAME_ANNOTATION):
        problems.at("metadata").field("annotations").key(NAME_ANNOTATION).required()
    if _decoded_size(value.data, problems.at("data")) > CONTENT_BYTES_MAX:
        problems.at("data").too_long(CONTENT_BYTES_MAX)


def secret_update(new: core.Secret, old: core.Secret, problems: Problems) -> None:
    """Check what of a Secret may not change."""
    if new.type != old.type:
        problems.at("type").invalid(new.type, meta.IMMUTABLE)
    if old.immutable:
        _frozen(problems, immutable=bool(new.immutable), same={"data": new.data == old.data})


def node(value: core.Node, problems: Problems) -> None:
    """Check a Node."""
    place = problems.at("spec").field("taints")
    seen: set[tuple[str, str]] = set()
    for inner, taint in place.each(value.spec.taints):
        _taint(taint, inner)
        if (taint.key, taint.effect) in seen:
            inner.duplicate({"key": taint.key, "effect": taint.effect})
        seen.add((taint.key, taint.effect))
    for field, amounts in (("capacity", value.status.capacity), ("allocatable", value.status.allocatable)):
        for name, amount in amounts.items():
            if quantity.parse(amount).nano < 0:
                problems.at("status").field(field).key(name).invalid(amount, "must be greater than or equal to 0")


def event(value: core.Event, problems: Problems) -> None:
    """Check an Event."""
    regarding = value.involved_object.namespace
    if regarding and regarding != value.metadata.namespace:
        problems.at("involvedObject").field("namespace").invalid(regarding, "does not match event.namespace")


def lease(value: core.Lease, problems: Problems) -> None:
    """Check a Lease."""
    place, spec = problems.at("spec"), value.spec
    if spec.lease_duration_seconds is not None and spec.lease_duration_seconds <= 0:
        place.field("leaseDurationSeconds").invalid(spec.lease_duration_seconds, "must be greater than 0")
    place.field("leaseTransitions").not_negative(spec.lease_transitions)


def _keys(content: Mapping[str, str], place: Place) -> None:
    for key in content:
        place.key(key).invalid_each(key, syntax.config_key(key))


def _decoded_size(content: Mapping[str, str], place: Place) -> int:
    """Return the number of bytes that base64 texts hold, complaining of what is none."""
    size = 0
    for key, text in content.items():
        try:
            size += len(binascii.a2b_base64(text.replace("\n", "").replace("\r", ""), strict_mode=True))
        except ValueError:
            place.key(key).invalid(HIDDEN, "must be base64")
    return size


def _frozen(problems: Problems, *, immutable: bool, same: Mapping[str, bool]) -> None:
    if not immutable:
        problems.at("immutable").forbidden("field is immutable when `immutable` is set")
    for field, unchanged in same.items():
        if not unchanged:
            problems.at(field).forbidden("field is immutable when `immutable` is set")


def _taint(taint: core.Taint, place: Place) -> None:
    place.field("key").invalid_each(taint.key, syntax.label_key(taint.key))
    place.field("value").invalid_each(taint.value, syntax.label_value(taint.value))
    place.field("effect").one_of(taint.effect, TAINT_EFFECTS)
