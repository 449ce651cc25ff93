"""What the claims of a Pod mean to the scheduler: what they ask of a node, and what they get with it.

Source: kubernetes pkg/scheduler/framework/plugins/volumebinding and volumerestrictions. There a claim is bound in
steps, by three programs; here the Pod's binding, its claims' and the making of their volumes are one command.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import cast

import msgspec

from swarmlet.controllers.storage import binding as volume_binding
from swarmlet.controllers.storage import notes as volume_notes
from swarmlet.controllers.storage import storage_classes
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.model import conditions, events, kinds, objects, singletons, storage, volumes
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import Node
from swarmlet.model.pod import Pod
from swarmlet.model.storage import PersistentVolume, PersistentVolumeClaim, StorageClass
from swarmlet.scheduler.claim_users import ClaimUsers
from swarmlet.scheduler.cluster import NodeInfo
from swarmlet.scheduler.volumes import Candidate, Choice, VolumeDemand, chosen
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

CLAIMS = kinds.PERSISTENT_VOLUME_CLAIM.resource
VOLUMES = kinds.PERSISTENT_VOLUME.resource
CLASSES = kinds.STORAGE_CLASS.resource
NODES = kinds.NODE.resource
WATCHED = frozenset({CLAIMS, VOLUMES, CLASSES})
DISK = "ephemeral-storage"

UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
TAKEN = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"


class Unschedulable(Exception):  # noqa: N818  it is an answer, and its words are the Pod's reason to wait
    """No node will do for a Pod, for its claims' sake."""


class VolumeScheduling:
    """It remembers which Pods mount which claims."""

    def __init__(self) -> None:
        self._users = ClaimUsers()
        self._stock: _Stock | None = None

    def catch_up(self, view: View) -> None:
        """Take in what changed; called often, it never has to read everything."""
        self._users.catch_up(view)

    def demand(self, view: View, stored: Stored, nodes: Mapping[str, NodeInfo]) -> VolumeDemand | None:
        """Return what a Pod's claims ask for, None where it has none; raise `Unschedulable` where no node can do."""
        pod = cast("Pod", stored.object)
        names = volumes.claim_names(pod) if pod.spec.volumes else ()
        if not names:
            return None
        if self._stock is None or self._stock.revision != view.revision:
            self._stock = _Stock(view)
        look = _Look(view, nodes, self._stock)
        for name in names:
            key = Key(CLAIMS, stored.key.namespace, name)
            others = [each for each in self._users.of(view, key) if each.spec.node_name]
            look.take(_claim(view, key), others)
        return look.demand()


class _Stock:
    """The volumes at one moment, looked through once for all the Pods that wait then."""

    def __init__(self, view: View) -> None:
        every = [cast("PersistentVolume", each.object) for each in view.list(VOLUMES)]
        self.revision = view.revision
        self.free = [each for each in every if volumes.is_free(each)]
        self.promised_bytes: Counter[str] = Counter()
        for each in filter(volumes.is_our_own, every):
            self.promised_bytes[volumes.node_name(each)] += volumes.capacity_bytes(each)


class _Look:
    """The claims of one Pod, taken in one after another."""

    def __init__(self, view: View, nodes: Mapping[str, NodeInfo], stock: _Stock) -> None:
        self._view = view
        self._nodes = nodes
        self._stock = stock
        self._bound: list[PersistentVolume] = []
        self._choices: list[Choice] = []
        self._exclusive: set[str] = set()
        self._made_bytes = 0
        self._node = ""
        self._held_once = False

    def take(self, claim: PersistentVolumeClaim, others: Sequence[Pod]) -> None:
        """Take in a claim; `others` are the Pods on nodes that mount it."""
        own = f"{CLAIMS}/{claim.metadata.namespace}/{claim.metadata.name}"
        if storage.READ_WRITE_ONCE_POD in claim.spec.access_modes:
            if others:
                raise Unschedulable(TAKEN)
            self._held_once = True
            self._exclusive.add(own)
        if volumes.is_bound(claim):
            self._take_bound(claim, own, others)
        else:
            self._take_open(claim, own, others)

    def _take_bound(self, claim: PersistentVolumeClaim, own: str, others: Sequence[Pod]) -> None:
        name = claim.spec.volume_name
        stored = self._view.get(Key(VOLUMES, "", name))
        if stored is None or claim.status.phase == storage.LOST:
            raise Unschedulable(
                f'persistentvolumeclaim "{claim.metadata.name}" bound to non-existent persistentvolume "{name}"'
            )
        volume = cast("PersistentVolume", stored.object)
        self._bound.append(volume)
        if volumes.must_be_held_once(claim, volume):
            self._held_once = True
            self._exclusive.add(own)
            self._node = next((pod.spec.node_name for pod in others), self._node)

    def _take_open(self, claim: PersistentVolumeClaim, own: str, others: Sequence[Pod]) -> None:
        class_name = storage_classes.name_of(self._view, claim)
        storage_class = storage_classes.find(self._view, class_name) if class_name else None
        if (
            claim.spec.volume_name
            or storage_class is None
            or storage_class.volume_binding_mode != storage.WAIT_FOR_FIRST_CONSUMER
        ):
            raise Unschedulable(UNBOUND)
        candidates = tuple(
            Candidate(each.metadata.name, volumes.required_nodes(each), volumes.must_be_held_once(claim, each))
            for each in volumes.fitting(self._stock.free, claim, class_name)
        )
        is_made = storage_class.provisioner == storage.LOCAL_PROVISIONER
        node = claim.metadata.annotations.get(storage.SELECTED_NODE, "")
        node = node or next((pod.spec.node_name for pod in others), "")
        self._choices.append(Choice(claim.metadata.name, candidates, is_made, node))
        self._exclusive |= {own, *(each.name for each in candidates)}
        self._made_bytes += volumes.requested_bytes(claim) if is_made else 0

    def demand(self) -> VolumeDemand:
        """Return what they ask for together."""
        reach = (volumes.required_nodes(each) for each in self._bound)
        homes = ((each.metadata.name, volumes.node_name(each), volumes.node_id(each)) for each in self._bound)
        return VolumeDemand(
            reach=tuple(nodes for nodes in reach if nodes is not None),
            homes=tuple(home for home in homes if home[1]),
            choices=tuple(self._choices),
            node=self._node,
            full=self._full() if self._made_bytes else frozenset(),
            exclusive=frozenset(self._exclusive),
            held_once=self._held_once,
        )

    def _full(self) -> frozenset[str]:
        """Return the nodes whose disk is known to be promised already; where none is measured, none is full."""
        promised = self._stock.promised_bytes
        return frozenset(
            name
            for name, node in self._nodes.items()
            if DISK in node.allocatable and node.allocatable[DISK] // 1000 - promised[name] < self._made_bytes
        )


def settle(
    drafts: Drafts, view: View, pod: Pod, demand: VolumeDemand, name: str, now: datetime, rng: random.Random
) -> tuple[Pod, list[events.Note]]:
    """Give a Pod's open claims their volumes on the node it goes to.

    Returns the Pod, marked as a strict singleton where its claims ask for that, and what there is to tell.
    """
    node = cast("Node", _found(view, Key(NODES, "", name)).object)
    held_once = demand.held_once
    notes: list[events.Note] = []
    for claim_name, candidate in (chosen(demand, name, node.metadata.labels) or {}).items():
        stored = _found(view, Key(CLAIMS, pod.metadata.namespace, claim_name))
        claim = cast("PersistentVolumeClaim", stored.object)
        class_name = storage_classes.name_of(view, claim)
        spec = msgspec.structs.replace(claim.spec, storage_class_name=class_name)
        wanted = msgspec.structs.replace(claim, spec=spec)
        if candidate is not None:
            held_once |= candidate.held_once
            volume_binding.bind(drafts, stored, wanted, _found(view, Key(VOLUMES, "", candidate.name)), now)
            continue
        storage_class = cast("StorageClass", _found(view, Key(CLASSES, "", class_name)).object)
        maker = volume_binding.Maker(storage_class, node, now, rng)
        notes.append(volume_notes.provisioned(claim, volume_binding.make(drafts, stored, wanted, maker)))
    return (_single(pod) if held_once else pod), notes


def plights(view: View, demand: VolumeDemand) -> dict[str, str]:
    """Return, by its name, a sentence for each volume whose node is not there."""
    said = {}
    for volume, name, node_id in demand.homes:
        stored = view.get(Key(NODES, "", name))
        if stored is None or (node_id and stored.object.metadata.labels.get(NODE_ID_LABEL) != node_id):
            said[volume] = f"volume {volume} lives on node {name}, which has left the cluster"
            continue
        ready = conditions.get(cast("Node", stored.object).status.conditions, "Ready")
        if ready is not None and ready.status != "True":
            since = ready.last_transition_time
            told = f" since {since:%Y-%m-%dT%H:%M:%SZ}" if since else ""
            said[volume] = f"volume {volume} lives on node {name}, which is down{told}"
    return said


def told_to_claims(view: View, pod: Pod, plight: Mapping[str, str]) -> Iterable[events.Note]:
    """Yield what the claims of a Pod are told of the plight of their volumes."""
    for name in volumes.claim_names(pod):
        stored = view.get(Key(CLAIMS, pod.metadata.namespace, name))
        claim = cast("PersistentVolumeClaim", stored.object) if stored else None
        if claim is not None and claim.spec.volume_name in plight:
            message = f"{plight[claim.spec.volume_name]}; its Pods wait for it"
            yield events.Note(claim, events.WARNING, "VolumeNodeDown", message)


def _claim(view: View, key: Key) -> PersistentVolumeClaim:
    stored = view.get(key)
    if stored is None:
        raise Unschedulable(f'persistentvolumeclaim "{key.name}" not found')
    if objects.is_terminating(stored.object):
        raise Unschedulable(f'persistentvolumeclaim "{key.name}" is being deleted')
    return cast("PersistentVolumeClaim", stored.object)


def _found(view: View, key: Key) -> Stored:
    stored = view.get(key)
    assert stored is not None, "it was looked at in this very view"
    return stored


def _single(pod: Pod) -> Pod:
    told = pod.metadata.annotations | {singletons.STRICT_SINGLETON: "true"}
    return objects.with_metadata(pod, annotations=told)
