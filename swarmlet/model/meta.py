"""apimachinery's meta/v1: what every object bears, selectors, deletion options, lists.

Source: k8s.io/apimachinery/pkg/apis/meta/v1/types.go.
"""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, Time


class OwnerReference(ApiStruct, frozen=True, kw_only=True):
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


NO_FIELDS = msgspec.Raw(b"")


class ManagedFieldsEntry(ApiStruct, frozen=True, kw_only=True):
    """`fields_v1` is kept as the JSON that it is: only who writes looks into it (`swarmlet.ownership`)."""

    manager: str = ""
    operation: str = ""
    api_version: str = ""
    time: Time | None = None
    fields_type: str = ""
    fields_v1: msgspec.Raw = NO_FIELDS
    subresource: str = ""


class ObjectMeta(ApiStruct, frozen=True, kw_only=True):
    """`resource_version` is stamped by `store.apply`; uid, times and generation by who proposes."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    managed_fields: tuple[ManagedFieldsEntry, ...] = ()


class LabelSelectorRequirement(ApiStruct, frozen=True, kw_only=True):
    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(ApiStruct, frozen=True, kw_only=True):
    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()


class Condition(ApiStruct, frozen=True, kw_only=True):
    """A status condition. Deployments, ReplicaSets, Pods and Nodes share this shape; each uses the fields it has."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: Time | None = None
    last_update_time: Time | None = None
    last_probe_time: Time | None = None
    last_heartbeat_time: Time | None = None
    observed_generation: int = 0


class Preconditions(ApiStruct, frozen=True, kw_only=True):
    uid: str | None = None
    resource_version: str | None = None


class DeleteOptions(ApiStruct, frozen=True, kw_only=True):
    kind: str = "DeleteOptions"
    api_version: str = "v1"
    grace_period_seconds: int | None = None
    preconditions: Preconditions | None = None
    orphan_dependents: bool | None = None
    propagation_policy: str | None = None
    dry_run: tuple[str, ...] = ()


class Object(ApiStruct, frozen=True, kw_only=True):
    """What all kinds have in common; every kind below derives from it.

    `api_version` and `kind` stand first on the wire because every reader looks there first.
    """

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()
