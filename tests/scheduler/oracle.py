"""Whether a Pod may be on a node, worked out anew from the objects each time: slow, and plainly what the rules say.

It shares nothing with the scheduler but the objects of the API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from swarmlet.model import quantity
from swarmlet.model.affinity import PodAffinityTerm
from swarmlet.model.core import Namespace, Node
from swarmlet.model.meta import LabelSelector
from swarmlet.model.pod import Pod
from swarmlet.model.topology import TopologySpreadConstraint

Bound = Sequence[tuple[Pod, str]]
"""Pods, each with the name of its node."""


class Oracle:
    def __init__(self, nodes: Sequence[Node], namespaces: Sequence[Namespace] = ()) -> None:
        self.nodes = {node.metadata.name: node for node in nodes}
        self.spaces = {each.metadata.name: each.metadata.labels for each in namespaces}

    def may(self, pod: Pod, name: str, bound: Bound) -> bool:
        node = self.nodes[name]
        return (
            self._is_open(pod, node)
            and self._has_room(pod, node, [each for each, where in bound if where == name])
            and self._affinity(pod, node, bound)
            and self._apart(pod, node, bound)
            and self._others_apart(pod, node, bound)
            and all(self._even(each, pod, node, bound) for each in pod.spec.topology_spread_constraints if hard(each))
        )

    def _is_open(self, pod: Pod, node: Node) -> bool:
        if node.status.conditions[0].status != "True" or node.spec.unschedulable:
            return False
        tolerated = {each.key for each in pod.spec.tolerations}
        if any(taint.effect != "PreferNoSchedule" and taint.key not in tolerated for taint in node.spec.taints):
            return False
        return pod.spec.node_selector.items() <= node.metadata.labels.items()

    def _has_room(self, pod: Pod, node: Node, here: Sequence[Pod]) -> bool:
        if len(here) + 1 > int(node.status.allocatable["pods"]):
            return False
        for name in ("cpu", "memory"):
            asked = sum(asks(each, name) for each in (*here, pod))
            if asked > quantity.to_milli(node.status.allocatable[name]):
                return False
        ports = [port.host_port for each in (*here, pod) for port in each.spec.containers[0].ports]
        return len(ports) == len(set(ports))

    def _affinity(self, pod: Pod, node: Node, bound: Bound) -> bool:
        terms = pod.spec.affinity.pod_affinity.required if pod.spec.affinity else ()
        if not terms:
            return True
        if any(term.topology_key not in node.metadata.labels for term in terms):
            return False
        known = [(each, self.nodes[where]) for each, where in bound]
        fitting = [(each, where) for each, where in known if all(self._is_of(term, pod, each) for term in terms)]
        in_domains = [
            (each, where)
            for each, where in fitting
            if any(term.topology_key in where.metadata.labels for term in terms)
        ]
        if not in_domains and all(self._is_of(term, pod, pod) for term in terms):
            return True
        return all(any(same(term.topology_key, node, where) for _, where in fitting) for term in terms)

    def _apart(self, pod: Pod, node: Node, bound: Bound) -> bool:
        terms = pod.spec.affinity.pod_anti_affinity.required if pod.spec.affinity else ()
        return not any(
            self._is_of(term, pod, each) and same(term.topology_key, node, self.nodes[where])
            for term in terms
            for each, where in bound
        )

    def _others_apart(self, pod: Pod, node: Node, bound: Bound) -> bool:
        return not any(
            self._is_of(term, each, pod) and same(term.topology_key, node, self.nodes[where])
            for each, where in bound
            for term in (each.spec.affinity.pod_anti_affinity.required if each.spec.affinity else ())
        )

    def _even(self, constraint: TopologySpreadConstraint, pod: Pod, node: Node, bound: Bound) -> bool:
        key = constraint.topology_key
        if key not in node.metadata.labels:
            return False
        keys = [each.topology_key for each in pod.spec.topology_spread_constraints if hard(each)]
        counts: dict[str, int] = {}
        for each in self.nodes.values():
            labels = each.metadata.labels
            if all(other in labels for other in keys) and pod.spec.node_selector.items() <= labels.items():
                here = [other for other, where in bound if where == each.metadata.name]
                counts[labels[key]] = counts.get(labels[key], 0) + sum(
                    counted(constraint, pod, other) for other in here
                )
        fewest = min(counts.values(), default=0) if len(counts) >= (constraint.min_domains or 1) else 0
        own = 1 if counted(constraint, pod, pod) else 0
        return counts.get(node.metadata.labels[key], 0) + own - fewest <= constraint.max_skew

    def _is_of(self, term: PodAffinityTerm, holder: Pod, other: Pod) -> bool:
        space = other.metadata.namespace
        named = term.namespaces or (() if term.namespace_selector else (holder.metadata.namespace,))
        if space not in named and not (
            term.namespace_selector and selects(term.namespace_selector, self.spaces.get(space, {}))
        ):
            return False
        alike = has_values_of(term.match_label_keys, holder, other)
        return alike and term.label_selector is not None and selects(term.label_selector, other.metadata.labels)


def hard(constraint: TopologySpreadConstraint) -> bool:
    return constraint.when_unsatisfiable == "DoNotSchedule"


def same(key: str, one: Node, other: Node) -> bool:
    return key in one.metadata.labels and one.metadata.labels[key] == other.metadata.labels.get(key)


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    return selector.match_labels.items() <= labels.items()


def counted(constraint: TopologySpreadConstraint, pod: Pod, other: Pod) -> bool:
    if other.metadata.namespace != pod.metadata.namespace or other.metadata.deletion_timestamp:
        return False
    return has_values_of(constraint.match_label_keys, pod, other) and selects(
        constraint.label_selector, other.metadata.labels
    )


def has_values_of(keys: Sequence[str], pod: Pod, other: Pod) -> bool:
    labels = pod.metadata.labels
    return all(other.metadata.labels.get(key) == labels[key] for key in keys if key in labels)


def asks(pod: Pod, name: str) -> int:
    return quantity.to_milli(pod.spec.containers[0].resources.requests.get(name, "0"))
