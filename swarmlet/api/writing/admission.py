"""What becomes of an object on its way in: read strictly, completed, its server-owned fields stamped, validated. Pure.

`created` and `updated` are the two doors of the write path; a change of an object passes one of them, whatever verb or
subresource it came by. Source: k8s.io/apiserver/pkg/registry/rest (create.go, update.go) and the kinds' strategies.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

from swarmlet.api.queries import WriteOptions
from swarmlet.api.targets import Target
from swarmlet.errors import CallerError, ConflictError, InvalidError
from swarmlet.model import (
    decode,
    defaults,
    dependencies,
    kinds,
    names,
    objects,
    pods,
    priorities,
    service_accounts,
    service_updates,
    validation,
)
from swarmlet.model.apiextensions import CustomResourceDefinition
from swarmlet.model.base import clock_time
from swarmlet.model.core import Node
from swarmlet.model.custom import CustomKind, CustomResource
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.model.rules import custom_resource_definitions, custom_resources
from swarmlet.model.services import Service
from swarmlet.model.versions import conversion
from swarmlet.ownership import tracking

# The names of fields that only some kinds have; the base class cannot promise them.
_SPEC = "spec"
_STATUS = "status"
_WITH_GENERATION = (
    kinds.DEPLOYMENT,
    kinds.REPLICA_SET,
    kinds.STATEFUL_SET,
    kinds.DAEMON_SET,
    kinds.POD,
    kinds.JOB,
    kinds.CRON_JOB,
    kinds.HORIZONTAL_POD_AUTOSCALER,
    kinds.NETWORK_POLICY,
    kinds.POD_DISRUPTION_BUDGET,
    kinds.PRIORITY_CLASS,
    kinds.RUNTIME_CLASS,
    kinds.CUSTOM_RESOURCE_DEFINITION,
)


def read(kind: Kind, document: Mapping[str, Any], options: WriteOptions, warnings: list[str]) -> Object:
    """Return the object that a document describes, in the version of the store.

    A field that Kubernetes does not know is an error under `fieldValidation=Strict` and a warning under `Warn`. One
    that Kubernetes knows and swarmlet does not honour is always a warning: docs/decisions/0003.
    """
    value = accepted(decode.decode(kind, document), options, warnings)
    if not kind.stored_as:
        return value
    converted = conversion.stored(kind, objects.to_document(value))
    return accepted(decode.decode(kind.stored, converted), options, warnings)


def accepted(decoded: decode.Decoded, options: WriteOptions, warnings: list[str]) -> Object:
    """Return the object of a document that was decoded; what was left out of it becomes errors or warnings."""
    if options.field_validation == "Strict":
        decoded.raise_if_unknown()
    if options.field_validation == "Ignore":
        decoded = dataclasses.replace(decoded, unknown_fields=())
    warnings += decoded.warnings()
    if isinstance(decoded.object, CustomResourceDefinition):
        warnings += list(custom_resource_definitions.warnings(decoded.object))[: decode.FIELDS_REPORTED_MAX]
    return decoded.object


def created(target: Target, value: Object, now: datetime, rng: random.Random) -> Object:
    """Return a new object as it is to be stored; raise `InvalidError` where it breaks a rule."""
    metadata = value.metadata
    if metadata.resource_version:
        raise CallerError("metadata.resourceVersion: should not be set on objects to be created")
    fresh = ObjectMeta(
        name=_name_of_new(target.kind, metadata, rng),
        generate_name=metadata.generate_name,
        namespace=_namespace(target, metadata),
        uid=names.new_uid(rng),
        generation=1 if target.kind.stored in _WITH_GENERATION or target.is_custom else 0,
        creation_timestamp=clock_time(now),
        labels=metadata.labels,
        annotations=metadata.annotations,
        owner_references=metadata.owner_references,
        finalizers=metadata.finalizers,
        managed_fields=metadata.managed_fields,
    )
    begun = _begun(target.kind, msgspec.structs.replace(value, metadata=fresh))
    complete = _completed(target.kind, dependencies.gated(begun) if isinstance(begun, Pod) else begun)
    _validate(target.kind, complete)
    if isinstance(complete, Node):
        validation.validate_status(complete, complete)
    return complete


def updated(target: Target, old: Object, new: Object) -> Object:
    """Return a changed object as it is to be stored; what is the server's or the status' owner's stays as it was."""
    _check_identity(target, old, new.metadata)
    metadata = msgspec.structs.replace(
        new.metadata,
        name=old.metadata.name,
        namespace=old.metadata.namespace,
        uid=old.metadata.uid,
        resource_version=old.metadata.resource_version,
        generate_name=old.metadata.generate_name,
        creation_timestamp=old.metadata.creation_timestamp,
        deletion_timestamp=old.metadata.deletion_timestamp,
        deletion_grace_period_seconds=old.metadata.deletion_grace_period_seconds,
        generation=old.metadata.generation,
        managed_fields=tracking.carried(old.metadata.managed_fields, new.metadata.managed_fields),
    )
    if isinstance(old, Service) and isinstance(new, Service):
        new = service_updates.carried(old, new)
    if isinstance(old, Pod) and isinstance(new, Pod):
        new = service_accounts.carried(old, priorities.carried(old, new))
    if has_status(target.kind):
        new = objects.with_part(new, _STATUS, objects.part(old, _STATUS))
    complete = _completed(target.kind, msgspec.structs.replace(new, metadata=metadata))
    before = _completed(target.kind, old)  # a version before this one may have stored it without what is filled in now
    _validate(target.kind, complete, before)
    return _generation_counted(target.kind, before, complete)


def with_status(target: Target, old: Object, new: Object) -> Object:
    """Return `old` with the status of `new`: all that a write to `/status` changes."""
    _check_identity(target, old, new.metadata)
    changed = objects.with_part(old, _STATUS, objects.part(new, _STATUS))
    if not target.is_custom:
        validation.validate_status(changed, old)
        return changed
    complete = _completed(target.kind, changed)
    _validate(target.kind, complete, old)
    return complete


def with_spec(target: Target, old: Object, **changes: Any) -> Object:
    """Return `old` with some fields of its spec changed, as `/scale` and `/binding` do it."""
    spec = msgspec.structs.replace(getattr(old, _SPEC), **changes)
    return updated(target, old, msgspec.structs.replace(old, **{_SPEC: spec}))


def has_status(kind: Kind) -> bool:
    """Whether the kind's status is written apart from the rest."""
    return "status" in kind.subresources


def check_revision(target: Target, old: Object, new: ObjectMeta) -> None:
    """Raise `ConflictError` where the caller's object is of another revision than the stored one."""
    if new.resource_version and new.resource_version != old.metadata.resource_version:
        raise changed_meanwhile(target)


def changed_meanwhile(target: Target) -> ConflictError:
    """Return the error for a write that came too late, in the words that clients know."""
    return ConflictError(
        f"Operation cannot be fulfilled on {target.qualified}: the object has been modified; "
        "please apply your changes to the latest version and try again"
    )


def _completed(kind: Kind, value: Object) -> Object:
    """Return an object with all that is filled in where a user says nothing."""
    if isinstance(kind, CustomKind) and isinstance(value, CustomResource):
        return custom_resources.completed(kind, value)
    filled = defaults.fill(value)
    return pods.admitted(filled) if isinstance(filled, Pod) else filled


def _validate(kind: Kind, value: Object, old: Object | None = None) -> None:
    """Raise `InvalidError` where an object breaks a rule, or changes what may not change from `old`."""
    if isinstance(kind, CustomKind) and isinstance(value, CustomResource):
        custom_resources.validate(kind, value, cast("CustomResource | None", old))
    elif old is None:
        validation.validate(value)
    else:
        validation.validate_update(value, old)


def _begun(kind: Kind, value: Object) -> Object:
    """Return a new object without a status: nothing has happened yet. A Node's tells what the machine is, and stays."""
    if not has_status(kind) or isinstance(value, Node):
        return value
    if isinstance(value, CustomResource):
        return objects.with_part(value, _STATUS, None)
    return msgspec.structs.replace(value, **{_STATUS: type(getattr(value, _STATUS))()})


def _name_of_new(kind: Kind, metadata: ObjectMeta, rng: random.Random) -> str:
    if metadata.name:
        return metadata.name
    if metadata.generate_name:
        return names.generated(metadata.generate_name, rng)
    message = "Required value: name or generateName is required"
    raise InvalidError(f'{kind.kind} "" is invalid: metadata.name: {message}', (("metadata.name", message),))


def _namespace(target: Target, metadata: ObjectMeta) -> str:
    if metadata.namespace not in ("", target.namespace):
        raise CallerError(
            f"the namespace of the provided object ({metadata.namespace}) does not match the namespace sent on the "
            f"request ({target.namespace or 'none: the kind has no namespaces'})"
        )
    return target.namespace


def _check_identity(target: Target, old: Object, new: ObjectMeta) -> None:
    if new.name and new.name != old.metadata.name:
        raise CallerError(
            f"the name of the object ({new.name}) does not match the name on the URL ({old.metadata.name})"
        )
    _namespace(target, new)
    if new.uid and new.uid != old.metadata.uid:
        raise ConflictError(
            f"Operation cannot be fulfilled on {target.qualified}: Precondition failed: UID in precondition: "
            f"{new.uid}, UID in object meta: {old.metadata.uid}"
        )
    check_revision(target, old, new)


def _generation_counted(kind: Kind, old: Object, new: Object) -> Object:
    """Return `new` with the next generation where its spec differs: what a controller has not yet seen."""
    if not old.metadata.generation or _asked_for(kind, old) == _asked_for(kind, new):
        return new
    return objects.with_metadata(new, generation=old.metadata.generation + 1)


def _asked_for(kind: Kind, value: Object) -> object:
    """Return what the generation counts the changes of: the spec, and of a custom resource all but the status."""
    if not isinstance(value, CustomResource):
        return getattr(value, _SPEC, None)
    return {name: each for name, each in value.content.items() if name != _STATUS or not has_status(kind)}
