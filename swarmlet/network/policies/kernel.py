"""Keeps the kernel's rules in step with what NetworkPolicies ask of this node.

    policies = KernelPolicies(replica, node_name, clock, opened=addresses.opened)
    await policies.run()                        # until cancelled; the rules stay, so that nobody slips through
    await policies.ready_for(uid, address)      # before a Pod's first packet

Rules of an earlier daemon stay in force until this one knows the cluster and its Pods' addresses. A table that a
stranger flushed or changed is made anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from swarmlet.clock import Clock
from swarmlet.errors import SwarmletError
from swarmlet.network import bridge_traffic, nftables
from swarmlet.network.fabric import plan as fabric
from swarmlet.network.nft_words import WORDS
from swarmlet.network.nftables import Nftables, NftError
from swarmlet.network.policies import isolation
from swarmlet.network.policies import rules as policy_rules
from swarmlet.network.policies.isolation import Isolation
from swarmlet.network.policies.tables import PolicyTable
from swarmlet.store.replica import Replica

LOOK_SECONDS = 0.5
"""How often it is seen whether a stranger changed the rules."""
RETRY_SECONDS = 1.0
REST_SECONDS_MAX = 0.5
"""After each change the processor is left to others for as long as the change took, but for no longer than this."""

log = structlog.get_logger(__name__)


async def remove() -> None:
    """Take away what this daemon or an earlier one has in the kernel; what cannot be is told."""
    try:
        await _remove_rules()
    except (NftError, OSError) as error:
        log.warning("policy_rules_left_behind", error=str(error))


async def _remove_rules() -> None:
    await isolation.remove()
    for words in WORDS.values():
        await nftables.remove(policy_rules.TABLE, words.ip)


class KernelPolicies:
    """One for a daemon. `opened` waits until it is known which Pod here has which address, and returns that by uid.

    `error` says what is wrong with the rules now, "" where they are as they should be.
    """

    def __init__(
        self,
        replica: Replica,
        node_name: str,
        clock: Clock,
        *,
        status_port: int,
        opened: Callable[[], Awaitable[Mapping[str, str]]],
    ) -> None:
        self.error = "not made yet"
        self._replica = replica
        self._node_name = node_name
        self._clock = clock
        self._status_port = status_port
        self._opened = opened
        self._tables: list[PolicyTable] = []
        self._given: dict[str, str] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._anew = True
        self._wake = asyncio.Event()
        self._settling = asyncio.Lock()

    async def ready_for(self, uid: str, address: str) -> None:
        """Return when the rules of a Pod with this address are in the kernel; until then it must send nothing."""
        self._given[uid] = address
        for table in self._tables:
            table.give(uid, address)
        settled = asyncio.get_running_loop().create_future()
        self._waiting.append(settled)
        self._wake.set()
        await settled

    async def run(self) -> None:
        """Follow the store until cancelled."""
        bridge_traffic.check()
        await self._caught_up()
        opened = await self._opened()
        guards_ports = await isolation.can_guard_ports()
        await self._until_member()
        self._tables = self._tables_of_families()
        for table in self._tables:
            for uid, address in {**opened, **self._given}.items():
                table.give(uid, address)
        isolated = Isolation(
            self._replica.view,
            self._node_name,
            status_port=self._status_port,
            listener=self._wake.set,
            guards_ports=guards_ports,
        )
        kernels = [_kernel(each.word) for each in self._tables]
        self._wake.set()
        try:
            isolated.watch()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._look(kernels, isolated), name="policy-rules-look")
                group.create_task(self._follow(kernels, isolated), name="policy-rules")
        finally:
            isolated.close()
            for table in self._tables:
                table.close()
            for kernel in kernels:
                kernel.close()

    async def _until_member(self) -> None:
        """Wait until this node has a subnet, which it may have lost since addresses of it were given out."""
        while self._node_name not in fabric.members(self._replica.view):
            await self._clock.sleep(RETRY_SECONDS)

    def _tables_of_families(self) -> list[PolicyTable]:
        own = fabric.members(self._replica.view)[self._node_name]
        subnets_v6 = filter(None, [own.subnet_v6])
        view, name, wake = self._replica.view, self._node_name, self._wake.set
        return [PolicyTable(view, name, wake), *(PolicyTable(view, name, wake, each) for each in subnets_v6)]

    async def _caught_up(self) -> None:
        while True:
            try:
                await self._replica.linearize()
            except SwarmletError:
                await self._clock.sleep(RETRY_SECONDS)
            else:
                return

    async def _look(self, kernels: Sequence[Nftables], isolated: Isolation) -> None:
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            async with self._settling:  # what a script of ours has just made is not known yet
                if self._is_disturbed(kernels, isolated):
                    self._wake.set()

    def _is_disturbed(self, kernels: Sequence[Nftables], isolated: Isolation) -> bool:
        """Whether a stranger was at the rules, or the kernel does not tell: then they are to be made anew."""
        if self._anew:
            return False
        try:
            self._anew = isolated.is_disturbed() or any(each.is_disturbed() for each in kernels)
        except OSError as error:
            log.warning("policy_rules_not_seen", error=str(error))
            self._anew = True
        if self._anew:
            log.warning("policy_rules_disturbed")
        return self._anew

    async def _follow(self, kernels: Sequence[Nftables], isolated: Isolation) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            begun = self._clock.monotonic()
            waiting, self._waiting = self._waiting, []
            try:
                async with self._settling:
                    await self._settle(kernels, isolated)
            except (NftError, OSError) as error:
                if self.error != str(error):
                    log.warning("policy_rules_failed", error=str(error))
                self.error, self._anew = str(error), True
                self._waiting = waiting + self._waiting  # a Pod without its rules is not started
                await self._clock.sleep(RETRY_SECONDS)
                self._wake.set()
                continue
            self.error = ""
            for each in waiting:
                if not each.done():
                    each.set_result(None)
            await self._clock.sleep(min(self._clock.monotonic() - begun, REST_SECONDS_MAX))

    async def _settle(self, kernels: Sequence[Nftables], isolated: Isolation) -> None:
        script = await self._script(isolated)
        if script and self._is_disturbed(kernels, isolated):  # else what a stranger did would be taken for ours
            script = await self._script(isolated)
        if script:
            await kernels[0].apply(script)
            for other in kernels[1:]:
                other.note()
            isolated.note_applied()
        self._anew = False

    async def _script(self, isolated: Isolation) -> str:
        """Return what brings the tables up to date, or makes them anew."""
        anew = self._anew
        script = "".join([await each.settled(self._clock, anew=anew) for each in self._tables])
        around = isolated.settle(self._tables[0].given)
        return script + (isolated.whole() if anew else around)


def _kernel(word: str) -> Nftables:
    return Nftables(policy_rules.TABLE, policy_rules.STANDING_CHAINS, sets=policy_rules.STANDING_SETS, family=word)
