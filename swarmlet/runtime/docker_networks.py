"""The bridge network on a Docker Engine that this node's Pods are attached to. Another's is never touched.

Docker publishes host ports and gives containers their addresses; whose packets may go where, and under which address
they leave, is decided elsewhere. So from Engine 28, which drops what is routed to a container past its published
ports, the network is "nat-unprotected": "routed" would open container addresses too, but publish no host port.
Source: Docker Engine API v1.41, NetworkCreate; docs.docker.com/engine/network/port-publishing (Gateway modes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import structlog

from swarmlet.errors import EngineError
from swarmlet.runtime.docker_link import EngineLink
from swarmlet.runtime.runtime import BridgeNetwork, ContainerGoneError

BRIDGE_NAME = "com.docker.network.bridge.name"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
GATEWAY_MODE = "com.docker.network.bridge.gateway_mode_ipv4"
GATEWAY_MODE_V6 = "com.docker.network.bridge.gateway_mode_ipv6"
MTU = "com.docker.network.driver.mtu"
FILTERS_DIRECT_ACCESS_SINCE = 28
"""The first major version of the Engine that does, and that knows gateway mode "nat-unprotected"."""

_MAJOR = re.compile(r"\d+")

log = structlog.get_logger()


class DockerNetworks:
    """A `runtime.Networks`. `owner` are the labels that say whose a network is."""

    def __init__(self, link: EngineLink, owner: Mapping[str, str]) -> None:
        self._link = link
        self._owner = owner

    async def ensure(self, network: BridgeNetwork) -> None:
        wanted = creation_document(network, self._owner, await self._major_version())
        found = await self._find(network.name)
        if found is not None:
            if is_owned(found, self._owner) and not differs(found, wanted):
                return
            self._check_free(network.name, found)
            await self._delete(found)
        async with self._link.call(f"network {network.name}"):
            await self._link.docker.networks.create(wanted)
        log.info("network_made", network=network.name, subnet=network.subnet, mtu=network.mtu)

    async def remove(self, name: str) -> None:
        found = await self._find(name)
        if found is not None and is_owned(found, self._owner):
            await self._delete(found)

    def _check_free(self, name: str, found: Mapping[str, Any]) -> None:
        """Raise `EngineError` unless a network of this name may go: a node's to which nothing is attached.

        One of another node is what an earlier life of this machine has left, before it was restored or joined anew.
        """
        attached = ", ".join(sorted(each.get("Name", "") for each in (found.get("Containers") or {}).values()))
        if attached and is_owned(found, self._owner):
            raise EngineError(f"the network {name} is to become another, and Pods are still attached to it")
        if attached or not (found.get("Labels") or {}).keys() >= self._owner.keys():
            users = f" ({attached})" if attached else ""
            raise EngineError(
                f"the Docker Engine has a network {name} that is not this node's; "
                f"`docker network rm {name}` removes it, where nobody needs it{users}"
            )

    async def _delete(self, found: Mapping[str, Any]) -> None:
        name = found["Name"]
        async with self._link.call(f"network {name}"):
            await (await self._link.docker.networks.get(found["Id"])).delete()
        log.info("network_removed", network=name)

    async def _find(self, name: str) -> dict[str, Any] | None:
        try:
            async with self._link.call(f"network {name}"):
                found: dict[str, Any] = await (await self._link.docker.networks.get(name)).show()
        except ContainerGoneError:
            return None
        return found

    async def _major_version(self) -> int:
        async with self._link.call("version"):
            version = await self._link.docker.version()
        major = _MAJOR.match(str(version["Version"]))
        return int(major[0]) if major else 0


def creation_document(network: BridgeNetwork, owner: Mapping[str, str], engine_major: int) -> dict[str, Any]:
    """Return the body of the request that creates a network on an Engine of this major version."""
    options = {BRIDGE_NAME: network.bridge, MASQUERADE: "false", MTU: str(network.mtu)}
    if engine_major >= FILTERS_DIRECT_ACCESS_SINCE:
        modes = (GATEWAY_MODE, GATEWAY_MODE_V6) if network.subnet_v6 else (GATEWAY_MODE,)
        options |= dict.fromkeys(modes, "nat-unprotected")
    ways = [{"Subnet": subnet, "Gateway": gateway} for gateway, subnet in network.ways()]
    return {
        "Name": network.name,
        "CheckDuplicate": True,
        "Driver": "bridge",
        "EnableIPv6": bool(network.subnet_v6),
        "IPAM": {"Driver": "default", "Config": ways},
        "Options": options,
        "Labels": dict(owner),
    }


def is_owned(found: Mapping[str, Any], owner: Mapping[str, str]) -> bool:
    """Whether a network bears the labels of this cluster and node."""
    labels = found.get("Labels") or {}
    return all(labels.get(key) == value for key, value in owner.items())


def differs(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a network would be made otherwise now. A younger Engine adds to what it was given.

    While containers are attached the MTU does not count: the kernel tells them where a packet is too long.
    """
    options = found.get("Options") or {}
    free = {MTU} if found.get("Containers") else set()
    ways = [(each.get("Subnet"), each.get("Gateway")) for each in (found.get("IPAM") or {}).get("Config") or ()]
    asked = [(each["Subnet"], each["Gateway"]) for each in wanted["IPAM"]["Config"]]
    return ways != asked or any(
        options.get(key) != value for key, value in wanted["Options"].items() if key not in free
    )
