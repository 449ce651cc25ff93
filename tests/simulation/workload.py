"""Users of a simulated cluster: what they ask of it, at one daemon or another, and what they were promised.

Each has names of its own, so that nobody but the cluster comes between what one asked and what is there at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from swarmlet.api.queries import WriteOptions
from swarmlet.api.reading.leases import LeaseSource
from swarmlet.api.reading.reads import Reader
from swarmlet.api.targets import Target
from swarmlet.api.writing import admission
from swarmlet.api.writing.writes import Writer
from swarmlet.clock import Clock
from swarmlet.errors import CallerError, PeerError
from swarmlet.model import defaults, kinds, objects
from swarmlet.model.apps import Deployment, DeploymentSpec, DeploymentStrategy, ReplicaSet, ReplicaSetSpec
from swarmlet.model.apps_sets import ORDERED_READY, PARALLEL, StatefulSet, StatefulSetSpec
from swarmlet.model.container import Container, VolumeMount
from swarmlet.model.core import ConfigMap, Namespace
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import DeleteOptions, LabelSelector, Object, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec, PodTemplateSpec
from swarmlet.model.pod_volumes import ConfigMapVolumeSource, Volume
from swarmlet.model.probes import ExecAction, Lifecycle, LifecycleHandler, Probe
from swarmlet.model.singletons import STRICT_SINGLETON
from swarmlet.store.commands import Key
from swarmlet.store.replica import Replica, Stored
from tests.simulation.kernel import Kernel
from tests.simulation.process import Process

IMAGES = ("app:1", "app:2", "app:3")
REPLICAS_MAX = 6
STATEFUL_REPLICAS_MAX = 2
NAMES = 3
REQUEST_SECONDS = 10.0
LOOK_SECONDS = 0.1
DELETIONS_SHARE = 0.2
GRANTED = "granted"
PAUSES_SECONDS = (0.7, 3.0, 6.0)
"""The mean time between two requests of a user: some are scripts, some are people."""
POLICIES = (None, None, "Background", "Foreground")


PROBE = Probe(
    exec=ExecAction(command=("sh", "-c", "sleep 0.05")), timeout_seconds=1, period_seconds=1, success_threshold=1,
    failure_threshold=3,
)  # fmt: skip
SIDECAR = Container(name="proxy", image=IMAGES[0], restart_policy="Always", startup_probe=PROBE)


def attended(container: Container) -> Container:
    """Return the container with all that may be asked of it and told by it."""
    return msgspec.structs.replace(
        container,
        startup_probe=PROBE,
        readiness_probe=PROBE,
        liveness_probe=PROBE,
        lifecycle=Lifecycle(post_start=LifecycleHandler(exec=ExecAction(command=("sh", "-c", "sleep 0.1")))),
        termination_message_path="/dev/termination-log",
        termination_message_policy="FallbackToLogsOnError",
    )


@dataclass(slots=True)
class Promise:
    """What a user knows of one object.

    `exists` is what was acknowledged last; `maybe_created` and `maybe_deleted` tell of a later request whose outcome is
    unknown. `specs` are those that may stand: the last that was acknowledged, and each later one that may have been
    written.
    """

    kind: Kind
    specs: list[Any] = field(default_factory=list)
    exists: bool = False
    maybe_created: bool = False
    maybe_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Desk:
    """A daemon as its users see it: what they ask for is worked on in its process."""

    name: str
    process: Process
    replica: Replica
    leases: LeaseSource
    clock: Clock


class User:
    """One user. `desks` returns the daemons that take requests now; after `stop` nothing more is asked for."""

    def __init__(self, name: str, kernel: Kernel, desks: Callable[[], Sequence[Desk]]) -> None:
        self.name = name
        self.promises: dict[Key, Promise] = {}
        self.asked = self.granted = 0
        self.is_busy = False
        self._kernel = kernel
        self._rng = kernel.chance(f"user {name}")
        self._desks = desks
        self._stopped = False
        self._pause_seconds = self._rng.choice(PAUSES_SECONDS)
        self._plan_next()

    @property
    def namespaces(self) -> tuple[str, ...]:
        return ("default", f"{self.name}-team")

    def stop(self) -> None:
        self._stopped = True

    # One request after another.

    def _plan_next(self) -> None:
        self._kernel.after(self._rng.expovariate(1 / self._pause_seconds), self._begin)

    def _begin(self) -> None:
        desks = self._desks()
        if self._stopped:
            return
        if not desks:
            self._plan_next()
            return
        self.asked += 1
        self.is_busy = True
        desk, target = self._rng.choice(desks), self._target()
        answer: list[str] = []
        desk.process.spawn(self._ask(desk, target, answer))
        self._await(desk, target, answer)

    def _await(self, desk: Desk, target: Target, answer: list[str]) -> None:
        """Look now and then whether there is an answer: a daemon that died gives none."""
        if answer or not desk.process.alive:
            self.is_busy = False
            how = answer[0] if answer else "the daemon is gone"
            self.granted += how == GRANTED
            self._kernel.record(self.name, f"{target.kind.singular} {target.name} by {desk.name}: {how}")
            self._plan_next()
        else:
            self._kernel.after(LOOK_SECONDS, lambda: self._await(desk, target, answer))

    async def _ask(self, desk: Desk, target: Target, answer: list[str]) -> None:
        """Make one request about the target, whatever comes to mind; leave the answer, one line."""
        reader = Reader(replica=desk.replica, clock=desk.clock, lease_source=desk.leases)
        writer = Writer(replica=desk.replica, reader=reader, clock=desk.clock, rng=self._rng)
        promise = self.promises.setdefault(target.key, Promise(target.kind))
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                if not (promise.exists or promise.maybe_created):
                    await self._create(promise, writer, target)
                elif self._rng.random() < DELETIONS_SHARE or target.kind in (kinds.POD, kinds.NAMESPACE):
                    await self._delete(promise, writer, target)
                else:
                    await self._change(promise, writer, target)
        except (CallerError, PeerError, TimeoutError) as error:
            answer.append(f"{type(error).__name__} {error}")
        else:
            answer.append(GRANTED)

    def _target(self) -> Target:
        rng = self._rng
        kind = rng.choice((*[kinds.DEPLOYMENT] * 8, kinds.POD, kinds.POD, kinds.REPLICA_SET, kinds.CONFIG_MAP))
        namespace = rng.choice(self.namespaces)
        if namespace != "default" and (not self._is_there(kinds.NAMESPACE, namespace) or rng.random() < 0.05):
            return Target(kinds.NAMESPACE, "", namespace)
        number = rng.randrange(NAMES)
        if kind is kinds.DEPLOYMENT and number == 0 and (self.name, namespace) == ("u1", "default"):
            kind = kinds.STATEFUL_SET  # where the others have a strict singleton, the first user has some of these
        return Target(kind, namespace, f"{self.name}-{kind.singular}-{number}")

    def _is_there(self, kind: Kind, name: str) -> bool:
        promise = self.promises.get(Key(kind.resource, "", name))
        return promise is not None and promise.exists

    async def _create(self, promise: Promise, writer: Writer, target: Target) -> None:
        value = self._new(target)
        promise.maybe_created = True
        promise.specs.append(user_part(defaults.fill(value)))
        await writer.make(target, value, WriteOptions())
        promise.specs = promise.specs[-1:]
        promise.exists, promise.maybe_created, promise.maybe_deleted = True, False, False

    async def _change(self, promise: Promise, writer: Writer, target: Target) -> None:
        is_going = False

        def changed(stored: Stored) -> Object:
            nonlocal is_going
            is_going = objects.is_terminating(stored.object)
            value = admission.updated(target, stored.object, self._changed(stored.object))
            promise.specs.append(user_part(value))
            return value

        await writer.change(target, changed, WriteOptions())
        promise.specs = promise.specs[-1:]
        if not is_going:
            promise.exists, promise.maybe_created, promise.maybe_deleted = True, False, False

    async def _delete(self, promise: Promise, writer: Writer, target: Target) -> None:
        promise.maybe_deleted = True
        options = DeleteOptions(propagation_policy=self._rng.choice(POLICIES))
        await writer.remove(target, options)
        promise.exists = promise.maybe_created = False
        promise.specs = []
        if target.kind is kinds.NAMESPACE:
            self._lose_all_in(target.name)

    def _lose_all_in(self, namespace: str) -> None:
        """Expect nothing firm of what was in a namespace that is deleted."""
        for key, promise in self.promises.items():
            if key.namespace == namespace:
                promise.exists, promise.maybe_created = False, True

    # What they think of.

    def _new(self, target: Target) -> Object:
        metadata = ObjectMeta(name=target.name, namespace=target.namespace, labels={"app": target.name})
        if target.kind is kinds.NAMESPACE:
            return Namespace(metadata=ObjectMeta(name=target.name))
        if target.kind is kinds.CONFIG_MAP:
            return ConfigMap(metadata=metadata, data={"value": str(self._rng.random())})
        template = self._template(target)
        if target.kind is kinds.POD:
            return Pod(metadata=metadata, spec=template.spec)
        selector = LabelSelector(match_labels={"app": target.name})
        replicas = self._rng.randint(0, REPLICAS_MAX)
        if target.kind is kinds.REPLICA_SET:
            return ReplicaSet(
                metadata=metadata, spec=ReplicaSetSpec(replicas=replicas, selector=selector, template=template)
            )
        if target.kind is kinds.STATEFUL_SET:
            return StatefulSet(
                metadata=metadata,
                spec=StatefulSetSpec(
                    replicas=min(replicas, STATEFUL_REPLICAS_MAX),
                    selector=selector,
                    template=template,
                    pod_management_policy=PARALLEL if replicas % 2 else ORDERED_READY,
                ),
            )
        spec = DeploymentSpec(replicas=replicas, selector=selector, template=template)
        if template.metadata.annotations:
            spec = msgspec.structs.replace(spec, replicas=1, strategy=DeploymentStrategy(type="Recreate"))
        return Deployment(metadata=metadata, spec=spec)

    def _template(self, target: Target) -> PodTemplateSpec:
        rng = self._rng
        strict = target.kind is kinds.DEPLOYMENT and target.name.endswith("-0")
        stubborn = rng.random() < 0.2
        containers = [
            Container(
                name="main",
                image=rng.choice(IMAGES),
                command=("sh", "-c", "trap '' TERM; sleep 1e9") if stubborn else (),
                volume_mounts=(VolumeMount(name="scratch", mount_path="/scratch"),) if rng.random() < 0.2 else (),
            )
        ]
        if rng.random() < 0.2:
            containers.append(Container(name="beside", image=rng.choice(IMAGES)))
        if rng.random() < 0.3:
            containers[0] = attended(containers[0])
        spec = PodSpec(
            containers=tuple(containers),
            init_containers=(SIDECAR,) if rng.random() < 0.2 else (),
            volumes=(Volume(name="scratch", config_map=ConfigMapVolumeSource(name="some", optional=True)),)
            if containers[0].volume_mounts
            else (),
            termination_grace_period_seconds=rng.choice((1, 3, 30)),
        )
        annotations = {STRICT_SINGLETON: "true"} if strict else {}
        return PodTemplateSpec(metadata=ObjectMeta(labels={"app": target.name}, annotations=annotations), spec=spec)

    def _changed(self, value: Object) -> Object:
        if isinstance(value, ConfigMap):
            return msgspec.structs.replace(value, data={"value": str(self._rng.random())})
        spec = cast("Any", value).spec
        if isinstance(value, Deployment | StatefulSet) and self._rng.random() < 0.5:
            containers = spec.template.spec.containers
            image = self._rng.choice([each for each in IMAGES if each != containers[0].image])
            containers = (msgspec.structs.replace(containers[0], image=image), *containers[1:])
            pod_spec = msgspec.structs.replace(spec.template.spec, containers=containers)
            changed = msgspec.structs.replace(spec, template=msgspec.structs.replace(spec.template, spec=pod_spec))
        else:
            most = 1 if spec.template.metadata.annotations else REPLICAS_MAX
            most = STATEFUL_REPLICAS_MAX if isinstance(value, StatefulSet) else most
            changed = msgspec.structs.replace(spec, replicas=self._rng.randint(0, most))
        return msgspec.structs.replace(value, spec=changed)


def user_part(value: Object) -> Any:
    """Return what of an object is its user's."""
    return value.data if isinstance(value, ConfigMap) else getattr(value, "spec", None)
