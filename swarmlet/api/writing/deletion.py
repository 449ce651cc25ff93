"""What a DELETE does: the object goes at once, or it is marked and whoever holds it lets it go. Pure.

A Pod on a node is held by its agent for its grace, and a strict singleton however it is deleted, until its end is
confirmed; a Namespace until it is empty, anything by its finalizers.
Source: k8s.io/apiserver/pkg/registry (rest/delete.go, generic/registry/store.go).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from swarmlet.api import queries
from swarmlet.api.targets import Target
from swarmlet.errors import CallerError, ConflictError, ForbiddenError, InvalidError
from swarmlet.model import objects, scheduling, singletons
from swarmlet.model.base import clock_time
from swarmlet.model.core import Namespace
from swarmlet.model.meta import DeleteOptions, Object
from swarmlet.model.pod import Pod
from swarmlet.model.pods import is_finished
from swarmlet.model.scheduling import PriorityClass
from swarmlet.store.replica import Stored

GRACE_SECONDS_DEFAULT = 30
GRACE_SECONDS_MAX = 2**31 - 1
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_POLICY_FINALIZER = {"Background": None, "Foreground": FOREGROUND, "Orphan": ORPHAN}
PROTECTED_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


@dataclass(frozen=True, slots=True)
class Marked:
    """The object stays for now, as `value`."""

    value: Object


@dataclass(frozen=True, slots=True)
class Gone:
    """The object goes at once."""


def options_of(document: dict[str, Any], query: dict[str, str]) -> DeleteOptions:
    """Read DeleteOptions: from the body, and where that says nothing, from the query."""
    known = {name: value for name, value in document.items() if value is not None}
    for name in ("propagationPolicy",):
        if name in query:
            known.setdefault(name, query[name])
    if "gracePeriodSeconds" in query:
        grace = queries.number(query, "gracePeriodSeconds", maximum=GRACE_SECONDS_MAX)
        known.setdefault("gracePeriodSeconds", grace)
    if "orphanDependents" in query:
        known.setdefault("orphanDependents", queries.flag(query, "orphanDependents"))
    if query.get("dryRun"):
        known.setdefault("dryRun", [query["dryRun"]])
    try:
        options = msgspec.convert(known, DeleteOptions)
    except msgspec.ValidationError as error:
        raise CallerError(f"DeleteOptions: {error}") from error
    if (options.grace_period_seconds or 0) > GRACE_SECONDS_MAX:
        raise InvalidError(
            f"DeleteOptions is invalid: gracePeriodSeconds: Invalid value: {options.grace_period_seconds}: "
            f"must be less than or equal to {GRACE_SECONDS_MAX}"
        )
    if options.propagation_policy not in (None, *_POLICY_FINALIZER):
        raise InvalidError(
            f'DeleteOptions is invalid: propagationPolicy: Unsupported value: "{options.propagation_policy}": '
            'supported values: "Background", "Foreground", "Orphan"'
        )
    return options


def plan(target: Target, stored: Stored, options: DeleteOptions, now: datetime) -> Marked | Gone:
    """Return what deleting does to an object; raise `ConflictError` where a precondition does not hold."""
    value = stored.object
    _check(target, stored, options)
    finalizers = _finalizers(value, options)
    grace = _grace_seconds(value, options)
    held = finalizers or _is_held(value)
    if not held and not grace:
        return Gone()
    return Marked(_marked(value, finalizers, grace, now))


def is_released(value: Object) -> bool:
    """Whether an object that is about to go is held by nobody any more: this write is its last."""
    metadata = value.metadata
    if metadata.deletion_timestamp is None or metadata.finalizers or metadata.deletion_grace_period_seconds:
        return False
    return not _is_held(value)


def _is_held(value: Object) -> bool:
    if isinstance(value, Namespace):
        return bool(value.spec.finalizers)
    return isinstance(value, Pod) and singletons.is_held(value)


def _check(target: Target, stored: Stored, options: DeleteOptions) -> None:
    if isinstance(stored.object, Namespace) and stored.key.name in PROTECTED_NAMESPACES:
        raise ForbiddenError(f"{target.qualified} is forbidden: this namespace may not be deleted")
    if isinstance(stored.object, PriorityClass) and stored.key.name.startswith(scheduling.SYSTEM_PREFIX):
        why = "this is a system priority class and cannot be deleted"
        raise ForbiddenError(f"{target.qualified} is forbidden: {why}")
    wanted = options.preconditions
    if wanted is None:
        return
    prefix = f"Operation cannot be fulfilled on {target.qualified}: Precondition failed:"
    uid = stored.object.metadata.uid
    if wanted.uid is not None and wanted.uid != uid:
        raise ConflictError(f"{prefix} UID in precondition: {wanted.uid}, UID in object meta: {uid}")
    if wanted.resource_version is not None and wanted.resource_version != str(stored.revision):
        raise ConflictError(
            f"{prefix} ResourceVersion in precondition: {wanted.resource_version}, "
            f"ResourceVersion in object meta: {stored.revision}"
        )


def _finalizers(value: Object, options: DeleteOptions) -> tuple[str, ...]:
    """Return the finalizers that the object bears from now on; the propagation policy is one of them."""
    policy = options.propagation_policy
    if policy is None and options.orphan_dependents is None:
        return value.metadata.finalizers
    if policy is None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    others = tuple(each for each in value.metadata.finalizers if each not in (FOREGROUND, ORPHAN))
    finalizer = _POLICY_FINALIZER[policy]
    return (*others, finalizer) if finalizer else others


def _grace_seconds(value: Object, options: DeleteOptions) -> int:
    """Return how long a Pod's agent has; 0 for what no agent holds. A second delete can only shorten it."""
    if not isinstance(value, Pod) or not value.spec.node_name or is_finished(value):
        return 0
    grace = options.grace_period_seconds
    if grace is None:
        grace = value.spec.termination_grace_period_seconds
    grace = GRACE_SECONDS_DEFAULT if grace is None else max(grace, 1) if grace < 0 else grace
    before = value.metadata.deletion_grace_period_seconds
    return min(grace, before) if before is not None and objects.is_terminating(value) else grace


def _marked(value: Object, finalizers: tuple[str, ...], grace: int, now: datetime) -> Object:
    metadata = value.metadata
    if not objects.is_terminating(value):
        changed = objects.with_metadata(
            value,
            finalizers=finalizers,
            deletion_timestamp=clock_time(now + timedelta(seconds=grace)),
            deletion_grace_period_seconds=grace,
            generation=metadata.generation + 1 if metadata.generation else 0,
        )
        return _terminating(changed)
    before = metadata.deletion_grace_period_seconds or 0
    if grace == before:
        return objects.with_metadata(value, finalizers=finalizers)
    return objects.with_metadata(
        value,
        finalizers=finalizers,
        deletion_timestamp=clock_time(now + timedelta(seconds=grace)),
        deletion_grace_period_seconds=grace,
    )


def _terminating(value: Object) -> Object:
    if not isinstance(value, Namespace):
        return value
    return msgspec.structs.replace(value, status=msgspec.structs.replace(value.status, phase="Terminating"))
