"""What the cluster knows of this node: its Node object, and the heartbeats that tell its leader how it is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Protocol, cast

import msgspec
import structlog

from swarmlet.agent.machine import own_node
from swarmlet.agent.machine.fence import Fence
from swarmlet.agent.pressure import gauges
from swarmlet.agent.pressure.pressures import Readings
from swarmlet.clock import Clock
from swarmlet.config import Config
from swarmlet.errors import EngineError, PeerError
from swarmlet.model import conditions, core, events, kinds, objects
from swarmlet.runtime import runtime
from swarmlet.store.commands import Key, Put, Verdict
from swarmlet.store.replica import Replica

HEARTBEAT_SECONDS = 1.0
HEALTH_SECONDS = 5.0
HEALTH_TIMEOUT_SECONDS = 10.0
RETRY_SECONDS = 1.0
STOP_GRACE_SECONDS = 60.0
"""How long the cluster waits for a daemon that stopped on purpose before it replaces its Pods."""

log = structlog.get_logger()


class SendHeartbeat(Protocol):
    """Tell the leader how this node is. With `stop_grace_seconds`: the daemon stops on purpose, wait so long for it.

    `pressures` are the types of the conditions of pressure that hold, None before any was measured. Returns whether it
    has the lease that it `wants_lease` for, counted from before the call.
    """

    async def __call__(
        self,
        *,
        ready: bool,
        message: str,
        stop_grace_seconds: float = 0.0,
        wants_lease: bool = False,
        pressures: Sequence[str] | None = None,
    ) -> bool: ...


class NodeReporter:
    """One for a daemon."""

    def __init__(  # noqa: PLR0913  what a Node is made of
        self,
        *,
        node: own_node.NodeIdentity,
        machine: own_node.Machine,
        replica: Replica,
        runtime_: runtime.Runtime,
        clock: Clock,
        rng: random.Random,
        config: Config,
        fence: Fence,
        send: SendHeartbeat,
        record: Callable[[events.Note], None],
        with_devices: Callable[[core.Node], core.Node],
    ) -> None:
        self.info: runtime.RuntimeInfo | None = None
        self._node = node
        self._machine = machine
        self._replica = replica
        self._runtime = runtime_
        self._clock = clock
        self._rng = rng
        self._config = config
        self._fence = fence
        self._send = send
        self._record = record
        self._with_devices = with_devices
        self._pressures: tuple[str, ...] | None = None
        self._images: tuple[core.ContainerImage, ...] | None = None  # of an earlier daemon, until they are listed
        self._is_registered = False
        self._is_outdated = False
        self._unwell = "the agent is starting"

    async def find_engine(self) -> runtime.RuntimeInfo:
        """Return what the engine says of itself, once it answers."""
        while True:
            try:
                self.info = await self._runtime.info()
            except EngineError as error:
                self._unwell = str(error)
                log.warning("engine_unreachable", error=str(error))
                await self._clock.sleep(RETRY_SECONDS)
            else:
                self._unwell = ""
                log.info("engine_found", version=self.info.version, cpus=self.info.cpus, isolates=self.info.isolates)
                return self.info

    async def register(self) -> bool:
        """Write this machine's Node as the engine is now; return whether it stands."""
        assert self.info is not None
        await self._replica.linearize()
        key = Key(kinds.NODE.resource, "", self._node.name)
        stored = self._replica.view.get(key)
        readings = await self.read_gauges()
        described = own_node.describe(self._node, self.info, self._machine, self._config, readings)
        described = self._with_devices(described)
        known = cast("core.Node", stored.object) if stored else None
        if self._images is None and known is not None:
            self._images = known.status.images
        status = msgspec.structs.replace(described.status, images=self._images or ())
        described = msgspec.structs.replace(described, status=status)
        node = own_node.merged(known, described, self._clock.now(), self._rng)
        put = Put(key, objects.to_json(node), expected_revision=stored.revision if stored else 0)
        (outcome,) = await self._replica.propose([put])
        stands = outcome.verdict in (Verdict.DONE, Verdict.UNCHANGED)
        self._is_registered |= stands
        if stands and known is not None and (note := own_node.reboot_note(known, described)) is not None:
            self._record(note)
        return stands

    async def read_gauges(self) -> Readings:
        """Return what the machine has left now; nothing before the engine was found."""
        if self.info is None or isinstance(self._machine.gauges, gauges.NoGauges):
            return {}
        return await asyncio.to_thread(self._machine.gauges.read, self.info.data_root)

    async def tell_pressures(self, held: tuple[str, ...]) -> None:
        """Tell the leader which conditions of pressure hold, with each heartbeat; at once where they are others."""
        is_news = set(held) != set(self._pressures or ())
        self._pressures = held
        if is_news:
            await self._beat_once()

    def tell_images(self, images: tuple[core.ContainerImage, ...]) -> None:
        """Tell the cluster, soon, which images this machine has; again only where they are others."""
        self._is_outdated |= images != self._images
        self._images = images

    def shows(self, condition: str) -> bool:
        """Whether this machine's Node in the store shows that a condition holds."""
        stored = self._replica.view.get(Key(kinds.NODE.resource, "", self._node.name))
        return stored is not None and conditions.is_true(cast("core.Node", stored.object).status.conditions, condition)

    def note(self, type_: str, reason: str, message: str) -> None:
        """Record an event of this node's."""
        stored = self._replica.view.get(Key(kinds.NODE.resource, "", self._node.name))
        if stored is not None:
            self._record(events.Note(stored.object, type_, reason, message))

    async def beat(self) -> None:
        """Tell the leader how the node is, for ever."""
        while True:
            await self._beat_once()
            await self._clock.sleep(HEARTBEAT_SECONDS)

    async def _beat_once(self) -> None:
        since = self._clock.monotonic()
        wants_lease = self._is_registered and self._fence.wants_lease
        try:
            has_lease = await self._send(
                ready=not self._unwell, message=self._unwell, wants_lease=wants_lease, pressures=self._pressures
            )
        except PeerError as error:
            log.debug("heartbeat_lost", error=str(error))
        else:
            if has_lease:
                self._fence.renew(since)

    async def say_goodbye(self) -> None:
        """Tell the cluster that this daemon stops on purpose, so that it does not replace the Pods at once."""
        await self._send(ready=False, message="the daemon is stopping", stop_grace_seconds=STOP_GRACE_SECONDS)

    async def check_health(self) -> None:
        """Look whether the engine answers, for ever; where it is another than it was, tell the cluster so."""
        while True:
            await self._clock.sleep(HEALTH_SECONDS)
            was_unwell, known = self._unwell, self.info
            self._unwell = await self._ask_engine()
            if self._unwell != was_unwell:
                log.warning("engine_unwell", error=self._unwell) if self._unwell else log.info("engine_well")
            self._is_outdated |= bool(was_unwell) or self.info != known
            if self._is_outdated and not self._unwell:
                await self._tell_anew()

    async def _ask_engine(self) -> str:
        """Ask the engine about itself; return what is wrong with it, "" where it answers."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_SECONDS):
                self.info = await self._runtime.info()
        except TimeoutError:
            return "the container runtime does not answer in time"
        except EngineError as error:
            return str(error)
        return ""

    async def _tell_anew(self) -> None:
        """Tell what the machine has, which may be another or have grown; a failure is made good the next time."""
        try:
            self._is_outdated = not await self.register()
        except PeerError as error:
            log.info("node_not_told", error=str(error))
