"""Who may speak with whom: Compose's networks as NetworkPolicies, one for each service that not all others reach.

Services meet where they share a network. All Pods of a cluster share one, so a service gets a policy where a machine's
Engine would keep somebody from it: another service that shares no network with it, or, where all of its networks are
internal, whoever is outside. One that all reach, as in a project of a single network, gets none.

Source: https://docs.docker.com/reference/compose-file/networks/ and what the Engine's bridge networks let pass.
"""

from __future__ import annotations

from collections.abc import Iterable

from swarmlet.manifests.compose.conversion.draft import (
    PROJECT_LABEL,
    SERVICE_LABEL,
    Document,
    Draft,
    ServiceDraft,
    with_labels,
    without_empty,
)
from swarmlet.manifests.compose.conversion.ports import protocol_of
from swarmlet.manifests.compose.model.networking import Network
from swarmlet.manifests.compose.model.services import Service

BRIDGE = "network_mode: bridge"
"""The Engine's own network, which a service may ask for in place of one of the project's."""
ON_THE_MACHINE = "host"
_BRIDGE_MODES = ("bridge", "default")


def policies(draft: Draft) -> list[Document]:
    """Return the NetworkPolicies of a project, in the order of its services."""
    services = draft.project.services
    # What has its machine's address no policy holds, and none can name.
    networks = {key: _networks(each) for key, each in services.items() if each.network_mode != ON_THE_MACHINE}
    found = []
    for key, own in networks.items():
        friends = frozenset(other for other, theirs in networks.items() if own & theirs)
        internal = _is_internal(draft, own)
        if internal or not (_is_shared(draft, own) or friends == networks.keys()):
            found.append(_policy(draft, key, friends, internal=internal))
    return found


def is_internal(it: ServiceDraft) -> bool:
    """Whether nothing outside reaches a service, nor it what is outside: all of its networks are internal, or none."""
    return it.service.network_mode != ON_THE_MACHINE and _is_internal(it.draft, _networks(it.service))


def _policy(draft: Draft, key: str, friends: frozenset[str], *, internal: bool) -> Document:
    service = draft.project.services[key]
    among_friends = [_peer(draft, friends)] if friends else []
    ingress = [{"from": among_friends}] if friends else []
    if not internal and (opened := _opened(service)):
        ingress.append({"ports": opened})
    spec = {
        "podSelector": {"matchLabels": draft.selector(key)},
        "policyTypes": ["Ingress", "Egress"] if internal else ["Ingress"],
        "ingress": ingress,
        "egress": [{"to": among_friends}] if internal and friends else [],
    }
    document = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": draft.names[key]},
        "spec": without_empty(spec),
    }
    return with_labels(document, draft.labels(key))


def _opened(service: Service) -> list[Document]:
    """Return the container's ports that are published: whoever reaches the machines reaches them."""
    return [
        {"protocol": protocol, "port": number}
        for number, protocol in dict.fromkeys((port.target, protocol_of(port)) for port in service.ports)
    ]


def _peer(draft: Draft, keys: Iterable[str]) -> Document:
    values = sorted(draft.selector(key)[SERVICE_LABEL] for key in keys)
    return {
        "podSelector": {
            "matchLabels": {PROJECT_LABEL: draft.labels()[PROJECT_LABEL]},
            "matchExpressions": [{"key": SERVICE_LABEL, "operator": "In", "values": values}],
        }
    }


def _networks(service: Service) -> frozenset[str]:
    mode = service.network_mode
    if mode in _BRIDGE_MODES:
        return frozenset({BRIDGE})
    return frozenset() if mode else frozenset(service.networks)


def _is_internal(draft: Draft, networks: frozenset[str]) -> bool:
    return all(_network(draft, name).internal for name in networks)


def _is_shared(draft: Draft, networks: frozenset[str]) -> bool:
    """Whether one of them was made by others: who else is in it is not known here, so everybody may come."""
    return any(_network(draft, name).external for name in networks)


def _network(draft: Draft, name: str) -> Network:
    return draft.project.networks.get(name) or Network()
