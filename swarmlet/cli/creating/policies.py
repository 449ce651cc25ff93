"""`swarmlet create quota`, `poddisruptionbudget`, `priorityclass`; and `ingress`, which says what to use instead.

Source: kubernetes/kubectl/pkg/cmd/create (create_quota.go, create_pdb.go, create_priorityclass.go).
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from swarmlet.cli import exits, parsing
from swarmlet.cli.changes.outcomes import DryRun, Form, Manager, Outcome
from swarmlet.cli.creating import making
from swarmlet.cli.creating.making import MANAGER, Name
from swarmlet.cli.session import Session, connected

NOT_SERVED = "Ingress is not served: expose the Pods with `create service loadbalancer` or `create service nodeport`"


def register(app: typer.Typer) -> None:
    """Add the commands to `create`."""
    for command, names in (
        (quota, ("quota", "resourcequota")),
        (pod_disruption_budget, ("poddisruptionbudget", "pdb")),
        (priority_class, ("priorityclass", "pc")),
    ):
        for name in names:
            app.command(name, cls=parsing.Command, hidden=name != names[0])(command)
    anything = {"allow_extra_args": True, "ignore_unknown_options": True}
    for name in ("ingress", "ing"):
        app.command(name, hidden=True, context_settings=anything)(ingress)


@connected
async def quota(
    session: Session,
    name: Name,
    hard: Annotated[str, typer.Option("--hard", help="What there may be: pods=10,requests.cpu=4.")] = "",
    scopes: Annotated[str, typer.Option("--scopes", help="Of which objects: BestEffort,NotTerminating.")] = "",
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a ResourceQuota.

    `create quota small --hard=pods=10,requests.cpu=4,requests.memory=8Gi`
    """
    spec: dict[str, Any] = {"hard": found} if (found := making.pairs(hard, "--hard")) else {}
    spec |= {"scopes": scopes.split(",")} if scopes else {}
    made = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": spec}
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def pod_disruption_budget(
    session: Session,
    name: Name,
    selector: Annotated[str, typer.Option("--selector", help="Of which Pods: app=web.")],
    min_available: Annotated[str, typer.Option("--min-available", help="How many must stay: 2, or 50%.")] = "",
    max_unavailable: Annotated[str, typer.Option("--max-unavailable", help="How many may be missing: 1, 25%.")] = "",
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a PodDisruptionBudget.

    `create pdb web --selector=app=web --min-available=2`
    """
    if bool(min_available) == bool(max_unavailable):
        raise exits.UsageError("one of --min-available and --max-unavailable must be specified")
    key, text = ("minAvailable", min_available) if min_available else ("maxUnavailable", max_unavailable)
    spec = {
        "selector": {"matchLabels": making.pairs(selector, "--selector")},
        key: int(text) if text.isdecimal() else text,
    }
    made = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def priority_class(
    session: Session,
    name: Name,
    value: Annotated[int, typer.Option("--value", help="The higher, the more important.")] = 0,
    global_default: Annotated[bool, typer.Option("--global-default", help="For Pods that name none.")] = False,
    description: Annotated[str, typer.Option("--description", help="When to use it.")] = "",
    preemption_policy: Annotated[
        str, typer.Option("--preemption-policy", help="PreemptLowerPriority or Never.")
    ] = "PreemptLowerPriority",
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a PriorityClass.

    `create priorityclass high --value=1000 --description="before all others"`
    """
    made = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        "preemptionPolicy": preemption_policy,
    }
    made |= {"globalDefault": True} if global_default else {}
    made |= {"description": description} if description else {}
    await making.make(session, made, Outcome(dry_run, output, field_manager))


def ingress() -> None:
    """Say what to use in place of an Ingress."""
    raise exits.UsageError(NOT_SERVED)
