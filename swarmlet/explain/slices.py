"""What an EndpointSlice tells, and of whom: why it tells that is a matter of its Service."""

from __future__ import annotations

from typing import cast

from swarmlet.explain import services
from swarmlet.explain.case import Case, about, listed, plural
from swarmlet.explain.findings import ERROR, WARNING, Finding, severity_of
from swarmlet.model import kinds
from swarmlet.model.meta import Object
from swarmlet.model.services import SERVICE_NAME_LABEL, EndpointSlice


def explain(case: Case, value: Object) -> list[Finding]:
    """Return how many endpoints a slice has, at which ports, and what is to be said of its Service."""
    told = cast("EndpointSlice", value)
    name = told.metadata.name
    owner = told.metadata.labels.get(SERVICE_NAME_LABEL, "")
    if not owner:
        text = f"EndpointSlice {name} is of no Service: it has no label {SERVICE_NAME_LABEL}"
        return [Finding(text=text, severity=WARNING, about=about(told), source="metadata.labels")]
    service = case.get(kinds.SERVICE, told.metadata.namespace, owner)
    if service is None:
        text = f"EndpointSlice {name} is of the Service {owner}, which there is not: nobody uses it"
        return [Finding(text=text, severity=ERROR, about=about(told), source=f"label {SERVICE_NAME_LABEL}")]
    ready = sum(each.conditions.ready is not False for each in told.endpoints)
    unready = len(told.endpoints) - ready
    ports = listed((f"{each.port}/{each.protocol}" for each in told.ports if each.port is not None), 5)
    causes = tuple(services.explain(case, service))
    text = f"EndpointSlice {name} of the Service {owner} has {plural(ready, 'ready endpoint')}"
    text += f" and {unready} that {'is' if unready == 1 else 'are'} not" if unready else ""
    text += f", at {ports}" if ports else ", at no port"
    return [
        Finding(text=text, severity=severity_of(causes), about=about(told), source="endpoints", causes=causes),
    ]
