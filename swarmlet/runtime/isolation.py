"""How far a container is kept apart from its machine, and what of the machine it is given: plain values."""

from __future__ import annotations

from dataclasses import dataclass

UNCONFINED = "unconfined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """What is empty or False is left to the image and the engine.

    `user` is "uid", "uid:gid" or a name; `seccomp` and `apparmor` are "unconfined", or a profile's JSON text and a
    profile's name; `selinux` are labels such as "level:s0:c1". `shares_processes`: with the sandbox that it joins.
    `init`: a small process 1 of the engine's before its own. `ulimits` are (name, soft, hard); -1 is unlimited.
    """

    user: str = ""
    groups: tuple[int, ...] = ()
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = False
    capabilities_added: tuple[str, ...] = ()
    capabilities_dropped: tuple[str, ...] = ()
    seccomp: str = ""
    apparmor: str = ""
    selinux: tuple[str, ...] = ()
    host_processes: bool = False
    host_ipc: bool = False
    shares_processes: bool = False
    init: bool = False
    stop_signal: str = ""
    ulimits: tuple[tuple[str, int, int], ...] = ()


AS_THE_IMAGE_SAYS = Isolation()


@dataclass(frozen=True, slots=True, kw_only=True)
class NameServers:
    """The whole of a Pod's /etc/resolv.conf. An option is "ndots:2" or "rotate"."""

    addresses: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """A device file of the machine; `permissions` of "r", "w" and "m" (make its node)."""

    path: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class DriverRequest:
    """Units that a driver of the engine's hands out, by its own ids."""

    driver: str
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """What a container is given. `units` are (resource name, unit) pairs, by which it is known after a restart."""

    files: tuple[Device, ...] = ()
    requests: tuple[DriverRequest, ...] = ()
    units: tuple[tuple[str, str], ...] = ()


NO_DEVICES = Devices()
