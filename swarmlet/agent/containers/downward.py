"""What a Pod may be told of itself: its own fields, and the resources of its containers. Pure.

Source: kubernetes pkg/fieldpath, pkg/api/v1/resource (ExtractContainerResourceValue), pkg/kubelet/kubelet_pods.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from swarmlet.errors import SwarmletError
from swarmlet.model import core, kinds, quantity, service_accounts
from swarmlet.model.container import Container
from swarmlet.model.environment import ObjectFieldSelector, ResourceFieldSelector
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.model.rules.downward import subscripted
from swarmlet.store.commands import Key

Find = Callable[[Key], Object | None]

_ESCAPES = {ord(letter): f"\\{name}" for letter, name in zip('\a\b\f\n\r\t\v\\"', 'abfnrtv\\"', strict=True)}


class DownwardError(SwarmletError):
    """A reference leads nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a Pod's fields do not tell. `allocatable` is its node's; `pod_ips` is empty before the Pod has any."""

    pod: Pod
    host_ip: str = ""
    pod_ips: tuple[str, ...] = ()
    allocatable: Mapping[str, str]


def facts(pod: Pod, find: Find, pod_ips: tuple[str, ...] = ()) -> Facts:
    """Return what is known of the Pod and of its node."""
    found = find(Key(kinds.NODE.resource, "", pod.spec.node_name))
    status = cast("core.Node", found).status if found is not None else core.NodeStatus()
    host_ip = next((each.address for each in status.addresses if each.type == "InternalIP"), "")
    return Facts(pod=pod, host_ip=host_ip, pod_ips=pod_ips, allocatable=status.allocatable)


def field_value(selector: ObjectFieldSelector, known: Facts) -> str:
    """Return a field of the Pod as text: "" for a label or annotation that it does not have."""
    pod = known.pod
    maps = {"metadata.labels": pod.metadata.labels, "metadata.annotations": pod.metadata.annotations}
    if found := subscripted(selector.field_path):
        return maps.get(found[0], {}).get(found[1], "")
    if selector.field_path in maps:
        return map_text(maps[selector.field_path])
    values = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": pod.spec.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name or service_accounts.DEFAULT,
        "status.hostIP": known.host_ip,
        "status.hostIPs": known.host_ip,
        "status.podIP": next(iter(known.pod_ips), ""),
        "status.podIPs": ",".join(known.pod_ips),
    }
    if selector.field_path not in values:
        raise DownwardError(f"unsupported fieldPath: {selector.field_path}")
    return values[selector.field_path]


def resource_value(selector: ResourceFieldSelector, container: Container, known: Facts) -> str:
    """Return a container's limit or request in units of the divisor, rounded up.

    Without a limit of CPU, memory or ephemeral storage, it may have all that its node has to give.
    """
    kind, _, name = selector.resource.partition(".")
    limits, requests = container.resources.limits, container.resources.requests
    if kind == "limits":
        amount = quantity.parse(limits.get(name, "0"))
        amount = amount if amount.nano else quantity.parse(known.allocatable.get(name, "0"))
    else:
        amount = quantity.parse(requests.get(name, "0"))
    divisor = quantity.parse(selector.divisor or "0").nano or quantity.parse("1").nano
    unit = 10**6 if name == "cpu" else 10**9
    counted, per = -(-amount.nano // unit), -(-divisor // unit)
    return str(-(-counted // per))


def resource_value_of(selector: ResourceFieldSelector, known: Facts) -> str:
    """Return a limit or request of the container that the reference names."""
    spec = known.pod.spec
    for container in (*spec.containers, *spec.init_containers):
        if container.name == selector.container_name:
            return resource_value(selector, container, known)
    raise DownwardError(f"container {selector.container_name} not found")


def map_text(mapping: Mapping[str, str]) -> str:
    """Return a line `key="value"` for each item, in the order of the keys."""
    return "\n".join(f"{key}={_quoted(mapping[key])}" for key in sorted(mapping))


def _quoted(text: str) -> str:
    """Quote as Go's strconv.Quote does, whose rules readers of these files know."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(letter: str) -> str:
    code = ord(letter)
    if code in _ESCAPES:
        return _ESCAPES[code]
    if letter.isprintable():
        return letter
    if code <= 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
