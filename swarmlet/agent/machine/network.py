"""The Pod network as this node's agent sees it: whose subnet is open, and what the cluster is told about it."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec

from swarmlet.agent.machine.pod_addresses import PodAddresses
from swarmlet.agent.patience import until_done
from swarmlet.clock import Clock
from swarmlet.model import conditions, kinds, objects
from swarmlet.model.base import clock_time
from swarmlet.model.core import Node
from swarmlet.model.meta import Condition
from swarmlet.model.nodes import NETWORK_UNAVAILABLE
from swarmlet.runtime import runtime
from swarmlet.store.commands import Key, Put, Verdict
from swarmlet.store.replica import Replica

CREATED = "RouteCreated"
NOT_CREATED = "NoRouteCreated"
"""Kubernetes' reasons. Source: k8s.io/cloud-provider/controllers/route."""
NO_NETWORK = "this node has no Pod network"
NOT_YET = "it does not stand yet"


class NodeNetwork:
    """One for a daemon. Without `addresses` the node has no Pod network, and says so where its Node tells of one."""

    def __init__(self, *, node_name: str, replica: Replica, clock: Clock, addresses: PodAddresses | None) -> None:
        self.addresses = addresses
        self._key = Key(kinds.NODE.resource, "", node_name)
        self._node_name = node_name
        self._replica = replica
        self._clock = clock
        self._told: tuple[str, str, str] | None = None if addresses is not None else ("False", CREATED, NO_NETWORK)
        self._news = asyncio.Event()

    @property
    def fault(self) -> str:
        """What is wrong with the Pod network now, "" where it stands."""
        if self._told is None:
            return NOT_YET
        status, _, message = self._told
        return message if status == "True" else ""

    async def open(self, subnet: str, subnet_v6: str) -> None:
        """The network stands: Pods may have addresses of these subnets (`subnet_v6` "": of the first alone)."""
        assert self.addresses is not None
        await self.addresses.open(subnet, subnet_v6)
        self._tell("False", CREATED, "the Pod network reaches the other nodes")

    def fail(self, problem: str) -> None:
        """The network is not as it must be, for this reason; Pods that run keep what they have."""
        assert self.addresses is not None
        self.addresses.explain(problem)
        self._tell("True", NOT_CREATED, problem)

    async def adopt(self, engine: runtime.Runtime) -> bool:
        """Take over the addresses of the containers that run, before any is started; return True, done."""
        if self.addresses is not None:
            await self._replica.linearize()
            containers = await engine.list()
            bound = {stored.object.metadata.uid for stored in self._replica.view.pods_on(self._node_name)}
            self.addresses.adopt(containers, bound)
        return True

    async def run(self) -> None:
        """Write what is to be told into this machine's Node, for ever."""
        if self.addresses is None and self._stored_condition() is None:
            self._told = None  # there never was a network, so there is nothing to be told
        while True:
            await until_done(self._write, self._clock)
            await self._news.wait()
            self._news.clear()

    def _tell(self, status: str, reason: str, message: str) -> None:
        if self._told != (status, reason, message):
            self._told = (status, reason, message)
            self._news.set()

    def _stored_condition(self) -> Condition | None:
        stored = self._replica.view.get(self._key)
        if stored is None:
            return None
        return conditions.get(cast("Node", stored.object).status.conditions, NETWORK_UNAVAILABLE)

    async def _write(self) -> bool:
        if self._told is None:
            return True
        stored, known = self._replica.view.get(self._key), self._stored_condition()
        if stored is None:
            return False
        if known is not None and (known.status, known.reason, known.message) == self._told:
            return True
        status, reason, message = self._told
        now = self._clock.now()
        condition = Condition(
            type=NETWORK_UNAVAILABLE,
            status=status,
            reason=reason,
            message=message,
            last_heartbeat_time=clock_time(now),
        )
        node = cast("Node", stored.object)
        told = msgspec.structs.replace(node.status, conditions=conditions.put(node.status.conditions, condition, now))
        bare = objects.with_metadata(msgspec.structs.replace(node, status=told), resource_version="")
        (outcome,) = await self._replica.propose(
            [Put(self._key, objects.to_json(bare), expected_revision=stored.revision)]
        )
        return outcome.verdict in (Verdict.DONE, Verdict.UNCHANGED)
