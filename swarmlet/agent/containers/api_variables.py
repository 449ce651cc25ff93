"""The variables by which every container finds the API, as Kubernetes has them for its Service `kubernetes`. Pure."""

from __future__ import annotations

from swarmlet.agent.containers.downward import Find
from swarmlet.model import api_service, kinds, services
from swarmlet.model.services import Service
from swarmlet.store.commands import Key

SERVICE = Key(kinds.SERVICE.resource, api_service.NAMESPACE, api_service.NAME)


def of(find: Find) -> dict[str, str]:
    """Return the variables; none where the Service is not there."""
    found = find(SERVICE)
    if not isinstance(found, Service) or not services.has_cluster_ip(found.spec) or not found.spec.ports:
        return {}
    port = str(found.spec.ports[0].port)
    return {
        api_service.HOST_VARIABLE: found.spec.cluster_ip,
        api_service.PORT_VARIABLE: port,
        f"{api_service.PORT_VARIABLE}_{api_service.PORT_NAME.upper()}": port,
    }
