"""Rules of references to the Pod's own fields and resources. Source: k8s.io/kubernetes pkg/apis/core/validation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from swarmlet.model import syntax
from swarmlet.model.environment import ObjectFieldSelector, ResourceFieldSelector
from swarmlet.model.problems import Place

VERSION = "v1"
ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_OTHER_FIELDS = ("spec.host", "spec.restartPolicy", "spec.schedulerName", "status.phase")
"""Fields that Kubernetes can convert, and lets neither variables nor volumes show."""

RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_DIVISORS: Mapping[str, tuple[Sequence[str], str]] = {
    "cpu": (("1m", "1"), "only divisor's values 1m and 1 are supported with the cpu resource"),
    "memory": (_BYTES, f"only divisor's values {', '.join(_BYTES)} are supported with the memory resource"),
    "ephemeral-storage": (
        _BYTES,
        f"only divisor's values {', '.join(_BYTES)} are supported with the local ephemeral storage resource",
    ),
    "hugepages": (_BYTES, f"only divisor's values {', '.join(_BYTES)} are supported with the hugepages resource"),
}
_UNSET = ("", "0")

_SUBSCRIPTED = re.compile(r"(.*)\['([^']*)'\]")


def subscripted(path: str) -> tuple[str, str] | None:
    """Return the map and the key of a path such as "metadata.labels['app']"; None where it has no subscript."""
    match = _SUBSCRIPTED.fullmatch(path)
    return (match[1], match[2]) if match else None


def field(selector: ObjectFieldSelector, place: Place, supported: Sequence[str]) -> None:
    """Check a reference to a field of the Pod."""
    if not selector.api_version:
        place.field("apiVersion").required()
    if not selector.field_path:
        place.field("fieldPath").required()
        return
    path = selector.field_path
    base, key = subscripted(path) or (path, None)
    if selector.api_version != VERSION:
        place.field("fieldPath").invalid(
            path, f"error converting fieldPath: unsupported pod version: {selector.api_version}"
        )
    elif base not in {*ENV_FIELDS, *VOLUME_FIELDS, *_OTHER_FIELDS}:
        place.field("fieldPath").invalid(path, f"error converting fieldPath: field label not supported: {path}")
    elif key is None:
        if path not in supported:
            place.field("fieldPath").unsupported(path, sorted(supported))
    elif base == "metadata.annotations":
        place.invalid_each(key, syntax.label_key(key.lower()))
    elif base == "metadata.labels":
        place.invalid_each(key, syntax.label_key(key))
    else:
        place.invalid(base, "does not support subscript")


def resource(selector: ResourceFieldSelector, place: Place, *, in_volume: bool) -> None:
    """Check a reference to a limit or request; in a volume it has to name the container."""
    if in_volume and not selector.container_name:
        place.field("containerName").required()
    elif not selector.resource:
        place.field("resource").required()
    elif selector.resource not in RESOURCES and not selector.resource.startswith(_HUGE_PAGES):
        place.field("resource").unsupported(selector.resource, RESOURCES)
    _divisor(selector, place)


def _divisor(selector: ResourceFieldSelector, place: Place) -> None:
    name = selector.resource.partition(".")[2]
    allowed, why = _DIVISORS.get("hugepages" if name.startswith("hugepages-") else name, ((), ""))
    if why and selector.divisor not in (*_UNSET, *allowed):
        place.field("divisor").invalid(selector.resource, why)
