"""Why a Service has no endpoints, or fewer than its selector's Pods, or does not answer though it has some."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import cast

from swarmlet.explain import groups, reach
from swarmlet.explain.case import PODS, Case, about, listed, number, plural
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding, severity_of, worst_first
from swarmlet.model import cluster_dns, kinds, objects, pods
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.model.services import EXTERNAL_NAME, SERVICE_NAME_LABEL, EndpointSlice, Service


def explain(case: Case, value: Object) -> list[Finding]:
    """Return how many endpoints a Service has, and which of its Pods are none and why."""
    service = cast("Service", value)
    name = service.metadata.name
    if service.spec.type == EXTERNAL_NAME:
        text = f"Service {name} is another name of {service.spec.external_name} (ExternalName): it has no endpoints"
        return [Finding(text=text, about=about(service), source="spec.type")]
    if cluster_dns.is_ours(service):
        return [_of_every_node(case, service)]
    ready, unready, at = _endpoints(case, service)
    found = list(_troubles(case, service))
    if not ready and not found:
        found.append(_untold(service))
    found += reach.findings(case, service, _members(case, service), at)
    headline = Finding(
        text=f"Service {name} has {plural(ready, 'ready endpoint') if ready else 'no ready endpoint'}"
        + (f" and {unready} that {'is' if unready == 1 else 'are'} not" if unready else ""),
        severity=severity_of(found) if ready else ERROR,
        about=about(service),
        source="EndpointSlices",
        causes=worst_first(found),
    )
    return [headline]


def _of_every_node(case: Case, service: Service) -> Finding:
    """Return what is to be said of the Service of DNS: it has no endpoints, for each node answers itself."""
    found = list(reach.findings(case, service, [], {}))
    text = (
        f"Service {service.metadata.name} is the cluster's DNS: every node answers at {service.spec.cluster_ip} itself"
    )
    return Finding(
        text=text, severity=severity_of(found), about=about(service), source="spec", causes=worst_first(found)
    )


def _endpoints(case: Case, service: Service) -> tuple[int, int, Counter[str]]:
    """Return how many endpoints its EndpointSlices tell as ready, how many as not, and the former by their nodes."""
    told: dict[Hashable, bool] = {}
    nodes: dict[Hashable, str] = {}
    for stored in case.view.list(kinds.ENDPOINT_SLICE.resource, service.metadata.namespace):
        each = cast("EndpointSlice", stored.object)
        if each.metadata.labels.get(SERVICE_NAME_LABEL) != service.metadata.name:
            continue
        for endpoint in each.endpoints:
            # Pods of different machines may have one address, and a Pod several.
            who = endpoint.target_ref or endpoint.addresses
            told[who] = told.get(who, False) or endpoint.conditions.ready is not False
            nodes[who] = endpoint.node_name or ""
    at = Counter(nodes[who] for who, ready in told.items() if ready)
    return sum(told.values()), sum(not ready for ready in told.values()), at


def _members(case: Case, service: Service) -> list[Pod]:
    selector = service.spec.selector
    everyone = (cast("Pod", each.object) for each in case.view.list(PODS, service.metadata.namespace))
    return [pod for pod in everyone if selector and selector.items() <= pod.metadata.labels.items()]


def _troubles(case: Case, service: Service) -> Iterator[Finding]:
    selector = service.spec.selector
    if not selector:
        text = "it has no selector: whoever made it writes its EndpointSlices"
        yield Finding(text=text, severity=INFO, about=about(service), source="spec.selector")
        return
    everyone = [cast("Pod", each.object) for each in case.view.list(PODS, service.metadata.namespace)]
    members = _members(case, service)
    if not members:
        yield _selects_none(service, everyone)
        return
    yield from _ports(service, members)
    serving = [pod for pod in members if pods.is_ready(pod) and not objects.is_terminating(pod)]
    if len(serving) < len(members):
        causes = groups.troubles(case, [pod for pod in members if pod not in serving])
        going = groups.gone_soon(members)
        if going:
            text = (
                f"{plural(len(going), 'Pod is', 'Pods are')} about to go: {listed(pod.metadata.name for pod in going)}"
            )
            causes.append(Finding(text=text, severity=INFO, about=about(service), source="now"))
        yield Finding(
            text=f"its selector finds {plural(len(members), 'Pod')}, of which {number(len(serving), 'ready')}",
            severity=WARNING if serving else ERROR,
            about=about(service),
            source="now",
            causes=tuple(causes),
        )


def _selects_none(service: Service, everyone: list[Pod]) -> Finding:
    written = ",".join(f"{key}={value}" for key, value in sorted(service.spec.selector.items()))
    near = _nearest(service.spec.selector, everyone)
    where = f"namespace {service.metadata.namespace}, which has {plural(len(everyone), 'Pod')}"
    return Finding(
        text=f"its selector {written} matches no Pod of {where}{near}",
        severity=ERROR,
        about=about(service),
        source="now",
        advice="let spec.selector and the labels of the Pods' template be the same",
    )


def _nearest(selector: dict[str, str], everyone: Iterable[Pod]) -> str:
    """Return what labels there are instead, of the first key that no Pod has with the wanted value."""
    for key, value in sorted(selector.items()):
        values = {pod.metadata.labels[key] for pod in everyone if key in pod.metadata.labels}
        if value in values:
            continue
        if not values:
            return f"; none has a label {key}"
        ranked = difflib.get_close_matches(value, sorted(values), n=3, cutoff=0.0)
        return f"; there {'is' if len(values) == 1 else 'are'} {listed(f'{key}={each}' for each in ranked)}"
    return "; each label is on some Pod, and all on none"


def _ports(service: Service, members: list[Pod]) -> Iterator[Finding]:
    """Yield the ports that name a container's port which no Pod has."""
    named = {port.name for pod in members for each in pods.lasting_containers(pod.spec) for port in each.ports}
    for port in service.spec.ports:
        wanted = port.target_port
        if isinstance(wanted, str) and wanted not in named:
            there = listed(sorted(filter(None, named)), 5) or "none"
            leads = f"its port {port.name or port.port} leads to a container port named {wanted}"
            yield Finding(
                text=f"{leads}, which no Pod has; there: {there}",
                severity=ERROR,
                about=about(service),
                source="spec.ports",
                advice="name it in the container's ports, or let targetPort be a number",
            )


def _untold(service: Service) -> Finding:
    return Finding(
        text="its Pods are ready and its EndpointSlices do not tell of them yet: that is the leader's work",
        severity=WARNING,
        about=about(service),
        source="EndpointSlices",
        advice="where this lasts: swarmlet status",
    )
