"""core/v1 ResourceQuota and LimitRange: what a namespace may use, and what each thing in it may ask for.

Source: k8s.io/api/core/v1/types.go.
"""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, always, no_items
from swarmlet.model.meta import Object

TERMINATING = "Terminating"
NOT_TERMINATING = "NotTerminating"
BEST_EFFORT = "BestEffort"
NOT_BEST_EFFORT = "NotBestEffort"
PRIORITY_CLASS = "PriorityClass"

CONTAINER = "Container"
POD = "Pod"
CLAIM = "PersistentVolumeClaim"


class ScopedResourceSelectorRequirement(ApiStruct, frozen=True, kw_only=True):
    scope_name: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class ScopeSelector(ApiStruct, frozen=True, kw_only=True):
    match_expressions: tuple[ScopedResourceSelectorRequirement, ...] = ()


class ResourceQuotaSpec(ApiStruct, frozen=True, kw_only=True):
    """`hard` are quantities by what they limit: "pods", "requests.cpu", "count/deployments.apps"."""

    hard: dict[str, str] = {}
    scopes: tuple[str, ...] = ()
    scope_selector: ScopeSelector | None = None


class ResourceQuotaStatus(ApiStruct, frozen=True, kw_only=True):
    """`used` is counted by the controller, and raised in one command with each object that is made."""

    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class ResourceQuota(Object, frozen=True, kw_only=True):
    api_version: str = always("v1")
    kind: str = always("ResourceQuota")
    spec: ResourceQuotaSpec = ResourceQuotaSpec()
    status: ResourceQuotaStatus = msgspec.field(default_factory=ResourceQuotaStatus)  # clients want "status": {}


class LimitRangeItem(ApiStruct, frozen=True, kw_only=True):
    """Quantities by resource name; `type` says of what: Container, Pod or PersistentVolumeClaim."""

    type: str = ""
    max: dict[str, str] = {}
    min: dict[str, str] = {}
    default: dict[str, str] = {}
    default_request: dict[str, str] = {}
    max_limit_request_ratio: dict[str, str] = {}


class LimitRangeSpec(ApiStruct, frozen=True, kw_only=True):
    limits: tuple[LimitRangeItem, ...] = msgspec.field(default_factory=no_items)  # required by clients


class LimitRange(Object, frozen=True, kw_only=True):
    api_version: str = always("v1")
    kind: str = always("LimitRange")
    spec: LimitRangeSpec = LimitRangeSpec()
