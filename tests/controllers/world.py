"""A small cluster in virtual time: a real store, a replica that commits in a millisecond, and hollow agents."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Self

import msgspec

from swarmlet.config import NodeLifecycle, Rebalance
from swarmlet.controllers.nodes.heartbeats import Heartbeats
from swarmlet.controllers.work.drafts import creation, update
from swarmlet.controllers.work.runner import Controllers
from swarmlet.errors import TooLargeError, UnavailableError
from swarmlet.model import conditions, kinds, names, objects, pods
from swarmlet.model.apps import Deployment, DeploymentSpec, DeploymentStrategy, ReplicaSet, RollingUpdateDeployment
from swarmlet.model.container import Container
from swarmlet.model.core import Event, Node, NodeStatus
from swarmlet.model.meta import Condition, LabelSelector, Object, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec, PodTemplateSpec
from swarmlet.store.commands import (
    COMMAND_BYTES_MAX,
    NOBODY,
    OPERATIONS_MAX,
    Command,
    Delete,
    Key,
    Operation,
    Origin,
    Outcome,
    Put,
    Verdict,
)
from swarmlet.store.replica import ReplicaStatus, Stored
from swarmlet.store.state import Store
from tests.virtual_time import VirtualClock

COMMIT_SECONDS = 0.001
START_SECONDS = 0.2
STOP_SECONDS = 0.2
BEAT_SECONDS = 1.0
BAD_IMAGE = "bad"


class FakeReplica:
    """Applies each command a moment after it is proposed, or refuses while `quorum` is False."""

    def __init__(self) -> None:
        self.view = Store()
        self.is_leader = True
        self.quorum = True
        self.commands: list[tuple[Operation, ...]] = []
        self._listeners: list[Callable[[bool], None]] = []
        self._rng = random.Random(1)

    async def propose(
        self,
        operations: Sequence[Operation],
        *,
        atomic: bool = True,
        timeout_seconds: float = 5.0,
        origin: Origin = NOBODY,
    ) -> tuple[Outcome, ...]:
        await asyncio.sleep(COMMIT_SECONDS)
        if not self.quorum:
            raise UnavailableError("no quorum")
        size = sum(len(each.object) for each in operations if isinstance(each, Put))
        if len(operations) > OPERATIONS_MAX or size > COMMAND_BYTES_MAX:
            raise TooLargeError("split it")
        self.commands.append(tuple(operations))
        return self.view.apply(Command(self._rng.randbytes(16), tuple(operations), atomic, origin))

    async def linearize(self, *, timeout_seconds: float = 5.0) -> None:
        await asyncio.sleep(COMMIT_SECONDS)

    def status(self) -> ReplicaStatus:
        return ReplicaStatus("n1", "n1", 1, self.view.revision, self.view.revision, True)

    def on_leadership(self, listener: Callable[[bool], None]) -> None:
        self._listeners.append(listener)

    def lead(self, leads: bool) -> None:
        self.is_leader = leads
        for listener in self._listeners:
            listener(leads)


class HollowAgent:
    """Does what an agent does to the store, without containers. A Pod of the image "bad" never gets ready.

    While `serves` is False it starts none.
    """

    def __init__(self, name: str, replica: FakeReplica, heartbeats: Heartbeats) -> None:
        self.name = name
        self.alive = True
        self.ready = True
        self.serves = True
        self.pressures: tuple[str, ...] | None = None
        self._replica = replica
        self._heartbeats = heartbeats

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            group.create_task(self._look_after_pods())

    async def _beat(self) -> None:
        while True:
            if self.alive:
                self._beat_once()
            await asyncio.sleep(BEAT_SECONDS)

    def _beat_once(self) -> None:
        message = "" if self.ready else "the Engine is down"
        self._heartbeats.beat(self.name, ready=self.ready, message=message, pressures=self.pressures)

    async def _look_after_pods(self) -> None:
        woken = asyncio.Event()
        self._replica.view.subscribe(lambda changes: woken.set())
        woken.set()
        while True:
            await woken.wait()
            woken.clear()
            await asyncio.sleep(START_SECONDS)
            if not self.alive:
                continue
            try:
                await self._serve_all()
            except UnavailableError:
                woken.set()

    async def wake(self) -> None:
        """Come back to life, be heard, and tell anew how each Pod is."""
        self.alive = True
        self._beat_once()
        await self._serve_all(anew=True)

    async def _serve_all(self, *, anew: bool = False) -> None:
        found = self._replica.view.pods_on(self.name)
        operations = [
            each
            for pod in found
            if (self.serves or objects.is_terminating(pod.object)) and (each := _serve(pod, anew=anew))
        ]
        if operations:
            await self._replica.propose(operations, atomic=False)


def _serve(stored: Stored, *, anew: bool) -> Operation | None:
    pod = stored.object
    if objects.is_terminating(pod) and not pod.metadata.finalizers:
        return Delete(stored.key, expected_uid=pod.metadata.uid)
    if pods.is_finished(pod):
        return None
    if objects.is_terminating(pod):
        return update(stored, msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, phase="Failed")))
    if (pod.status.phase == "Running" and not anew) or pod.spec.containers[0].image == BAD_IMAGE:
        return None
    ready = Condition(type="Ready", status="True")
    now = VirtualClock().now()
    told = conditions.put(pod.status.conditions, ready, now)
    since = pod.status.start_time or now
    status = msgspec.structs.replace(pod.status, phase="Running", start_time=since, conditions=told)
    return update(stored, msgspec.structs.replace(pod, status=status))


class World:
    def __init__(
        self, *, nodes: int = 3, lifecycle: NodeLifecycle | None = None, rebalance: Rebalance | None = None
    ) -> None:
        self.clock = VirtualClock()
        self.replica = FakeReplica()
        self.heartbeats = Heartbeats(self.clock)
        self.rng = random.Random(7)
        self.agents = {f"n{number}": self._agent(f"n{number}") for number in range(1, nodes + 1)}
        self.controllers = Controllers(
            replica=self.replica,
            clock=self.clock,
            rng=random.Random(8),
            heartbeats=self.heartbeats,
            config=lifecycle or NodeLifecycle(),
            rebalance=rebalance or Rebalance(enabled=False),
        )

    def _agent(self, name: str) -> HollowAgent:
        return HollowAgent(name, self.replica, self.heartbeats)

    async def __aenter__(self) -> Self:
        self._stack = contextlib.AsyncExitStack()
        group = self.group = await self._stack.enter_async_context(asyncio.TaskGroup())
        for name in self.agents:
            await self.create(kinds.NODE, new_node(name))
        self._tasks = [group.create_task(self.controllers.run())]
        self._tasks += [group.create_task(agent.run()) for agent in self.agents.values()]
        await self.pass_time(3)
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await self._stack.__aexit__(*error)

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.replica.view.validate()

    # Being a user.

    async def create(self, kind: kinds.Kind, value: Object) -> None:
        metadata = {"uid": names.new_uid(self.rng), "creation_timestamp": self.clock.now().replace(microsecond=0)}
        value = objects.with_metadata(value, generation=1, **metadata)
        (outcome,) = await self.replica.propose([creation(kind, value)])
        assert outcome.verdict is Verdict.DONE, outcome

    async def change(self, kind: kinds.Kind, name: str, change: Callable, *, namespace: str = "default") -> None:
        """Replace an object by what `change` makes of it; its generation grows with its spec."""
        stored = self.stored(kind, name, namespace)
        value = change(stored.object)
        if hasattr(value, "spec") and value.spec != stored.object.spec:
            value = objects.with_metadata(value, generation=value.metadata.generation + 1)
        (outcome,) = await self.replica.propose([update(stored, value)])
        assert outcome.verdict in (Verdict.DONE, Verdict.UNCHANGED), outcome

    async def respec(self, name: str, **changes: object) -> None:
        await self.change(
            kinds.DEPLOYMENT,
            name,
            lambda it: msgspec.structs.replace(it, spec=msgspec.structs.replace(it.spec, **changes)),
        )

    async def respec_nodes(self, **allocatable: str) -> None:
        def offer(node: Node) -> Node:
            status = msgspec.structs.replace(node.status, allocatable=node.status.allocatable | allocatable)
            return msgspec.structs.replace(node, status=status)

        for name in self.agents:
            await self.change(kinds.NODE, name, offer)

    async def set_image(self, name: str, image: str) -> None:
        await self.respec(name, template=new_template(name, image))

    async def mark_deleted(self, kind: kinds.Kind, name: str, *finalizers: str, namespace: str = "default") -> None:
        stored = self.stored(kind, name, namespace)
        value = objects.with_metadata(
            stored.object,
            deletion_timestamp=self.clock.now(),
            finalizers=(*stored.object.metadata.finalizers, *finalizers),
        )
        await self.replica.propose([update(stored, value)])

    async def delete(self, kind: kinds.Kind, name: str, namespace: str = "default") -> None:
        await self.replica.propose([Delete(self._key(kind, name, namespace))])

    # Looking.

    def _key(self, kind: kinds.Kind, name: str, namespace: str) -> Key:
        return Key(kind.resource, namespace if kind.namespaced else "", name)

    def stored(self, kind: kinds.Kind, name: str, namespace: str = "default") -> Stored:
        found = self.replica.view.get(self._key(kind, name, namespace))
        assert found, f"no {kind.singular} {name}"
        return found

    def deployment(self, name: str) -> Deployment:
        return self.stored(kinds.DEPLOYMENT, name).object

    def node(self, name: str) -> Node:
        return self.stored(kinds.NODE, name).object

    def replica_sets(self) -> list[ReplicaSet]:
        return [stored.object for stored in self.replica.view.list("replicasets.apps")]

    def pods(self, **labels: str) -> list[Pod]:
        pods = [stored.object for stored in self.replica.view.list("pods")]
        return [pod for pod in pods if labels.items() <= pod.metadata.labels.items()]

    def serving(self) -> list[Pod]:
        return [
            pod
            for pod in self.pods()
            if conditions.is_true(pod.status.conditions, "Ready") and not objects.is_terminating(pod)
        ]

    def images(self) -> Counter[str]:
        return Counter(pod.spec.containers[0].image for pod in self.pods() if not objects.is_terminating(pod))

    def spread(self) -> Counter[str]:
        return Counter(pod.spec.node_name for pod in self.pods() if not objects.is_terminating(pod))

    def events(self, reason: str) -> list[Event]:
        return [stored.object for stored in self.replica.view.list("events") if stored.object.reason == reason]

    def condition(self, name: str, type_: str) -> Condition | None:
        return conditions.get(self.deployment(name).status.conditions, type_)

    def commands_since(self, count: int) -> list[tuple[Operation, ...]]:
        """Return the commands after the first `count` that write more than Events."""
        later = self.replica.commands[count:]
        return [each for each in later if any(operation.key.resource != "events" for operation in each)]


def new_node(name: str, **allocatable: str) -> Node:
    return Node(
        metadata=ObjectMeta(name=name),
        status=NodeStatus(allocatable={"cpu": "8", "memory": "16Gi", "pods": "110"} | allocatable),
    )


def new_template(name: str, image: str = "web:1", **pod_spec: object) -> PodTemplateSpec:
    return PodTemplateSpec(
        metadata=ObjectMeta(labels={"app": name}),
        spec=PodSpec(containers=(Container(name="main", image=image),), restart_policy="Always", **pod_spec),
    )


def new_deployment(
    name: str = "web", replicas: int = 3, image: str = "web:1", *, surge=1, unavailable=0, **spec: object
) -> Deployment:
    rolling = RollingUpdateDeployment(max_surge=surge, max_unavailable=unavailable)
    defaults = {
        "strategy": DeploymentStrategy(type="RollingUpdate", rolling_update=rolling),
        "template": new_template(name, image),
        "revision_history_limit": 10,
        "progress_deadline_seconds": 600,
    }
    return Deployment(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=DeploymentSpec(replicas=replicas, selector=LabelSelector(match_labels={"app": name}), **defaults | spec),
    )
