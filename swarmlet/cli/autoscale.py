"""`swarmlet autoscale`: have as many Pods as their use of processor and memory asks for."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing
from swarmlet.cli.changes.outcomes import DryRun, Form, Manager, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import InvalidError

AUTOSCALERS = "horizontalpodautoscalers.autoscaling"
DEFAULT_UNITS = {"cpu": "m", "memory": "Mi"}


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("autoscale", cls=parsing.Command)(autoscale)


@connected
async def autoscale(
    session: Session,
    what: options.What,
    maximum: Annotated[int, typer.Option("--max", min=1, help="As many Pods at most.")],
    minimum: Annotated[int, typer.Option("--min", help="As many Pods at least.")] = -1,
    cpu: Annotated[str, typer.Option("--cpu", help="80% of what they ask for, or an amount each, as in 500m.")] = "",
    cpu_percent: Annotated[int, typer.Option("--cpu-percent", help="The same as --cpu with a share.")] = -1,
    memory: Annotated[str, typer.Option("--memory", help="A share in percent, or an amount each, as in 200Mi.")] = "",
    name: Annotated[str, typer.Option("--name", help="The new object's name (default: that of what it scales).")] = "",
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-autoscale",
) -> None:
    """Have as many Pods as their load asks for.

    `autoscale deployment/web --min=2 --max=10 --cpu=80%`
    """
    from swarmlet.cli import selection

    if cpu and cpu_percent > 0:
        raise exits.UsageError("--cpu and --cpu-percent exclude each other")
    catalogue = await session.catalogue()
    outcome = Outcome(dry_run, output, field_manager)
    outcome.check()
    named = selection.scalable(what, catalogue)
    if not named:
        raise exits.UsageError("name what to scale, as in `deployment/web`")
    targets = {"cpu": f"{cpu_percent}%" if cpu_percent > 0 else cpu, "memory": memory}
    metrics = [_metric(resource, target) for resource, target in targets.items() if target]
    for reference in named:
        await session.api.get(reference.resource, reference.name, namespace=session.namespace)
        spec: dict[str, Any] = {
            "scaleTargetRef": {
                "apiVersion": reference.resource.api_version,
                "kind": reference.resource.kind,
                "name": reference.name,
            },
            "maxReplicas": maximum,
        }
        spec |= {"minReplicas": minimum} if minimum > 0 else {}
        spec |= {"metrics": metrics} if metrics else {}
        document = {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name or reference.name},
            "spec": spec,
        }
        resource = catalogue.find(AUTOSCALERS)
        if outcome.is_sent:
            document = await session.api.create(
                resource, document, namespace=session.namespace, options=outcome.write_options()
            )
        outcome.tell(selection.Reference(resource, name or reference.name), "autoscaled", document)


def _metric(resource: str, text: str) -> dict[str, Any]:
    """Return the metric for a share ("80%") or an amount ("500m"; a bare number is thousandths of a core, or MiB)."""
    from swarmlet.model import quantity

    if text.endswith("%"):
        share = text[:-1]
        if not (share.isascii() and share.isdigit() and int(share) > 0):
            raise exits.UsageError(f"--{resource}: found {text}; allowed: a share such as 80%, or an amount")
        target: dict[str, Any] = {"type": "Utilization", "averageUtilization": int(share)}
    else:
        amount = text + DEFAULT_UNITS[resource] if text.isascii() and text.isdigit() else text
        try:
            target = {"type": "AverageValue", "averageValue": quantity.canonical(amount)}
        except InvalidError as error:
            raise exits.UsageError(f"--{resource}: {error}") from error
    return {"type": "Resource", "resource": {"name": resource, "target": target}}
