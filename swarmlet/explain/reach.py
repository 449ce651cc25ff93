"""Why a Service that has endpoints does not answer all the same: its ways, its ports on the machines, its policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from swarmlet.explain.case import NODES, Case, about, by_condition, by_event, listed, plural
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding
from swarmlet.model import conditions, kinds, selectors
from swarmlet.model.core import Node
from swarmlet.model.network_policy import NetworkPolicy
from swarmlet.model.nodes import NETWORK_UNAVAILABLE
from swarmlet.model.pod import Pod
from swarmlet.model.services import HEADLESS, LOAD_BALANCER, LOCAL, NODE_PORT, Service

PORTS_ERROR = "LoadBalancerPortsError"
PORT_REFUSED = "FailedToOpenPort"
TOLD_MAX = 3
"""Machines, ports and policies that are told of, of each kind."""


def findings(case: Case, service: Service, members: list[Pod], at: Mapping[str, int]) -> Iterator[Finding]:
    """Yield what stands between a client and the endpoints of a Service.

    `members` are the Pods that its selector finds; `at` says how many ready endpoints each node has.
    """
    yield from _on_this_machine(case, service)
    yield from _without_network(case, at)
    yield from _ports_of_machines(case, service)
    yield from _only_local(case, service, at)
    yield from _only_from(service)
    yield from _own_ports(service)
    yield from _policies(case, service, members)


def _on_this_machine(case: Case, service: Service) -> Iterator[Finding]:
    """Yield what the machine that answers says of itself: it cannot know of the others."""
    if not case.network:
        return
    here = f"on {case.node_name}, which answers you,"
    if fault := case.network["faults"].get("services"):
        text = f"{here} connections to Services are not balanced as they should be: {fault}"
        yield Finding(text=text, severity=ERROR, about=about(service), source="network", advice="swarmlet status")
    elif case.network["services"] == "off":
        why = case.network["why"].get("services", "its configuration says network.services: off")
        text = f"{here} nothing balances connections to Services: {why}"
        yield Finding(text=text, severity=ERROR, about=about(service), source="network")
    if fault := case.network["faults"].get("dns"):
        text = f"{here} names do not resolve: {fault}"
        yield Finding(text=text, severity=ERROR, about=about(service), source="network", advice="swarmlet status")


def _without_network(case: Case, at: Mapping[str, int]) -> Iterator[Finding]:
    nodes = [cast("Node", each.object) for each in case.view.list(NODES)]
    for node in nodes:
        held = conditions.get(node.status.conditions, NETWORK_UNAVAILABLE)
        if held is None or held.status != "True":
            continue
        name = node.metadata.name
        there = at.get(name, 0)
        lost = f": its {plural(there, 'endpoint')} cannot be reached from elsewhere" if there else ""
        text = f"node {name} has no Pod network ({held.message.removesuffix('.')}){lost}"
        yield by_condition(node, held, text, ERROR if there else WARNING, f"swarmlet why node/{name}")


def _ports_of_machines(case: Case, service: Service) -> Iterator[Finding]:
    error = conditions.get(service.status.conditions, PORTS_ERROR)
    if error is not None and error.status == "True":
        text = f"it is published on no machine: {error.message}"
        yield by_condition(service, error, text, ERROR, "give one of the two another port")
    elif service.spec.type == LOAD_BALANCER and not service.status.load_balancer.ingress:
        text = "its status names no machine yet on which it is published"
        yield Finding(text=text, severity=WARNING, about=about(service), source="status.loadBalancer")
    refused = [each for each in case.events(service) if each.reason == PORT_REFUSED]
    for event in refused[:TOLD_MAX]:
        yield by_event(service, event, severity=WARNING)


def _only_local(case: Case, service: Service, at: Mapping[str, int]) -> Iterator[Finding]:
    """Yield which machines answer, where a policy says that only those with an endpoint do."""
    names = {each.key.name for each in case.view.list(NODES)}
    having = sorted(name for name in names if at.get(name))
    if not having or len(having) == len(names):
        return
    told = f"only {listed(having)} {'answers' if len(having) == 1 else 'answer'}"
    if service.spec.type in (NODE_PORT, LOAD_BALANCER) and _is_local(service):
        text = f"from outside {told}, which {'has' if len(having) == 1 else 'have'} a ready endpoint"
        yield _said(service, f"{text} (externalTrafficPolicy: Local)", "spec.externalTrafficPolicy")
    if service.spec.internal_traffic_policy == LOCAL:
        text = f"to Pods and machines of the cluster {told}: each reaches the endpoints of its own node alone"
        yield _said(service, f"{text} (internalTrafficPolicy: Local)", "spec.internalTrafficPolicy")


def _is_local(service: Service) -> bool:
    return service.spec.external_traffic_policy == LOCAL


def _only_from(service: Service) -> Iterator[Finding]:
    if service.spec.type == LOAD_BALANCER and (ranges := service.spec.load_balancer_source_ranges):
        text = f"the ports of its load balancer answer only {listed(ranges)} (loadBalancerSourceRanges)"
        yield _said(service, text, "spec.loadBalancerSourceRanges")


def _own_ports(service: Service) -> Iterator[Finding]:
    """Yield that nobody translates the ports of a headless Service, where they are not the Pods' own."""
    if service.spec.cluster_ip != HEADLESS:
        return
    for port in service.spec.ports[:TOLD_MAX]:
        if port.target_port not in (None, "", port.port):
            text = (
                f"it is headless, so its name leads to the Pods themselves: ask at {port.target_port}, not {port.port}"
            )
            yield _said(service, text, "spec.clusterIP")


def _policies(case: Case, service: Service, members: list[Pod]) -> Iterator[Finding]:
    """Yield which NetworkPolicies say who may come to the Pods."""
    listed_ = case.view.list(kinds.NETWORK_POLICY.resource, service.metadata.namespace)
    every = [cast("NetworkPolicy", each.object) for each in listed_]
    holding = [each for each in every if "Ingress" in each.spec.policy_types and _selects(each, members)]
    if not holding:
        return
    names = listed((each.metadata.name for each in holding), TOLD_MAX)
    one = len(holding) == 1
    whose = f"{'NetworkPolicy' if one else 'NetworkPolicies'} {names}"
    if any(each.spec.ingress for each in holding):
        text = f"{whose} {'says' if one else 'say'} who may reach its Pods"
        severity, advice = INFO, f"swarmlet describe networkpolicy {holding[0].metadata.name}"
    else:
        text = f"nobody but its Pods' own nodes may reach them: {whose} {'lets' if one else 'let'} nobody in"
        severity, advice = WARNING, "say in spec.ingress who may, or delete the policy"
    yield Finding(text=text, severity=severity, about=about(holding[0]), source="spec.ingress", advice=advice)


def _selects(policy: NetworkPolicy, members: list[Pod]) -> bool:
    is_held = selectors.from_labels(policy.spec.pod_selector)
    return any(is_held(pod.metadata.labels) for pod in members)


def _said(service: Service, text: str, source: str) -> Finding:
    return Finding(text=text, severity=INFO, about=about(service), source=source)
