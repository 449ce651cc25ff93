"""The policies of one family of addresses on a node: what they ask, and the table that says it to the kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from swarmlet import slices
from swarmlet.clock import Clock
from swarmlet.model import ip_families
from swarmlet.model.ip_families import IPV4, IPV6
from swarmlet.network.nft_words import WORDS
from swarmlet.network.policies import rules as policy_rules
from swarmlet.network.policies.desired import DesiredPolicies
from swarmlet.network.ruleset import Part, Table
from swarmlet.store.commands import Key
from swarmlet.store.replica import View


class PolicyTable:
    """One for a family. `subnet_v6` is the node's, "" for the table of IPv4."""

    def __init__(self, view: View, node_name: str, listener: Callable[[], None], subnet_v6: str = "") -> None:
        family = IPV6 if subnet_v6 else IPV4
        self.word = WORDS[family].ip
        self._subnet_v6 = subnet_v6
        self._desired = DesiredPolicies(view, node_name, listener, family)
        self._table = Table(policy_rules.TABLE, policy_rules.base(family), family=self.word)

    @property
    def given(self) -> Mapping[str, str]:
        """Return the addresses that Pods of this node were given last, by uid: each is one Pod's."""
        return self._desired.given

    def close(self) -> None:
        """Follow the store no longer."""
        self._desired.close()

    def give(self, uid: str, address: str) -> None:
        """Learn the IPv4 address of a Pod of this node before the cluster knows it."""
        self._desired.give(uid, ip_families.with_v6(address, self._subnet_v6) if self._subnet_v6 else address)

    async def settled(self, clock: Clock, *, anew: bool) -> str:
        """Return the script that brings the kernel's table up to date, or makes it anew."""
        parts: dict[Key, Part] = {}
        await slices.work_through(self._desired.settle(parts), clock)
        return await asyncio.to_thread(self._render, parts, anew=anew)

    def _render(self, parts: Mapping[Key, Part], *, anew: bool) -> str:
        """Return the script for new parts. In a thread: that of thousands takes tenths of a second."""
        script = self._table.update(parts)
        return self._table.whole() if anew else script
