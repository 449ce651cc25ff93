"""Which endpoints an address leads to on this machine.

Without a Pod network every Engine gives its Pods the same addresses, and so does every process runtime on its
machine's loopback: the address of another machine's Pod would be a wrong one's here, or nobody's.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Callable
from typing import cast

from swarmlet.model import kinds
from swarmlet.model.core import Node
from swarmlet.network.services.desired import Endpoint, Port, Service, usable
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

INTERNAL_IP = "InternalIP"

Reaches = Callable[[Endpoint], bool]
"""Whether an endpoint's address means on this machine what it means on its own."""


class Reach:
    """What is seen from the node of that name."""

    def __init__(self, view: View, node_name: str) -> None:
        self._view = view
        self._name = node_name

    def __call__(self, endpoint: Endpoint) -> bool:
        """Whether it is on no node that is known, on this one, on the same machine, or on a network that all share."""
        if endpoint.node in {"", self._name}:
            return True
        there, here = self._node(endpoint.node), self._node(self._name)
        if there is None or here is None:
            return there is None
        address = _address(there)
        if endpoint.address == address or address == _address(here):
            return True
        subnets = filter(None, (there.spec.pod_cidr, *there.spec.pod_cidrs))
        return any(ipaddress.ip_address(endpoint.address) in ipaddress.ip_network(each) for each in subnets)

    def _node(self, name: str) -> Node | None:
        stored = self._view.get(Key(kinds.NODE.resource, "", name))
        return cast("Node", stored.object) if stored else None


def seen(service: Service, reaches: Reaches) -> Service:
    """Return a Service as it is from here: new connections go to those that this machine reaches.

    Where it reaches none of them, they go to those about to go that it does reach: in a rollout a Pod elsewhere may be
    ready before this machine's next one is.
    """
    return dataclasses.replace(service, ports=tuple(_seen(each, reaches) for each in service.ports))


def _seen(port: Port, reaches: Reaches) -> Port:
    def reached(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        found = tuple(filter(reaches, endpoints))
        return found or usable([each for each in port.endpoints if endpoints and reaches(each)])

    return dataclasses.replace(port, everywhere=reached(port.everywhere), here=reached(port.here))


def _address(node: Node) -> str:
    return next((each.address for each in node.status.addresses if each.type == INTERNAL_IP), "")
