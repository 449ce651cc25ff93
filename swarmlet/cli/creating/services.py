"""`swarmlet create service`: a Service of each type, which selects the Pods that are labelled with its name.

Source: kubernetes/kubectl/pkg/cmd/create/create_service.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from swarmlet.cli import exits, parsing
from swarmlet.cli.changes.outcomes import DryRun, Form, Manager, Outcome
from swarmlet.cli.creating import making
from swarmlet.cli.creating.making import MANAGER, Name
from swarmlet.cli.session import Session, connected

HEADLESS = "None"
PORT_MAX = 65535

Ports = Annotated[list[str] | None, typer.Option("--tcp", help="PORT or PORT:TARGETPORT; may be repeated.")]


def register(app: typer.Typer) -> None:
    """Add the group `service` to `create`."""
    group = typer.Typer(name="service", help="Create a Service.", no_args_is_help=True)
    group.command("clusterip", cls=parsing.Command)(cluster_ip)
    group.command("nodeport", cls=parsing.Command)(node_port)
    group.command("loadbalancer", cls=parsing.Command)(load_balancer)
    group.command("externalname", cls=parsing.Command)(external_name)
    app.add_typer(group)
    app.add_typer(group, name="svc", hidden=True)


@connected
async def cluster_ip(
    session: Session,
    name: Name,
    tcp: Ports = None,
    clusterip: Annotated[str, typer.Option("--clusterip", help="Its address; None: a headless Service.")] = "",
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a Service that is reached inside the cluster.

    `create service clusterip web --tcp=80:8080`
    """
    if not tcp and clusterip != HEADLESS:
        raise exits.UsageError("at least one --tcp port is needed, as in --tcp=80:8080; --clusterip=None needs none")
    more = {"clusterIP": clusterip} if clusterip else {}
    await making.make(session, service(name, "ClusterIP", tcp or (), more), Outcome(dry_run, output, field_manager))


@connected
async def node_port(
    session: Session,
    name: Name,
    tcp: Ports = None,
    node_port: Annotated[int, typer.Option("--node-port", min=0, help="The machines' port; 0: any.")] = 0,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a Service that is reached at a port of every machine.

    `create service nodeport web --tcp=80:8080 --node-port=30080`
    """
    made = service(name, "NodePort", _needed(tcp), {})
    if node_port:
        for port in made["spec"]["ports"]:
            port["nodePort"] = node_port
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def load_balancer(
    session: Session,
    name: Name,
    tcp: Ports = None,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a Service that is reached from outside the cluster.

    `create service loadbalancer web --tcp=80:8080`
    """
    made = service(name, "LoadBalancer", _needed(tcp), {})
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def external_name(
    session: Session,
    name: Name,
    external_name: Annotated[str, typer.Option("--external-name", help="The name that it stands for.")],
    tcp: Ports = None,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a Service that is another name for a host outside.

    `create service externalname db --external-name=db.example.com`
    """
    made = service(name, "ExternalName", tcp or (), {"externalName": external_name})
    await making.make(session, made, Outcome(dry_run, output, field_manager))


def service(name: str, type_: str, ports: Sequence[str], more: dict[str, Any]) -> dict[str, Any]:
    """Return a Service before the Pods that are labelled app=NAME."""
    labels = {"app": name}
    spec: dict[str, Any] = {"type": type_, "selector": labels, **more}
    if ports:
        spec["ports"] = [_port(each) for text in ports for each in text.split(",")]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": labels}, "spec": spec}


def _needed(ports: Sequence[str] | None) -> Sequence[str]:
    if not ports:
        raise exits.UsageError("at least one --tcp port is needed, as in --tcp=80:8080")
    return ports


def _port(text: str) -> dict[str, Any]:
    port, _, target = text.partition(":")
    target = target or port
    if not _is_port(port) or (target.isdecimal() and not _is_port(target)):
        raise exits.UsageError(f"--tcp: found {text}; allowed: PORT or PORT:TARGETPORT, each 1 to {PORT_MAX}")
    wanted = int(target) if target.isdecimal() else target
    return {"name": text.replace(":", "-"), "port": int(port), "protocol": "TCP", "targetPort": wanted}


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) <= PORT_MAX
