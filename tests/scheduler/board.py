"""Reads and plays scheduling scenarios: commands, a line with ----, and the output they had when last looked at.

node NAME [cpu=4] [memory=8Gi] [pods=110] [label.K=V] [taint=K=V:EFFECT] [cordoned] [unready] [image=NAME@MIB]
pods NAME COUNT [cpu=100m] [memory=1Gi] [port=80] [select.K=V] [tolerate=K] [owner=UID] [on=NODE] [is.K=V]
    [in=NAMESPACE] [with=IMAGE]
    [prefer.K=V:WEIGHT]                 a label that the node should rather have
    [beside=KEY/K=V] [apart=KEY/K=V]    required affinity and anti-affinity by the topology key, to Pods of a label;
    [beside~=KEY/K=V:WEIGHT] [apart~=KEY/K=V:WEIGHT]    preferred; KEY/K=V/* means Pods of every namespace,
                                                        KEY/K=V/team=a those of the namespaces of a label
    [spread=KEY/K=V:SKEW[:MIN]] [spread~=KEY/K=V:SKEW]  maxSkew and minDomains, DoNotSchedule and ScheduleAnyway
    [match=K]                           matchLabelKeys of all these
remove NAME...              takes Pods away
finish NAME...              lets Pods' containers end for good
unnode NAME...              takes nodes away
namespace NAME [K=V]        makes a namespace with labels
pack                        fills nodes one by one from here on
why NAME                    prints how the Pod that was placed last came to its node, or to none
place                       places what waits, binds it, and prints the nodes' loads and the refusals
nodes                       prints what each node has free
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

from swarmlet.model import kinds, objects
from swarmlet.model.container import Container, ContainerPort, ResourceRequirements
from swarmlet.model.core import ContainerImage, Namespace, Node, NodeSpec, NodeStatus, Taint
from swarmlet.model.meta import Condition, ObjectMeta, OwnerReference
from swarmlet.model.pod import Pod, PodSpec, Toleration
from swarmlet.model.pod_status import PodStatus
from swarmlet.scheduler import explain, placement, scores
from swarmlet.scheduler.cluster import Cluster
from swarmlet.scheduler.decision import Decision
from swarmlet.scheduler.demand import demand_of
from swarmlet.store.commands import Command, Delete, Key, Put
from swarmlet.store.state import Store
from tests.scheduler import wishes


class Options:
    """The words of a command after its name: flags and KEY=VALUE."""

    def __init__(self, words: list[str]) -> None:
        self.flags = {word for word in words if "=" not in word}
        self.values = dict(word.split("=", 1) for word in words if "=" in word)

    def under(self, prefix: str) -> dict[str, str]:
        return {key.removeprefix(prefix): text for key, text in self.values.items() if key.startswith(prefix)}

    def some(self, *names: str, **defaults: str) -> dict[str, str]:
        return {**defaults, **{name: self.values[name] for name in names if name in self.values}}


class Board:
    """A cluster, the Pods that wait, and what was decided last of each."""

    def __init__(self, seed: int = 0) -> None:
        self.decisions: dict[str, Decision | None] = {}
        self.store = Store()
        self.cluster = Cluster()
        self.waiting: dict[Key, Pod] = {}
        self._seed = seed
        self._strategy = scores.LEAST_ALLOCATED
        self._ids = random.Random(1)

    def put(self, kind: kinds.Kind, value) -> None:
        key = Key(kind.resource, value.metadata.namespace, value.metadata.name)
        self.store.apply(Command(self._ids.randbytes(16), (Put(key, objects.to_json(value)),)))

    def run(self, line: str) -> list[str]:
        command, *words = line.split()
        return getattr(self, f"do_{command}")(words)

    def do_node(self, words: list[str]) -> list[str]:
        options = Options(words[1:])
        self.put(kinds.NODE, make_node(words[0], options))
        return []

    def do_pods(self, words: list[str]) -> list[str]:
        name, count, *rest = words
        for number in range(int(count)):
            pod = make_pod(f"{name}-{number}" if int(count) > 1 else name, Options(rest))
            self.waiting[Key("pods", pod.metadata.namespace, pod.metadata.name)] = pod
        return []

    def do_namespace(self, words: list[str]) -> list[str]:
        self.put(kinds.NAMESPACE, Namespace(metadata=ObjectMeta(name=words[0], labels=Options(words[1:]).values)))
        return []

    def do_pack(self, _words: list[str]) -> list[str]:
        self._strategy = scores.MOST_ALLOCATED
        return []

    def do_why(self, words: list[str]) -> list[str]:
        decision = self.decisions[words[0]]
        refused = [f"{each.count} {each.why} ({', '.join(each.nodes)})" for each in decision.refused]
        lines = [f"of {decision.nodes} nodes" + (": " + "; ".join(refused) if refused else "")]
        for title, rating in (("chosen", decision.chosen), ("runner-up", decision.runner_up)):
            if rating:
                parts = ", ".join(f"{part.name} {part.value:.2f} x {part.weight:g}" for part in rating.parts)
                lines.append(f"{title} {rating.node} {rating.score:.2f}: {parts}")
        return [*lines, "a lot decided"] if decision.by_lot else lines

    def do_remove(self, words: list[str]) -> list[str]:
        return self._delete(Key("pods", "default", name) for name in words)

    def do_finish(self, words: list[str]) -> list[str]:
        for name in words:
            pod = self.store.get(Key("pods", "default", name)).object
            bare = objects.with_metadata(pod, resource_version="")
            self.put(kinds.POD, Pod(metadata=bare.metadata, spec=bare.spec, status=PodStatus(phase="Succeeded")))
        return []

    def do_unnode(self, words: list[str]) -> list[str]:
        return self._delete(Key("nodes", "", name) for name in words)

    def _delete(self, keys: Iterable[Key]) -> list[str]:
        for key in keys:
            self.store.apply(Command(self._ids.randbytes(16), (Delete(key),)))
        return []

    def do_place(self, _words: list[str]) -> list[str]:
        placed: dict[str, Counter[str]] = {}
        refused: dict[tuple[str, str], int] = {}
        for each in self.place():
            name = each.pod.name.rpartition("-")[0] or each.pod.name
            if each.node:
                placed.setdefault(name, Counter())[each.node] += 1
            else:
                refused[name, each.refusal] = refused.get((name, each.refusal), 0) + 1
        lines = [f"{name}: {_counts(nodes)}" for name, nodes in placed.items()]
        return lines + [f"{name}: {count} pending: {why}" for (name, why), count in refused.items()]

    def place(self) -> list[placement.Placement]:
        self.cluster.catch_up(self.store)
        requests = [(key, demand_of(pod)) for key, pod in self.waiting.items()]
        placements = placement.place(requests, self.cluster, seed=self._seed, strategy=self._strategy)
        for each in placements:
            self.decisions[each.pod.name] = each.decision
            if each.node:
                self.put(kinds.POD, bound(self.waiting.pop(each.pod), each.node))
        self.cluster.catch_up(self.store)
        self.cluster.validate()
        return placements

    def do_nodes(self, _words: list[str]) -> list[str]:
        self.cluster.catch_up(self.store)
        return [
            f"{name}: "
            + ", ".join(f"{each} {explain.amount(each, node.free(each))}" for each in sorted(node.allocatable))
            for name, node in sorted(self.cluster.nodes.items())
        ]


def _counts(nodes: Counter[str]) -> str:
    return ", ".join(f"{count} on {name}" for name, count in sorted(nodes.items()))


def bound(pod: Pod, node: str) -> Pod:
    spec = {name: getattr(pod.spec, name) for name in pod.spec.__struct_fields__} | {"node_name": node}
    return Pod(metadata=pod.metadata, spec=PodSpec(**spec), status=pod.status)


def make_node(name: str, options: Options) -> Node:
    allocatable = options.some("cpu", "memory", "pods", "ephemeral-storage", cpu="4", memory="8Gi", pods="110")
    allocatable |= options.under("has.")
    return Node(
        metadata=ObjectMeta(name=name, labels=options.under("label.")),
        spec=NodeSpec(unschedulable="cordoned" in options.flags, taints=_taints(options.values.get("taint", ""))),
        status=NodeStatus(
            allocatable=allocatable,
            images=_images(options.values.get("image", "")),
            conditions=(Condition(type="Ready", status="False" if "unready" in options.flags else "True"),),
        ),
    )


def _images(text: str) -> tuple[ContainerImage, ...]:
    name, _, mebibytes = text.rpartition("@")
    return (ContainerImage(names=(name,), size_bytes=int(mebibytes) * 2**20),) if name else ()


def _taints(text: str) -> tuple[Taint, ...]:
    if not text:
        return ()
    label, _, effect = text.rpartition(":")
    key, _, value = label.partition("=")
    return (Taint(key=key, value=value, effect=effect),)


def make_pod(name: str, options: Options) -> Pod:
    ports = tuple(
        ContainerPort(container_port=int(text), host_port=int(text), protocol="TCP")
        for text in options.some("port").values()
    )
    requests = options.some("cpu", "memory", "ephemeral-storage") | options.under("needs.")
    owner = options.values.get("owner", name.rpartition("-")[0])
    reference = OwnerReference(api_version="apps/v1", kind="ReplicaSet", name=owner, uid=owner, controller=True)
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace=options.values.get("in", "default"),
            uid=name,
            labels=options.under("is."),
            owner_references=(reference,) if owner else (),
        ),
        spec=PodSpec(
            containers=(
                Container(
                    name="main",
                    image=options.values.get("with", ""),
                    ports=ports,
                    resources=ResourceRequirements(requests=requests),
                ),
            ),
            node_selector=options.under("select."),
            affinity=wishes.affinity_of(options.values),
            topology_spread_constraints=wishes.spread_of(options.values),
            tolerations=tuple(Toleration(key=key, operator="Exists") for key in options.some("tolerate").values()),
        ),
    )


def play(text: str) -> str:
    """Return the scenario with the output that its commands have now."""
    board = Board()
    parts: list[str] = []
    for block in text.strip().split("\n\n"):
        commands = [line for line in block.split("\n----")[0].splitlines() if line]
        output = [line for command in commands if not command.startswith("#") for line in board.run(command)]
        parts.append("\n".join([*commands, "----", *output]))
    return "\n\n".join(parts) + "\n"
