"""The Service under which Pods find the API: `kubernetes` in the namespace `default`, on every cluster."""

from __future__ import annotations

NAMESPACE = "default"
NAME = "kubernetes"
ADDRESS = "10.43.0.1"
"""The first of the Services' network."""
PORT = 443
PORT_NAME = "https"
NAMES = (
    NAME,
    f"{NAME}.{NAMESPACE}",
    f"{NAME}.{NAMESPACE}.svc",
    f"{NAME}.{NAMESPACE}.svc.cluster.local",
)
"""By which every daemon can be asked for in TLS, beside `ADDRESS`."""
HOST_VARIABLE, PORT_VARIABLE = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
