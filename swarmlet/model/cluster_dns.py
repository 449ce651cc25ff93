"""Where the cluster's own DNS is found: a Service that nobody's Pods answer, but every node itself.

It is called as in other clusters, so that whoever looks for the cluster's DNS finds it, and whoever wants another
server in its place makes a Service of that name with a selector.
"""

from __future__ import annotations

from swarmlet.model.services import Service

NAMESPACE = "kube-system"
NAME = "kube-dns"
ADDRESS = "10.43.0.10"
PORT = 53
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
PROXY = "swarmlet-dns"
"""The label's value: no proxy balances this Service, as each node answers at its address."""


def is_ours(service: Service) -> bool:
    """Whether the nodes themselves are to answer at a Service's address."""
    metadata = service.metadata
    return (
        (metadata.namespace, metadata.name) == (NAMESPACE, NAME)
        and metadata.labels.get(PROXY_NAME_LABEL) == PROXY
        and not service.spec.selector
    )
