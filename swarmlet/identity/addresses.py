"""This machine's addresses: which to tell the others, and whether the ports are free."""

from __future__ import annotations

import ipaddress
import socket

from swarmlet.addresses import join_address, split_address
from swarmlet.config import Config
from swarmlet.errors import ConfigError

LOOPBACK = "127.0.0.1"


def advertised(config: Config, peer: str = "") -> str:
    """Return "host:port" under which other machines reach this daemon.

    The configured one; else that of `listen` where it is a single address; else the address from which this machine
    would reach `peer` (or, without one, the rest of the world), else what its own name resolves to. Nothing is
    sent to find out.
    """
    if config.advertise:
        return config.advertise
    host, port = split_address(config.listen)
    if not _is_wildcard(host):
        return join_address(host, port)
    return join_address(_source_towards(peer) if peer else _source_towards("192.0.2.1"), port)


def check_ports(config: Config) -> None:
    """Refuse an address that another process has; raise `ConfigError` naming the key and what to do."""
    for key, address in (("listen", config.listen), ("status_listen", config.status_listen)):
        host, port = split_address(address)
        try:
            family, kind, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(target)
        except OSError as error:
            raise ConfigError(
                f"{key}: cannot listen on {address} ({error.strerror or error}); "
                f"stop what has it, or set another with `{key}` in the configuration"
            ) from error


def _source_towards(peer: str) -> str:
    host, port = split_address(peer)
    try:
        family, _, _, _, target = socket.getaddrinfo(host, port or 1, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(target)
            return str(probe.getsockname()[0])
    except OSError:
        return _address_of_host_name()


def _address_of_host_name() -> str:
    """Return what this machine's own name resolves to: all there is to go by where no route leads out."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_DGRAM)
    except OSError:
        return LOOPBACK
    addresses = [str(target[0]) for _, _, _, _, target in found]
    return next((each for each in addresses if not ipaddress.ip_address(each).is_loopback), LOOPBACK)


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
