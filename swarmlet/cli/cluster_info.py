"""`swarmlet cluster-info`: where the cluster's API and its own services are."""

from __future__ import annotations

from typing import Annotated

import typer

from swarmlet.cli import exits, parsing
from swarmlet.cli.session import Session, connected

SERVICES = "kubernetes.io/cluster-service=true"
NAMESPACE = "kube-system"
DUMP = "dump"
INSTEAD = "there is no dump: `swarmlet get all -A -o yaml`, `swarmlet events -A` and `swarmlet history` tell as much"


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("cluster-info", cls=parsing.Command)(cluster_info)


@connected
async def cluster_info(session: Session, word: Annotated[str, typer.Argument(hidden=True)] = "") -> None:
    """Tell where the cluster's API and its own services are; `swarmlet status` tells how its machines are."""
    from swarmlet.client.client import Scope

    if word:
        raise exits.UsageError(INSTEAD if word == DUMP else f"unknown: {word}")
    services = (await session.catalogue()).find("services")
    found = (await session.api.list(services, Scope(namespace=NAMESPACE, labels=SERVICES))).get("items") or ()
    print(f"Kubernetes control plane is running at {session.api.connection.endpoint.name}")
    for each in found:
        name = each["metadata"]["name"]
        label = (each["metadata"].get("labels") or {}).get("kubernetes.io/name") or name
        print(f"{label} is running at {each['spec'].get('clusterIP')}")
