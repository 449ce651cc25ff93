"""What of the network this machine has: what its user asks for, and what its runtime and its kernel allow. Pure.

Left to itself a machine does what it can and says why it does not do the rest. What is asked for by name is had, and
its user hears of what fails: another thing in its place would not be what was asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from swarmlet.config import AUTO, Network
from swarmlet.network.fabric import plan as fabric

NO_NETWORK = "none"
VXLAN = "vxlan"
OFF = "off"
NFTABLES = "nftables"
USERSPACE = "userspace"

NOT_ATTACHED = "this machine's runtime gives its Pods no network of their own"
NOT_OF_IPV4 = "the machines of a Pod network reach each other by IPv4, and this one is known by {address}"
NOT_PERMITTED = "the daemon may not change this machine's network: it must be root, or have CAP_NET_ADMIN"


@dataclass(frozen=True, slots=True)
class Choice:
    """The network that this machine has, `mode` and `services` settled; `why`, by key, in words for its user.

    What is on because it is on by default needs no reason.
    """

    network: Network
    why: Mapping[str, str]


def choose(asked: Network, *, attaches: bool, may_filter: bool, address: str) -> Choice:
    """Return what this machine does of what its configuration asks.

    `attaches`: its runtime gives Pods addresses of a network of ours. `may_filter`: this process may change the
    machine's links and rules. `address`: where the other machines reach this one.
    """
    why: dict[str, str] = {}
    mode = _mode(asked.mode, attaches, may_filter, address, why)
    services = asked.services
    if services == AUTO and mode == NO_NETWORK:
        services, why["services"] = USERSPACE, "without a Pod network the kernel does not know whom it reaches"
    elif services == AUTO:
        services, why["services"] = NFTABLES, "the kernel balances"
    else:
        why["services"] = f"network.services is {services}"
    dns, policies = asked.dns, asked.policies
    if not dns:
        why["dns"] = "network.dns is false"
    elif not may_filter:
        dns, why["dns"] = False, NOT_PERMITTED
    if not policies:
        why["policies"] = "network.policies is false"
    elif mode == NO_NETWORK:
        policies, why["policies"] = False, "without a Pod network there is nowhere to enforce them"
    return Choice(dataclasses.replace(asked, mode=mode, services=services, dns=dns, policies=policies), why)


def _mode(asked: str, attaches: bool, may_filter: bool, address: str, why: dict[str, str]) -> str:
    if asked == NO_NETWORK:
        why["mode"] = "network.mode is none"
        return asked
    if not attaches:
        why["mode"] = NOT_ATTACHED
        return NO_NETWORK
    if asked == AUTO and not may_filter:
        why["mode"] = NOT_PERMITTED
        return NO_NETWORK
    if asked == AUTO and not fabric.is_v4(address):
        why["mode"] = NOT_OF_IPV4.format(address=address)
        return NO_NETWORK
    return VXLAN if asked == AUTO else asked
