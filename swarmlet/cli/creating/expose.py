"""`swarmlet expose`: a Service before the Pods of an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import options, parsing
from swarmlet.cli.changes.outcomes import DryRun, Form, Manager, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.cli.selection import Reference

Port = Annotated[int | None, typer.Option("--port", help="The Service's port (default: those of the containers).")]
TargetPort = Annotated[str, typer.Option("--target-port", help="The Pods' port, or its name (default: --port).")]


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("expose", cls=parsing.Command)(expose)


@connected
async def expose(
    session: Session,
    what: options.What,
    port: Port = None,
    target_port: TargetPort = "",
    protocol: Annotated[str, typer.Option("--protocol", help="TCP or UDP.")] = "TCP",
    name: Annotated[str, typer.Option("--name", help="The Service's name (default: the object's).")] = "",
    type_: Annotated[str, typer.Option("--type", help="ClusterIP, NodePort or LoadBalancer.")] = "",
    labels: Annotated[str, typer.Option("--labels", "-l", help="Its labels (default: the object's): a=b,c=d.")] = "",
    selector: Annotated[str, typer.Option("--selector", help="Of which Pods (default: the object's): a=b.")] = "",
    cluster_ip: Annotated[str, typer.Option("--cluster-ip", help="Its address; None: a headless Service.")] = "",
    external_ip: Annotated[str, typer.Option("--external-ip", help="Another address that leads to it.")] = "",
    session_affinity: Annotated[str, typer.Option("--session-affinity", help="None or ClientIP.")] = "",
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-expose",
) -> None:
    """Put a Service before the Pods of an object.

    `expose deploy/web --port=80 --target-port=8080`
    """
    from swarmlet.cli import selection
    from swarmlet.cli.creating import making

    outcome = Outcome(dry_run, output, field_manager)
    outcome.check()
    catalogue = await session.catalogue()
    source = selection.one(what, catalogue)
    document = await session.api.get(source.resource, source.name, namespace=session.namespace)
    ports = _ports(document, port, target_port, protocol)
    if not ports:
        raise CallerError("couldn't find port via --port flag or introspection")
    further = {
        "type": type_,
        "clusterIP": cluster_ip,
        "externalIPs": [external_ip] if external_ip else [],
        "sessionAffinity": session_affinity,
    }
    made = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name or source.name,
            "namespace": session.namespace,
            "labels": making.pairs(labels, "--labels") or _labels(document),
        },
        "spec": {
            "ports": ports,
            "selector": making.pairs(selector, "--selector") or _selector(source, document),
            **{key: value for key, value in further.items() if value},
        },
    }
    services = catalogue.find("services")
    if outcome.is_sent:
        made = await session.api.create(services, made, namespace=session.namespace, options=outcome.write_options())
    outcome.tell(selection.Reference(services, name or source.name), "exposed", made)


def _labels(document: Mapping[str, Any]) -> dict[str, str]:
    return dict(document["metadata"].get("labels") or {})


def _selector(source: Reference, document: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels that the object's Pods have; raise `CallerError` where none say which they are."""
    spec = document.get("spec") or {}
    if document["kind"] == "Pod":
        found = _labels(document)
    elif document["kind"] == "Service":
        found = spec.get("selector") or {}
    else:
        selector = spec.get("selector") or {}
        if selector.get("matchExpressions"):
            raise CallerError(f"{source}: a Service selects by equal labels alone; this one's matchExpressions do more")
        found = selector.get("matchLabels") or {}
    if not found:
        raise CallerError(f"{source} cannot be exposed: it has no labels to select Pods by")
    return dict(found)


def _ports(document: Mapping[str, Any], port: int | None, target: str, protocol: str) -> list[dict[str, Any]]:
    """Return the Service's ports: the one that is given, or those of the containers."""
    if port is not None:
        wanted = int(target) if target.isdecimal() else target or port
        return [{"port": port, "protocol": protocol, "targetPort": wanted}]
    spec = document.get("spec") or {}
    pod = spec if document["kind"] == "Pod" else (spec.get("template") or {}).get("spec") or {}
    declared = [each for container in pod.get("containers") or () for each in container.get("ports") or ()]
    found = []
    for number, each in enumerate(declared, 1):
        number_of = each["containerPort"]
        wanted = int(target) if target.isdecimal() else target or number_of
        named = {"name": f"port-{number}"} if len(declared) > 1 else {}
        found.append({**named, "port": number_of, "protocol": each.get("protocol", "TCP"), "targetPort": wanted})
    return found
