"""Addresses in 127.42.0.0/16 for the Pods of the process runtime: every program on Linux may listen on them."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable

from swarmlet.errors import EngineError

NETWORK = "127.42"
BLOCKS = range(1, 255)
HOSTS = range(1, 255)


class Addresses:
    """One block of 254 addresses for one node. Several daemons on a machine hold different blocks.

    A block is held by a name in the kernel's abstract socket namespace, which goes when the daemon does.
    """

    def __init__(self, owner: str, in_use: Iterable[str] = ()) -> None:
        self._by_pod: dict[str, str] = {}
        used_blocks = [address.split(".")[2] for address in in_use]
        first = int(used_blocks[0]) if used_blocks else hashlib.sha256(owner.encode()).digest()[0] % len(BLOCKS) + 1
        self._claim, self._block = _claim_from(first)

    def of(self, pod_uid: str) -> str:
        """Return the Pod's address; a Pod seen for the first time gets a free one."""
        if pod_uid not in self._by_pod:
            used = set(self._by_pod.values())
            free = (f"{NETWORK}.{self._block}.{host}" for host in HOSTS)
            address = next((each for each in free if each not in used), None)
            if address is None:
                raise EngineError(f"no free address in {NETWORK}.{self._block}.0/24: {len(used)} Pods run here")
            self._by_pod[pod_uid] = address
        return self._by_pod[pod_uid]

    def keep(self, pod_uid: str, address: str) -> None:
        """Note the address of a Pod that runs already."""
        self._by_pod[pod_uid] = address

    def release(self, pod_uid: str) -> None:
        """A Pod is gone."""
        self._by_pod.pop(pod_uid, None)

    def close(self) -> None:
        """Let others have the block."""
        self._claim.close()


def _claim_from(first: int) -> tuple[socket.socket, int]:
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    for offset in range(len(BLOCKS)):
        block = (first - 1 + offset) % len(BLOCKS) + 1
        try:
            claim.bind(f"\0swarmlet/{NETWORK}.{block}")
        except OSError:
            continue
        return claim, block
    claim.close()
    raise EngineError(f"all blocks of {NETWORK}.0.0/16 are held by other daemons on this machine")
