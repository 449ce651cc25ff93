"""The agent: makes this node run the Pods that are bound to it, and says so.

It reads the local replica, so it goes on while the node is cut off from the others; only before it removes what
nobody seems to own does it ask the cluster.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime
from typing import cast

import structlog

from swarmlet.agent import event_writer, pod_writer
from swarmlet.agent.containers import sources
from swarmlet.agent.containers.grants import Grants
from swarmlet.agent.containers.termination import Terminations
from swarmlet.agent.images import collection as image_collection
from swarmlet.agent.images import fetching as images
from swarmlet.agent.images import pulled_images
from swarmlet.agent.images import reports as image_reports
from swarmlet.agent.images.access import ImageAccess
from swarmlet.agent.life import stimuli
from swarmlet.agent.life.pod_machine import PodMachine, Settings
from swarmlet.agent.machine import engine_watch, fence, own_node, pod_addresses
from swarmlet.agent.machine import reporter as node_reporter
from swarmlet.agent.machine.network import NodeNetwork
from swarmlet.agent.machine.pod_addresses import PodAddresses
from swarmlet.agent.patience import until_done
from swarmlet.agent.pod_streams import PodStreams
from swarmlet.agent.pod_worker import PodWorker, Tools
from swarmlet.agent.pressure import watch as pressure_watch
from swarmlet.agent.probes import actions as probe_actions
from swarmlet.agent.probes import hooks, prober
from swarmlet.agent.probes.http_calls import HttpCalls
from swarmlet.agent.volumes import keeper as volume_keeper
from swarmlet.agent.volumes import pod_tokens
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.clock import Clock
from swarmlet.config import Config
from swarmlet.errors import NotFoundError
from swarmlet.model import events, kinds, pods, singletons
from swarmlet.model.core import ContainerImage
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.runtime import runtime
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Replica

PODS = kinds.POD.resource
SOURCES = (kinds.CONFIG_MAP.resource, kinds.SECRET.resource, kinds.PERSISTENT_VOLUME_CLAIM.resource)
IMAGE_ACCESS_FILE = "image-access.json"

log = structlog.get_logger()


class Agent:
    """One for a daemon. `machine` is what the kernel calls its machine; `volumes` are where the machine keeps them."""

    def __init__(  # noqa: PLR0913  the composition root names each once
        self,
        *,
        node: own_node.NodeIdentity,
        machine: own_node.Machine,
        replica: Replica,
        runtime: runtime.Runtime,
        clock: Clock,
        rng: random.Random,
        volumes: Volumes,
        config: Config,
        send_heartbeat: node_reporter.SendHeartbeat,
    ) -> None:
        self._node = node
        self._replica = replica
        self._runtime = runtime
        self._clock = clock
        self._workers: dict[str, PodWorker] = {}
        self._journal = events.Journal(component="swarmlet-agent", host=node.name, rng=rng)
        self._pulled = pulled_images.PulledImages(machine.pulled_images)
        self._image_reports = image_reports.ImageReports(runtime, clock, self._tell_images)
        access = ImageAccess(config.data_dir / IMAGE_ACCESS_FILE)
        self._images = images.Images(runtime, clock, access, self._pulled, self._image_reports.changed)
        self._http = HttpCalls()
        self._terminations = Terminations(runtime, lambda: self._reporter.info, volumes)
        self._volumes = volumes
        self._writer = pod_writer.PodWriter(replica, clock, self._release)
        self._events = event_writer.EventWriter(self._journal, replica, clock, self._writer)
        self._fence = self._make_fence(config)
        self._grants = Grants(
            config=config,
            engine=runtime,
            info=lambda: self._reporter.info,
            find=self._find,
            tell=self._record,
            active=lambda: [uid for uid, each in self._workers.items() if not pods.is_finished(each.machine.pod)],
            volumes=volumes,
        )
        self._reporter = node_reporter.NodeReporter(
            node=node,
            machine=machine,
            replica=replica,
            runtime_=runtime,
            clock=clock,
            rng=rng,
            config=config,
            fence=self._fence,
            send=send_heartbeat,
            record=self._record,
            with_devices=self._grants.with_devices,
        )
        self.network = self._make_network(config)
        self.streams = PodStreams(runtime, self._find_machine)
        self._pressure = self._make_pressure_watch(config)
        self._uids: dict[Key, str] = {}
        self._dirty: set[Key] = set()
        self._all_dirty = False
        self._wake = asyncio.Event()
        self._settings: Settings | None = None
        self._tools: Tools | None = None

    async def run(self) -> None:
        """Run until cancelled. Containers run on after that."""
        self._fence.adopt()
        await asyncio.to_thread(self._pulled.load)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reporter.beat())
            tasks.create_task(self._fence.run())
            info = await self._reporter.find_engine()
            self._tools = self._make_tools(tasks)
            self._settings = Settings(host_ip=self._node.address, id_scheme=info.scheme)
            await until_done(self._reporter.register, self._clock)
            tasks.create_task(self._writer.run())
            tasks.create_task(self._events.run())
            tasks.create_task(self._reporter.check_health())
            tasks.create_task(self._volume_keeper().run())
            tasks.create_task(self._image_reports.run())
            tasks.create_task(self._renew_tokens())
            tasks.create_task(self.network.run())
            unsubscribe = self._replica.view.subscribe(self._on_changes)
            try:
                watch = self._make_engine_watch(tasks)
                await until_done(lambda: self.network.adopt(self._runtime), self._clock)
                await until_done(watch.adopt, self._clock)
                tasks.create_task(watch.run())
                tasks.create_task(self._pressure.run())
                await self._follow()
            finally:
                unsubscribe()
                await self._http.close()

    async def say_goodbye(self) -> None:
        """Tell the cluster that this daemon stops on purpose, so that it does not replace the Pods at once."""
        await self._reporter.say_goodbye()

    def containers(self) -> list[runtime.Container]:
        """Return the containers that run here as far as is known, the Pods' sandboxes too."""
        return [container for worker in self._workers.values() for container in worker.machine.running()]

    def fenced(self) -> fence.Report:
        """Return what the node has stopped because it is cut off."""
        return self._fence.report()

    # The node

    def _runs_singletons(self) -> bool:
        return any(singletons.must_be_single(worker.machine.pod) for worker in self._workers.values())

    def _note_fenced(self, container: runtime.Container, since: datetime) -> None:
        worker = self._workers.get(container.pod.uid)
        if worker is not None:
            message = f"cut off from the quorum since {since:%H:%M:%S}: stopped {container.name}, to run it never twice"
            self._record(events.Note(worker.machine.pod, events.WARNING, "Fenced", message))

    # Pods

    async def _follow(self) -> None:
        """Bring the workers in line with the store, whenever it changes."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for key in sorted(self._take_dirty()):
                try:
                    self._sync(key) if key.resource == PODS else self._refresh(key)
                except Exception:  # a bug that one object brings out must not take the others with it
                    log.exception("change_not_followed", key=str(key))

    def _on_changes(self, changes: Sequence[Change]) -> None:
        self._all_dirty |= not changes
        for change in changes:
            if change.key.resource == PODS:
                if any(each is not None and each.node_name == self._node.name for each in (change.old, change.new)):
                    self._dirty.add(change.key)
            elif change.key.resource in SOURCES:
                self._dirty.add(change.key)
        if self._dirty or self._all_dirty:
            self._wake.set()

    def _take_dirty(self) -> set[Key]:
        keys, self._dirty = self._dirty, set()
        if self._all_dirty:
            self._all_dirty = False
            keys |= {stored.key for stored in self._replica.view.pods_on(self._node.name)} | set(self._uids)
        return keys

    def _sync(self, key: Key) -> None:
        pod = self._bound_pod(key)
        old_uid = self._uids.get(key, "")
        if old_uid and (pod is None or pod.metadata.uid != old_uid):
            del self._uids[key]
            if old_uid in self._workers:
                self._workers[old_uid].feed(stimuli.PodGone())
        if pod is not None:
            worker = self._workers.get(pod.metadata.uid) or self._start_worker(pod, ())
            before = worker.machine.pod
            worker.feed(stimuli.PodChanged(pod))
            if sources.shows_change(before, pod):
                worker.feed(stimuli.SourceChanged())

    def _bound_pod(self, key: Key) -> Pod | None:
        stored = self._replica.view.get(key)
        if stored is None or stored.node_name != self._node.name:
            return None
        return cast("Pod", stored.object)

    def _start_worker(self, pod: Pod, containers: Sequence[runtime.Container]) -> PodWorker:
        assert self._tools is not None
        assert self._settings is not None
        self._grants.adopt(pod, containers)
        worker = PodWorker(PodMachine(self._volumes.equipped(pod), self._settings, containers), self._tools)
        self._workers[worker.uid] = worker
        self._uids[worker.key] = worker.uid
        return worker

    def _release(self, worker: PodWorker) -> None:
        self._workers.pop(worker.uid, None)
        if self._uids.get(worker.key) == worker.uid:
            del self._uids[worker.key]

    def _refresh(self, source: Key) -> None:
        """A ConfigMap or Secret has changed: bring the volumes that show it up to date, and start what waits for it."""
        for worker in list(self._workers.values()):
            if source in sources.of(worker.machine.pod):
                worker.feed(stimuli.SourceChanged())

    async def _renew_tokens(self) -> None:
        """Bring the volumes up to date in which a token is to be renewed, for ever."""
        while self._volumes.tokens is not None:
            await self._clock.sleep(pod_tokens.LOOK_SECONDS)
            for uid in self._volumes.tokens.due(self._workers.keys()):
                self._workers[uid].feed(stimuli.SourceChanged())

    # Small things

    def _make_tools(self, tasks: asyncio.TaskGroup) -> Tools:
        return Tools(
            runtime=self._runtime,
            clock=self._clock,
            images=self._images,
            volumes=self._volumes,
            grants=self._grants,
            fence=self._fence,
            addresses=self.network.addresses,
            hooks=hooks.Hooks(self._runtime, self._clock, self._http),
            prober=prober.Prober(
                self._clock, probe_actions.ProbeActions(self._runtime, self._http).run, tasks.create_task
            ),
            terminations=self._terminations,
            find=self._find,
            spawn=tasks.create_task,
            record=self._record,
            changed=self._writer.changed,
        )

    def _make_engine_watch(self, tasks: asyncio.TaskGroup) -> engine_watch.EngineWatch:
        return engine_watch.EngineWatch(
            engine=self._runtime,
            replica=self._replica,
            clock=self._clock,
            node_name=self._node.name,
            volumes=self._volumes,
            terminations=self._terminations,
            workers=self._workers,
            start=self._start_worker,
            spawn=tasks.create_task,
        )

    def _make_network(self, config: Config) -> NodeNetwork:
        wanted = config.network.mode != "none" and self._runtime.networks() is not None
        addresses = PodAddresses(config.data_dir / pod_addresses.FILE) if wanted else None
        return NodeNetwork(node_name=self._node.name, replica=self._replica, clock=self._clock, addresses=addresses)

    def _make_fence(self, config: Config) -> fence.Fence:
        return fence.Fence(
            engine=self._runtime,
            clock=self._clock,
            after_seconds=config.node_lifecycle.fence_after_seconds,
            linearize=self._replica.linearize,
            needed=self._runs_singletons,
            stopped=self._note_fenced,
        )

    def _make_pressure_watch(self, config: Config) -> pressure_watch.PressureWatch:
        images_ = image_collection.ImageCollection(
            engine=self._runtime,
            clock=self._clock,
            images=self._images,
            pulled=self._pulled,
            limits=config.image_collection,
            in_use=lambda: {name for worker in self._workers.values() for name in pods.images(worker.machine.pod.spec)},
        )
        return pressure_watch.PressureWatch(
            engine=self._runtime,
            clock=self._clock,
            config=config,
            volumes=self._volumes,
            images=images_,
            read=self._reporter.read_gauges,
            tell=self._reporter.tell_pressures,
            is_known=self._reporter.shows,
            workers=self._workers.values,
            find=self._find,
            record=self._record,
            record_on_node=self._reporter.note,
        )

    def _tell_images(self, found: tuple[ContainerImage, ...]) -> None:
        self._reporter.tell_images(found)

    def _record(self, note: events.Note) -> None:
        self._journal.record(note, self._clock.now())

    def _volume_keeper(self) -> volume_keeper.VolumeKeeper:
        return volume_keeper.VolumeKeeper(
            node_id=self._node.node_id,
            root=self._volumes.kept,
            replica=self._replica,
            clock=self._clock,
            mounted=lambda: [worker.machine.pod for worker in self._workers.values()],
            record=self._record,
        )

    def _find(self, key: Key) -> Object | None:
        stored = self._replica.view.get(key)
        return stored.object if stored else None

    def _find_machine(self, namespace: str, name: str) -> PodMachine:
        worker = self._workers.get(self._uids.get(Key(PODS, namespace, name), ""))
        if worker is None:
            raise NotFoundError(f'pod "{name}" is not on node {self._node.name}')
        return worker.machine
