"""`swarmlet set serviceaccount`, `selector` and `subject`: whom objects run as, lead to, and are given to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from swarmlet.cli import exits, options
from swarmlet.cli.changes import pod_specs
from swarmlet.cli.changes.outcomes import DryRun, Form, Local, Manager, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.cli.changes.targets import Target

Document = dict[str, Any]
Accounted = Annotated[list[str] | None, Argument(metavar="TYPE/NAME... ACCOUNT", help="As in `deploy/web builder`.")]
Selected = Annotated[list[str] | None, Argument(metavar="TYPE/NAME KEY=VALUE...", help="As in `svc/web app=web`.")]
Subjects = list[str] | None


@connected
async def service_account(
    session: Session,
    what: Accounted = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    all_: options.Every = False,
    local: Local = False,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-set",
) -> None:
    """Set the ServiceAccount that Pods run as.

    `set serviceaccount deploy/web builder`
    """
    from swarmlet.cli.changes import targets

    outcome = Outcome(dry_run, output, field_manager, local)
    outcome.check()
    *words, account = what or ("",)
    if not account or "/" in account:
        raise exits.UsageError("serviceaccount is required, as in `deploy/web builder`")
    found = await targets.find(
        session, words, targets.Wish(files=filename, recursive=recursive, every=all_, local=local)
    )
    wanted = {"serviceAccountName": account}
    patches = [pod_specs.nested(target, wanted) for target in found if _has_template(target)]
    for target, patch in zip(found, patches, strict=True):
        await pod_specs.change(session, target, patch, outcome, "serviceaccount updated")


def _has_template(target: Target) -> bool:
    """Return True; raise `CallerError` for what makes no Pods: a Pod's own account cannot be changed."""
    pod_specs.of(target)
    if target.resource.kind == "Pod":
        raise CallerError(f"{target}: the ServiceAccount of a Pod cannot be changed; set that of what made it")
    return True


@connected
async def selector(
    session: Session,
    what: Selected = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    all_: options.Every = False,
    resource_version: Annotated[str, Option("--resource-version", help="Only if it is at this revision.")] = "",
    local: Local = False,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-set",
) -> None:
    """Set the labels that a Service selects Pods by, in place of those it has.

    `set selector service/web app=web,tier=front`
    """
    from swarmlet.cli.changes import targets
    from swarmlet.cli.creating import making

    outcome = Outcome(dry_run, output, field_manager, local)
    outcome.check()
    words = [word for word in what or () if "=" not in word]
    wanted = making.pairs(",".join(word for word in what or () if "=" in word), "the selector")
    if not wanted:
        raise exits.UsageError("one selector is required, as in `service/web app=web`")
    wish = targets.Wish(files=filename, recursive=recursive, every=all_, local=local)
    for target in await targets.find(session, words, wish):
        if target.resource.kind != "Service":
            raise CallerError(f"{target}: setting a selector is only supported for Services")
        gone = dict.fromkeys(target.document["spec"].get("selector") or {})
        patch: Document = {"spec": {"selector": {**gone, **wanted}}}
        if resource_version:
            patch["metadata"] = {"resourceVersion": resource_version}
        await pod_specs.change(session, target, patch, outcome, "selector updated")


@connected
async def subject(
    session: Session,
    what: options.WhatIfAny = None,
    user: Annotated[Subjects, Option("--user", help="A user; may be repeated.")] = None,
    group: Annotated[Subjects, Option("--group", help="A group; may be repeated.")] = None,
    serviceaccount: Annotated[Subjects, Option("--serviceaccount", help="NAMESPACE:NAME; may be repeated.")] = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    all_: options.Every = False,
    local: Local = False,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-set",
) -> None:
    """Give a role to more users, groups and ServiceAccounts: add them to a binding.

    `set subject rolebinding/readers --user=ann --serviceaccount=shop:web`
    """
    from swarmlet.cli.changes import targets
    from swarmlet.cli.creating import access

    outcome = Outcome(dry_run, output, field_manager, local)
    outcome.check()
    wanted = access.subjects(user or (), group or (), serviceaccount or ())
    if not wanted:
        raise exits.UsageError("you must specify at least one value of user, group or serviceaccount")
    wish = targets.Wish(files=filename, recursive=recursive, labels=selector, every=all_, local=local)
    for target in await targets.find(session, what or (), wish):
        if target.resource.kind not in ("RoleBinding", "ClusterRoleBinding"):
            raise CallerError(f"{target}: setting subject is only supported for RoleBindings and ClusterRoleBindings")
        known = target.document.get("subjects") or []
        patch = {
            "metadata": {"resourceVersion": target.document["metadata"].get("resourceVersion")},
            "subjects": [*known, *(each for each in wanted if each not in known)],
        }
        await pod_specs.change(session, target, patch, outcome, "subjects updated")
