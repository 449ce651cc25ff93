"""Whom a NetworkPolicy holds and what it lets through, and why a Pod is not reached, or reaches nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from swarmlet.explain.case import Case, about, listed, plural
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding, severity_of
from swarmlet.model import kinds, pods, selectors
from swarmlet.model.meta import LabelSelector, Object
from swarmlet.model.network_policy import EGRESS, INGRESS, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from swarmlet.model.pod import Pod

Rules = Sequence[tuple[tuple[NetworkPolicyPort, ...], tuple[NetworkPolicyPeer, ...]]]

TOLD_MAX = 5
"""Pods, ports and peers that are told of, of each kind."""
OWN_NODE = "but for its own node, as always"


def explain(case: Case, value: Object) -> list[Finding]:
    """Return which Pods a policy holds now, and who may come to them, and where they may go."""
    policy = cast("NetworkPolicy", value)
    causes = (*_unenforced(case, policy), *_rules(case, policy, INGRESS), *_rules(case, policy, EGRESS))
    held = _held(case, policy)
    selector = selectors.to_text(policy.spec.pod_selector) or "all Pods"
    name, namespace = policy.metadata.name, policy.metadata.namespace
    if not held:
        text = f"NetworkPolicy {name} holds no Pod: its selector ({selector}) finds none in namespace {namespace}"
        advice = "let spec.podSelector and the labels of the Pods be the same"
        return [_said(policy, text, "spec.podSelector", severity=WARNING, advice=advice, causes=causes)]
    who = listed((each.metadata.name for each in held), TOLD_MAX)
    text = f"NetworkPolicy {name} holds {plural(len(held), 'Pod')} of namespace {namespace} ({selector}): {who}"
    return [_said(policy, text, "spec.podSelector", severity=severity_of(causes), causes=causes)]


def of_pod(case: Case, pod: Pod) -> list[Finding]:
    """Return which policies say who may come to a Pod and where it may go; nothing where it is free."""
    found = []
    for direction, whom, nobody in (
        (INGRESS, "who may reach it", "nobody may reach it"),
        (EGRESS, "whom it may reach", "it may reach nobody"),
    ):
        holding = [each for each in _policies(case, pod) if direction in each.spec.policy_types]
        if not holding:
            continue
        whose = "NetworkPolicy" if len(holding) == 1 else "NetworkPolicies"
        names = f"{whose} {listed((each.metadata.name for each in holding), TOLD_MAX)}"
        if any(_of(each, direction) for each in holding):
            text, severity = f"{names} {'says' if len(holding) == 1 else 'say'} {whom}", INFO
        else:
            lets = "lets" if len(holding) == 1 else "let"
            text, severity = f"{nobody}, {OWN_NODE}: {names} {lets} nothing pass", WARNING
        advice = f"swarmlet why networkpolicy/{holding[0].metadata.name}"
        found.append(_said(holding[0], text, f"spec.{direction.lower()}", severity=severity, advice=advice))
    return found


def _unenforced(case: Case, policy: NetworkPolicy) -> Iterator[Finding]:
    """Yield what the machine that answers says of itself: it cannot know of the others."""
    if not case.network:
        return
    here = f"on {case.node_name}, which answers you,"
    if fault := case.network["faults"].get("policies"):
        text = f"{here} the rules of NetworkPolicies are not as they should be: {fault}"
        yield _said(policy, text, "network", severity=ERROR, advice="swarmlet status")
    elif not case.network.get("policies"):
        why = case.network["why"].get("policies", "its configuration says network.policies: false")
        yield _said(policy, f"{here} NetworkPolicies are not enforced: {why}", "network", severity=WARNING)


def _rules(case: Case, policy: NetworkPolicy, direction: str) -> Iterator[Finding]:
    """Yield a sentence for each rule of one direction."""
    source = f"spec.{direction.lower()}"
    if direction not in policy.spec.policy_types:
        return
    rules = _of(policy, direction)
    if not rules:
        who = "nobody may reach them" if direction == INGRESS else "they may reach nobody"
        yield _said(policy, f"{who}, {OWN_NODE.replace('its', 'their')}", source)
    for number, (ports, peers) in enumerate(rules):
        told = listed(map(_port, ports), TOLD_MAX) if ports else "any port"
        where = f"{source}[{number}]"
        if not peers:
            text = f"anybody may reach them at {told}" if direction == INGRESS else f"they may reach anybody at {told}"
            yield _said(policy, text, where)
        for peer in peers[:TOLD_MAX]:
            yield _peer(case, policy, direction, peer, told, where)


def _peer(
    case: Case, policy: NetworkPolicy, direction: str, peer: NetworkPolicyPeer, ports: str, source: str
) -> Finding:
    words, found = _words(case, policy, peer)
    text = f"{words} may reach them at {ports}" if direction == INGRESS else f"they may reach {words} at {ports}"
    if found is None:
        return _said(policy, text, source)
    if not found:
        return _said(policy, f"{text}; there is no such Pod now", source, severity=WARNING)
    names = listed((f"{each.metadata.namespace}/{each.metadata.name}" for each in found), TOLD_MAX)
    return _said(policy, f"{text}; now {plural(len(found), 'Pod')}: {names}", source)


def _words(case: Case, policy: NetworkPolicy, peer: NetworkPolicyPeer) -> tuple[str, list[Pod] | None]:
    """Return how a peer is called, and the Pods that it is now; None where it is addresses."""
    if peer.ip_block is not None:
        left_out = peer.ip_block.except_
        return f"addresses of {peer.ip_block.cidr}" + (f" but {listed(left_out, TOLD_MAX)}" if left_out else ""), None
    wanted = selectors.to_text(peer.pod_selector or LabelSelector())
    words = f"Pods with {wanted}" if wanted else "all Pods"
    if peer.namespace_selector is None:
        namespaces = {policy.metadata.namespace}
        words += " of its namespace"
    else:
        of_namespace = selectors.from_labels(peer.namespace_selector)
        every = (each.object for each in case.view.list(kinds.NAMESPACE.resource))
        namespaces = {each.metadata.name for each in every if of_namespace(each.metadata.labels)}
        told = selectors.to_text(peer.namespace_selector)
        words += f" of namespaces with {told}" if told else " of all namespaces"
    is_wanted = selectors.from_labels(peer.pod_selector or LabelSelector())
    found = [
        pod
        for namespace in sorted(namespaces)
        for pod in _on_network(case, namespace)
        if is_wanted(pod.metadata.labels)
    ]
    return words, found


def _held(case: Case, policy: NetworkPolicy) -> list[Pod]:
    is_held = selectors.from_labels(policy.spec.pod_selector)
    return [pod for pod in _on_network(case, policy.metadata.namespace) if is_held(pod.metadata.labels)]


def _policies(case: Case, pod: Pod) -> list[NetworkPolicy]:
    if pod.spec.host_network:
        return []
    listed_ = case.view.list(kinds.NETWORK_POLICY.resource, pod.metadata.namespace)
    every = (cast("NetworkPolicy", each.object) for each in listed_)
    return [each for each in every if selectors.from_labels(each.spec.pod_selector)(pod.metadata.labels)]


def _on_network(case: Case, namespace: str) -> Iterable[Pod]:
    """Return the Pods of a namespace that policies know: those that are not over, nor on their machine's network."""
    every = (cast("Pod", each.object) for each in case.view.list(kinds.POD.resource, namespace))
    return [each for each in every if not each.spec.host_network and not pods.is_finished(each)]


def _of(policy: NetworkPolicy, direction: str) -> Rules:
    if direction == INGRESS:
        return [(each.ports, each.from_) for each in policy.spec.ingress]
    return [(each.ports, each.to) for each in policy.spec.egress]


def _port(port: NetworkPolicyPort) -> str:
    until = f"-{port.end_port}" if port.end_port else ""
    return f"{'any' if port.port is None else port.port}{until}/{port.protocol or 'TCP'}"


def _said(
    policy: NetworkPolicy,
    text: str,
    source: str,
    *,
    severity: str = INFO,
    advice: str = "",
    causes: tuple[Finding, ...] = (),
) -> Finding:
    return Finding(text=text, severity=severity, about=about(policy), source=source, advice=advice, causes=causes)
