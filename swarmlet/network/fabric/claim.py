"""Which daemon keeps the Pod network of a machine: one alone, for there is one bridge, one device, one set of rules.

It is an abstract socket, that no file is left of: it belongs to a network namespace, as the Pod network does, and the
kernel takes it back whatever becomes of the daemon. Source: unix(7).
"""

from __future__ import annotations

import socket

from swarmlet.network.fabric.links import FabricError

NAME = "\0io.swarmlet/pod-network"


def is_held() -> bool:
    """Whether a daemon of this machine keeps a Pod network now."""
    claim = FabricClaim()
    try:
        claim.hold()
    except FabricError:
        return True
    claim.release()
    return False


class FabricClaim:
    """One daemon's."""

    def __init__(self, name: str = NAME) -> None:
        self._name = name
        self._socket: socket.socket | None = None

    def hold(self) -> None:
        """Have it from now on; raise `FabricError` where another daemon has."""
        if self._socket is not None:
            return
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            made.bind(self._name)
        except OSError as error:
            made.close()
            raise FabricError(
                "another swarmlet daemon keeps the Pod network of this machine: set network.mode to none for one"
            ) from error
        self._socket = made

    def release(self) -> None:
        """Have it no longer."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
