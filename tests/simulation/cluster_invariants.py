"""What must hold of a whole cluster: of its stores, its objects, its containers and what its users were promised.

Each check returns what is wrong, in words, and nothing where all is well. `settled` are those that hold once faults
have stopped for long enough; `Singletons` and what it is told hold at every step.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, cast

from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.model import kinds, objects, pods, singletons
from swarmlet.model.apps import Deployment, ReplicaSet
from swarmlet.model.apps_sets import StatefulSet
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.runtime.runtime import SANDBOX, Container, State
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View
from swarmlet.store.state import Store
from tests.simulation.engines import MachineEngine
from tests.simulation.workload import Promise, User, user_part

CONTAINERS_KEPT_MAX = 2
"""Of one container of a Pod: the last, and the one before it for its log."""


class Site(Protocol):
    """A machine that is up, its daemon serving."""

    name: str
    engine: MachineEngine
    volumes: Volumes

    @property
    def store(self) -> Store: ...


def settled(sites: Sequence[Site], users: Iterable[User]) -> Iterator[str]:
    """Yield what is not yet as it must become when nothing disturbs the cluster any more."""
    yield from stores_differ(sites)
    view = sites[0].store
    for stored in every_object(view):
        if objects.is_terminating(stored.object):
            yield f"{stored.key} is still about to go"
    yield from _nodes(view, {site.name for site in sites})
    for stored in view.list(kinds.DEPLOYMENT.resource):
        yield from _deployment(view, stored)
    for stored in view.list(kinds.REPLICA_SET.resource):
        yield from _replica_set(view, stored)
    for stored in view.list(kinds.STATEFUL_SET.resource):
        yield from _stateful_set(view, stored)
    for site in sites:
        yield from _machine(view, site)
    for stored in view.list(kinds.POD.resource):
        pod = cast("Pod", stored.object)
        if not pods.is_ready(pod):
            yield f"{stored.key} on {pod.spec.node_name!r} is {pod.status.phase} and not ready"
    for user in users:
        yield from promises_broken(view, user.promises)


def every_object(view: View) -> Iterator[Stored]:
    for kind in kinds.SERVED:
        yield from view.list(kind.resource)


def stores_differ(sites: Sequence[Site]) -> Iterator[str]:
    """All replicas that have applied the same must hold the same bytes."""
    digests = {site.name: _digest(site.store) for site in sites}
    if len(set(digests.values())) > 1:
        yield f"the replicas differ: {digests}"


def _digest(store: Store) -> str:
    digest = hashlib.sha256()
    for chunk in store.capture().encode_chunks():
        digest.update(chunk)
    return digest.hexdigest()[:12]


# Objects.


def _nodes(view: View, names: set[str]) -> Iterator[str]:
    stored = {each.key.name: each.object for each in view.list(kinds.NODE.resource)}
    if stored.keys() != names:
        yield f"the Nodes are {sorted(stored)}, the machines {sorted(names)}"
    for name, node in stored.items():
        ready = {each.type: each.status for each in node.status.conditions}.get("Ready")  # type: ignore[attr-defined]
        if ready != "True":
            yield f"node {name} is not ready"


def _deployment(view: View, stored: Stored) -> Iterator[str]:
    deployment = cast("Deployment", stored.object)
    wanted, status = deployment.spec.replicas, deployment.status
    counts = (status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas)
    if any(count != wanted for count in counts):
        yield f"{stored.key} wants {wanted} and says {counts}"
    if status.observed_generation != deployment.metadata.generation:
        yield f"{stored.key} is at generation {deployment.metadata.generation}, seen {status.observed_generation}"
    members = [
        cast("Pod", pod.object)
        for replica_set in view.by_owner(deployment.metadata.uid)
        for pod in view.by_owner(replica_set.object.metadata.uid)
    ]
    if len(members) != wanted:
        yield f"{stored.key} wants {wanted} and has {len(members)} Pods"
    wanted_images = [each.image for each in deployment.spec.template.spec.containers]
    for pod in members:
        if [each.image for each in pod.spec.containers] != wanted_images:
            yield f"{stored.key} has Pod {pod.metadata.name} of another template"


def _replica_set(view: View, stored: Stored) -> Iterator[str]:
    replica_set = cast("ReplicaSet", stored.object)
    wanted, status = replica_set.spec.replicas, replica_set.status
    members = view.by_owner(replica_set.metadata.uid)
    if len(members) != wanted or (status.replicas, status.ready_replicas) != (wanted, wanted):
        yield f"{stored.key} wants {wanted}, says {status.replicas}/{status.ready_replicas} and has {len(members)}"
    if status.observed_generation != replica_set.metadata.generation:
        yield f"{stored.key} is at generation {replica_set.metadata.generation}, seen {status.observed_generation}"


def _stateful_set(view: View, stored: Stored) -> Iterator[str]:
    stateful_set = cast("StatefulSet", stored.object)
    wanted, status = stateful_set.spec.replicas or 0, stateful_set.status
    counts = (status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas)
    if any(count != wanted for count in counts) or status.current_revision != status.update_revision:
        yield f"{stored.key} wants {wanted} and says {counts}, {status.current_revision} -> {status.update_revision}"
    if status.observed_generation != stateful_set.metadata.generation:
        yield f"{stored.key} is at generation {stateful_set.metadata.generation}, seen {status.observed_generation}"
    uid = stateful_set.metadata.uid
    members = {each.key.name: cast("Pod", each.object) for each in view.by_owner(uid) if each.key.resource == "pods"}
    if members.keys() != {f"{stored.key.name}-{ordinal}" for ordinal in range(wanted)}:
        yield f"{stored.key} wants {wanted} and has {sorted(members)}"
    wanted_images = [each.image for each in stateful_set.spec.template.spec.containers]
    for name, pod in members.items():
        if [each.image for each in pod.spec.containers] != wanted_images:
            yield f"{stored.key} has Pod {name} of another template"


# Machines.


def _machine(view: View, site: Site) -> Iterator[str]:
    """Every container belongs to a Pod of its node, and every Pod of the node has its containers."""
    bound = {each.object.metadata.uid: cast("Pod", each.object) for each in view.pods_on(site.name)}
    kept: Counter[tuple[str, str]] = Counter()
    running: dict[str, Counter[str]] = defaultdict(Counter)
    for container in site.engine.containers():
        if container.pod.uid not in bound:
            yield f"{site.name} leaks {describe(container)} ({container.state.value})"
        kept[container.pod.uid, container.name] += 1
        running[container.pod.uid][container.name] += container.state is State.RUNNING
    for (uid, name), count in kept.items():
        if count > CONTAINERS_KEPT_MAX:
            yield f"{site.name} keeps {count} containers {name} of Pod {uid}"
    for uid, pod in bound.items():
        yield from _pod(site.name, pod, +running[uid])
    for uid in sorted(site.volumes.pod_uids() - bound.keys()):
        yield f"{site.name} keeps the volumes of Pod {uid}"


def _pod(node: str, pod: Pod, running: Counter[str]) -> Iterator[str]:
    wanted = Counter(each.name for each in pods.lasting_containers(pod.spec))
    if len(pod.spec.containers) + len(pod.spec.init_containers) > 1:
        wanted[SANDBOX] = 1
    if running != wanted:
        yield f"{node} runs {dict(running)} of {pod.metadata.name}, which wants {dict(wanted)}"
    if [each.image for each in pod.status.container_statuses] != [each.image for each in pod.spec.containers]:
        yield f"{pod.metadata.name} tells of other images than it wants"


# Promises.


def promises_broken(view: View, promises: Mapping[Key, Promise]) -> Iterator[str]:
    """What was acknowledged must be so, unless a later request may have changed it."""
    for key, promise in promises.items():
        home = promises.get(Key(kinds.NAMESPACE.resource, "", key.namespace))
        if home is not None and (home.maybe_deleted or not home.exists):
            continue
        stored = view.get(key)
        if stored is None:
            if promise.exists and not promise.maybe_deleted and promise.kind is not kinds.POD:  # a lost node's are
                yield f"{key} was acknowledged and is not there"
        elif not promise.exists and not promise.maybe_created:
            yield f"{key} was deleted and is there"
        elif promise.exists and not _is_as_told(stored.object, promise):
            yield f"{key} is not as its user was told"


def _is_as_told(value: Object, promise: Promise) -> bool:
    """Whether what is the user's of an object is what was acknowledged; the scheduler completes a Pod's."""
    return promise.kind in (kinds.POD, kinds.NAMESPACE) or user_part(value) in promise.specs


# At every step.


class Singletons:
    """Never two live containers of one strict singleton in the whole cluster, daemons alive or dead.

    A strict singleton is what has a Pod's name: who replaces the Pod gives the new one the same.
    """

    def __init__(self, engines: Mapping[str, MachineEngine]) -> None:
        self._engines = engines
        self._strict: dict[str, str] = {}

    def learn(self, pod: Pod) -> None:
        """Take note of a Pod that may be one."""
        if singletons.must_be_single(pod):
            self._strict[pod.metadata.uid] = f"{pod.metadata.namespace}/{pod.metadata.name}"

    def broken(self) -> Iterator[str]:
        """Yield the singletons that live twice."""
        places: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for name, engine in self._engines.items():
            for container in engine.running():
                if (singleton := self._strict.get(container.pod.uid)) and container.name != SANDBOX:
                    places[singleton].add((name, container.pod.uid))
        for singleton, where in places.items():
            if len(where) > 1:
                yield f"strict singleton {singleton} lives {len(where)} times: {sorted(where)}"


def describe(container: Container) -> str:
    return f"{container.pod.namespace}/{container.pod.name}/{container.name}#{container.attempt}"
