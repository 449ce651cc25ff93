"""How a service is reached: its ports, the networks it joins, and the networks themselves."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from swarmlet.manifests.compose.model.base import ComposeStruct

PortNumber = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class Port(ComposeStruct, frozen=True, kw_only=True):
    """`published` is text: "" when any free port will do, "8080", or "8000-9000" for one of that range.

    `protocol` is "tcp" or "udp" (or what a platform adds), `mode` "ingress" (balanced, the default) or "host".
    """

    target: PortNumber
    published: str = ""
    host_ip: str = ""
    protocol: str = "tcp"
    mode: str = "ingress"
    name: str = ""
    app_protocol: str = ""


class Attachment(ComposeStruct, frozen=True, kw_only=True):
    """How a service joins one network; all unset is the ordinary way."""

    aliases: tuple[str, ...] = ()
    interface_name: str = ""
    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: tuple[str, ...] = ()
    mac_address: str = ""
    driver_opts: dict[str, str] = {}
    priority: float = 0
    gw_priority: float = 0


class IpamPool(ComposeStruct, frozen=True, kw_only=True):
    subnet: str = ""
    ip_range: str = ""
    gateway: str = ""
    aux_addresses: dict[str, str] = {}


class Ipam(ComposeStruct, frozen=True, kw_only=True):
    driver: str = ""
    config: tuple[IpamPool, ...] = ()
    options: dict[str, str] = {}


class Network(ComposeStruct, frozen=True, kw_only=True):
    """`name` is what the platform calls it: "<project>_<key>" where nothing else was said, the key when external."""

    name: str = ""
    driver: str = ""
    driver_opts: dict[str, str] = {}
    ipam: Ipam | None = None
    external: bool = False
    internal: bool = False
    enable_ipv4: bool | None = None
    enable_ipv6: bool | None = None
    attachable: bool = False
    labels: dict[str, str] = {}


class Model(ComposeStruct, frozen=True, kw_only=True):
    """A language model that services use."""

    model: str
    name: str = ""
    context_size: int | None = None
    runtime_flags: tuple[str, ...] = ()


class ModelUse(ComposeStruct, frozen=True, kw_only=True):
    """The names of the variables that tell a service where its model is and which."""

    endpoint_var: str = ""
    model_var: str = ""


class Provider(ComposeStruct, frozen=True, kw_only=True):
    """A service that a program beside Compose provides; `options` are that program's."""

    type: str
    options: dict[str, Any] = {}
