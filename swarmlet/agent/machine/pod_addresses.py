"""Which address of this node's subnet each Pod has. Never two Pods one, and what was free longest goes next.

A file remembers them, so that neither a restart of the daemon nor one of the engine changes anything; what the file
does not know, because it was lost, is learned from the containers that run.

    book = AddressBook(subnet="10.42.7.0/24")
    address, book = book.taken(uid)
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import structlog

from swarmlet.errors import EngineError
from swarmlet.model import ip_families
from swarmlet.runtime import runtime

FILE = "pod-addresses.json"
READY_SECONDS_MAX = 20.0
"""How long the start of a Pod waits for its node's network before it fails, to be tried again."""

log = structlog.get_logger()


class NoAddressError(EngineError):
    """The Pod cannot have an address now; later it may."""


@dataclass(frozen=True, slots=True)
class AddressBook:
    """The addresses of one subnet; `held` has who has which. `last` was given out last: the search goes on from there.

    The first address is the node's own in the overlay, the second the bridge's, the last the broadcast.
    """

    subnet: str
    held: Mapping[str, str] = field(default_factory=dict)
    last: int = 1

    def taken(self, uid: str) -> tuple[str, AddressBook]:
        """Return the Pod's address, the one it has or the next, and the book with it; raise `NoAddressError`."""
        if uid in self.held:
            return self.held[uid], self
        network = ipaddress.IPv4Network(self.subnet)
        usable = range(2, network.num_addresses - 1)
        in_use = set(self.held.values())
        following = max(self.last + 1, usable.start)
        for number in (*range(following, usable.stop), *range(usable.start, min(following, usable.stop))):
            address = str(network[number])
            if address not in in_use:
                return address, replace(self, held={**self.held, uid: address}, last=number)
        raise NoAddressError(f"no IP addresses available in range set: {network[usable.start]}-{network[usable[-1]]}")

    def adopted(self, found: Iterable[tuple[str, str]]) -> AddressBook:
        """Return the book with what containers have that run: (uid, address). What is not of the subnet is let be."""
        network = ipaddress.IPv4Network(self.subnet)
        held = dict(self.held)
        for uid, address in found:
            if ipaddress.IPv4Address(address) in network:
                held = {each: other for each, other in held.items() if other != address} | {uid: address}
        return replace(self, held=held)

    def only(self, uids: Collection[str]) -> AddressBook:
        """Return the book without those who are not among these."""
        return replace(self, held={uid: address for uid, address in self.held.items() if uid in uids})


class _File(msgspec.Struct, frozen=True):
    subnet: str
    last: int
    held: dict[str, str]


class PodAddresses:
    """This node's book, kept in a file of the daemon's folder. No address is given before the file has it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._book: AddressBook | None = None
        self._subnet_v6 = ""
        self._adopted: dict[str, str] = {}
        self._bound: frozenset[str] | None = None  # until what runs has been looked at
        self._is_open = asyncio.Event()
        self._is_adopted = asyncio.Event()
        self._lock = asyncio.Lock()
        self._why_not = "the node has no subnet yet"
        self._guard: Callable[[str, str], Awaitable[None]] | None = None

    def guarded_by(self, guard: Callable[[str, str], Awaitable[None]]) -> None:
        """Have `guard(uid, address)` return before a container with that address starts: its rules are in force."""
        self._guard = guard

    async def opened(self) -> Mapping[str, str]:
        """Wait until addresses are given out, and what runs is known; return which Pods have which by then, by uid."""
        await self._is_open.wait()
        await self._is_adopted.wait()
        assert self._book is not None
        return self._book.held

    def explain(self, problem: str) -> None:
        """Say why the network is not ready, to the Pods that wait for it."""
        self._why_not = problem

    def adopt(self, containers: Iterable[runtime.Container], bound: Collection[str]) -> None:
        """Learn what runs of the Pods that are bound to this node, by uid; forget all others, before any is started."""
        self._bound = frozenset(bound)
        self._adopted = {each.pod.uid: each.address for each in containers if each.address and each.pod.uid in bound}
        if self._book is not None:
            self._book = self._adopting(self._book)
        self._is_adopted.set()

    async def open(self, subnet: str, subnet_v6: str = "") -> None:
        """Begin to give out the addresses of a subnet, whose network stands; what an earlier daemon gave out counts.

        Where there is a `subnet_v6`, with each address goes one of it.
        """
        self._subnet_v6 = subnet_v6
        if self._book is not None and self._book.subnet == subnet:
            self._is_open.set()
            return
        kept = await asyncio.to_thread(self._read)
        book = kept if kept is not None and kept.subnet == subnet else AddressBook(subnet)
        self._book = self._adopting(book)
        self._is_open.set()
        log.info("pod_addresses_opened", subnet=subnet, held=len(self._book.held))

    async def with_address(self, spec: runtime.ContainerSpec) -> runtime.ContainerSpec:
        """Return the specification of what holds a Pod's network, with the Pod's address; the others' as they are.

        Raises `NoAddressError` where the network is not ready in time, is full, or does not protect the Pod.
        """
        if spec.sandbox or spec.network.host_network:
            return spec
        address = await self._take(spec.pod.uid)
        await self._protect(spec.pod.uid, address)
        network = replace(
            spec.network,
            bridge_network=runtime.POD_NETWORK,
            address=address,
            address_v6=ip_families.with_v6(address, self._subnet_v6),
        )
        return replace(spec, network=network)

    async def release(self, uid: str) -> None:
        """Take back the address of a Pod of which nothing is left."""
        async with self._lock:
            self._adopted.pop(uid, None)
            if self._book is None or uid not in self._book.held:
                return
            book = self._book.only(self._book.held.keys() - {uid})
            try:
                await self._keep(book)
            except NoAddressError as error:  # the next daemon learns that the Pod is gone from the cluster
                log.warning("pod_address_not_released", error=str(error))
                self._book = book

    async def _take(self, uid: str) -> str:
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                await self._is_open.wait()
        except TimeoutError:
            raise NoAddressError(f"the Pod network is not ready: {self._why_not}") from None
        async with self._lock:
            assert self._book is not None
            address, book = self._book.taken(uid)
            if book is not self._book:
                await self._keep(book)
            return address

    async def _protect(self, uid: str, address: str) -> None:
        if self._guard is None:
            return
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                await self._guard(uid, address)
        except TimeoutError:
            raise NoAddressError("the rules of the Pod's network policies are not in force") from None

    def _adopting(self, book: AddressBook) -> AddressBook:
        book = book.adopted(self._adopted.items())
        return book if self._bound is None else book.only(self._bound)

    async def _keep(self, book: AddressBook) -> None:
        try:
            await asyncio.to_thread(self._write, book)
        except OSError as error:
            raise NoAddressError(f"{self._path}: {error.strerror}") from error
        self._book = book

    def _read(self) -> AddressBook | None:
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            log.warning("pod_addresses_unreadable", file=str(self._path), error=str(error))
            return None
        return AddressBook(kept.subnet, kept.held, kept.last)

    def _write(self, book: AddressBook) -> None:
        """Replace the file by one that is whole on the disk."""
        beside = self._path.with_suffix(".new")
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(_File(book.subnet, book.last, dict(book.held))))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
