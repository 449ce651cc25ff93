"""A node to run Pods on: the agent, a real store without consensus, and the fake runtime, on virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import msgspec

from swarmlet.agent.machine.own_node import Machine, NodeIdentity
from swarmlet.agent.runner import Agent
from swarmlet.agent.volumes.pod_volumes import DISK_FOLDER, Volumes
from swarmlet.clock import Clock
from swarmlet.config import AUTO, Config, Network
from swarmlet.errors import TooLargeError, UnavailableError
from swarmlet.model import kinds, objects
from swarmlet.model.container import Container
from swarmlet.model.core import Event, Node
from swarmlet.model.meta import ObjectMeta, OwnerReference
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodStatus
from swarmlet.runtime import runtime as runtime_protocol
from swarmlet.store.commands import COMMAND_BYTES_MAX, NOBODY, Command, Delete, Key, Operation, Origin, Outcome, Put
from swarmlet.store.state import Store

NODE = "one"
IMAGE = "web:1"
SECONDS_MAX = 3_600.0


class LoneReplica:
    """Applies what is proposed, after a while; `cut` makes it a node without quorum."""

    def __init__(self, clock: Clock) -> None:
        self.view = Store()
        self.cut = False
        self.seconds = 0.0
        self.proposals: list[Sequence[Operation]] = []
        self._clock = clock
        self._serial = 0

    async def propose(
        self,
        operations: Sequence[Operation],
        *,
        atomic: bool = True,
        timeout_seconds: float = 5.0,
        origin: Origin = NOBODY,
    ) -> tuple[Outcome, ...]:
        if self.seconds:
            await self._clock.sleep(self.seconds)
        if self.cut:
            raise UnavailableError("no quorum")
        if sum(len(each.object) for each in operations if isinstance(each, Put)) > COMMAND_BYTES_MAX:
            raise TooLargeError("split it")
        self.proposals.append(operations)
        return self.apply(*operations, atomic=atomic, origin=origin)

    def apply(self, *operations: Operation, atomic: bool = True, origin: Origin = NOBODY) -> tuple[Outcome, ...]:
        self._serial += 1
        return self.view.apply(Command(self._serial.to_bytes(16, "big"), tuple(operations), atomic, origin))

    async def linearize(self, *, timeout_seconds: float = 5.0) -> None:
        if self.cut:
            raise UnavailableError("no quorum")


class Home:
    """The node's surroundings, and what a user would do and see."""

    def __init__(self, runtime: runtime_protocol.Runtime, clock: Clock, folder: Path) -> None:
        self.runtime = runtime
        self.clock = clock
        self.folder = folder
        self.replica = LoneReplica(clock)
        self.heartbeats: list[dict[str, Any]] = []
        self.leases = True
        self.answer_seconds = 0.0
        self.machine = Machine()
        self.config = Config()
        self.agent = self.new_agent()

    def new_agent(self) -> Agent:
        return Agent(
            node=NodeIdentity(name=NODE, node_id="id-1", address="10.0.0.1", port=7600),
            machine=self.machine,
            replica=cast("Any", self.replica),
            runtime=self.runtime,
            clock=self.clock,
            rng=random.Random(1),
            volumes=Volumes(disk=self.folder / "data" / DISK_FOLDER, memory=self.folder / "memory"),
            config=dataclasses.replace(self.config, network=_settled(self.config.network)),
            send_heartbeat=self.beat,
        )

    async def beat(
        self,
        *,
        ready: bool,
        message: str,
        stop_grace_seconds: float = 0.0,
        wants_lease: bool = False,
        pressures: Sequence[str] | None = None,
    ) -> bool:
        """Answer a heartbeat as a leader would, after a while; `leases` False is one that grants none."""
        self.heartbeats.append(
            {"ready": ready, "message": message, "grace": stop_grace_seconds, "pressures": pressures}
        )
        granted = wants_lease and self.leases
        await self.clock.sleep(self.answer_seconds)
        if self.replica.cut:
            raise UnavailableError("no leader is known; try again")
        return granted

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run a (new) daemon's agent."""
        self.agent = self.new_agent()
        task = asyncio.get_running_loop().create_task(self.agent.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    # What a user does

    def bind(
        self,
        name: str = "web",
        *,
        containers: Sequence[Container] = (),
        uid: str = "",
        annotations: Mapping[str, str] = MappingProxyType({}),
        owner: tuple[str, str, str] | None = None,
        **spec: Any,
    ) -> Key:
        """Create a Pod that is bound to this node; `owner` is its controller: version, kind and name."""
        owners = (
            [OwnerReference(api_version=owner[0], kind=owner[1], name=owner[2], uid="o", controller=True)]
            if owner
            else []
        )
        containers = containers or (Container(name="main", image=IMAGE),)
        pod = Pod(
            metadata=ObjectMeta(
                name=name,
                namespace="default",
                uid=uid or f"uid-{name}",
                generation=1,
                annotations=dict(annotations),
                owner_references=tuple(owners),
            ),
            spec=PodSpec(containers=tuple(containers), node_name=NODE, **spec),
        )
        key = Key(kinds.POD.resource, "default", name)
        self.put(key, pod)
        return key

    def put(self, key: Key, value: Any) -> None:
        value = objects.with_metadata(value, resource_version="")
        self.replica.apply(Put(key, objects.to_json(value)))

    def change(self, key: Key, **spec: Any) -> None:
        pod = self.pod(key)
        self.put(key, msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, **spec)))

    def mark_deleted(self, key: Key, grace_seconds: int = 30, **metadata: Any) -> None:
        now = self.clock.now()
        pod = objects.with_metadata(
            self.pod(key), deletion_timestamp=now, deletion_grace_period_seconds=grace_seconds, **metadata
        )
        self.put(key, pod)

    def delete_at_once(self, key: Key) -> None:
        self.replica.apply(Delete(key))

    # What a user sees

    def exists(self, key: Key) -> bool:
        return self.replica.view.get(key) is not None

    def pod(self, key: Key) -> Pod:
        stored = self.replica.view.get(key)
        assert stored is not None
        return cast("Pod", stored.object)

    def status(self, key: Key) -> PodStatus:
        return self.pod(key).status

    def is_ready(self, key: Key) -> bool:
        return any(each.type == "Ready" and each.status == "True" for each in self.status(key).conditions)

    def waiting(self, key: Key, index: int = 0) -> str:
        statuses = self.status(key).container_statuses
        state = statuses[index].state.waiting if statuses else None
        return state.reason if state else ""

    def restarts(self, key: Key) -> int:
        statuses = self.status(key).container_statuses
        return statuses[0].restart_count if statuses else 0

    def events(self, reason: str = "") -> list[Event]:
        found = [cast("Event", each.object) for each in self.replica.view.list(kinds.EVENT.resource)]
        return [event for event in found if reason in ("", event.reason)]

    def node(self) -> Node:
        stored = self.replica.view.get(Key(kinds.NODE.resource, "", NODE))
        assert stored is not None
        return cast("Node", stored.object)

    async def until(self, condition: Callable[[], bool], seconds: float = SECONDS_MAX) -> float:
        """Let time pass until something holds; return how long it took."""
        began = self.clock.monotonic()
        async with asyncio.timeout(seconds):
            while not condition():
                await self.clock.sleep(0.01)
        return self.clock.monotonic() - began

    async def pause(self, seconds: float) -> None:
        await self.clock.sleep(seconds)


def temporary_home(runtime: runtime_protocol.Runtime, clock: Clock) -> Home:
    return Home(runtime, clock, Path(tempfile.mkdtemp(prefix="swarmlet-agent-")))


def _settled(network: Network) -> Network:
    """Return what a machine makes of it that has no network to give, unless one is asked for by name."""
    return dataclasses.replace(network, mode="none", dns=False) if network.mode == AUTO else network
