"""`swarmlet cordon`, `uncordon` and `drain`: take machines out of use for a while, and back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing, spans
from swarmlet.cli.nodes import drain_plan
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.cli.nodes.draining import Manner
    from swarmlet.client.discovery import Resource

UNLIMITED_SECONDS = 7 * 24 * 3600.0
ROUNDS_MAX = 5
"""Of looking what is on the node: a Pod may be bound to it in the moment in which it is cordoned."""
DRY_RUNS = {"none": "", "client": " (dry run)", "server": " (server dry run)"}

Nodes = Annotated[list[str] | None, typer.Argument(metavar="NODE...", help="As in `h2`, or `node/h2`.")]
DryRun = Annotated[str, typer.Option("--dry-run", help="none, client or server: only say what would be done.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root app."""
    for command in (cordon, uncordon, drain):
        app.command(command.__name__, cls=parsing.Command)(command)


@connected
async def cordon(
    session: Session, nodes: Nodes = None, selector: options.Labels = "", dry_run: DryRun = "none"
) -> None:
    """Let no new Pods onto machines; those that run there stay."""
    await _mark(session, await _names(session, nodes, selector), unschedulable=True, dry_run=dry_run)


@connected
async def uncordon(
    session: Session, nodes: Nodes = None, selector: options.Labels = "", dry_run: DryRun = "none"
) -> None:
    """Let new Pods onto machines again."""
    await _mark(session, await _names(session, nodes, selector), unschedulable=False, dry_run=dry_run)


@connected
async def drain(
    session: Session,
    nodes: Nodes = None,
    selector: options.Labels = "",
    pod_selector: Annotated[str, typer.Option("--pod-selector", help="Only Pods with these labels.")] = "",
    ignore_daemonsets: Annotated[
        bool, typer.Option("--ignore-daemonsets", help="Leave the Pods of DaemonSets: they belong to the machine.")
    ] = False,
    delete_emptydir_data: Annotated[
        bool, typer.Option("--delete-emptydir-data", help="Take Pods too whose emptyDir volumes are lost with them.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Take Pods too that nobody will replace.")] = False,
    grace_period: Annotated[
        int, typer.Option("--grace-period", min=-1, help="Seconds a Pod has to end; -1: its own.")
    ] = -1,
    within: options.Timeout = "0s",
    disable_eviction: Annotated[
        bool, typer.Option("--disable-eviction", help="Delete the Pods whatever their disruption budgets say.")
    ] = False,
    dry_run: DryRun = "none",
) -> None:
    """Cordon machines and move their Pods elsewhere, as fast as disruption budgets allow.

    A Pod that its budget holds back is asked for again until the budget lets it go. Ctrl-C leaves the machine cordoned.
    """
    from swarmlet.cli.nodes.draining import Manner

    may = drain_plan.Permissions(
        force=force, delete_emptydir_data=delete_emptydir_data, ignore_daemonsets=ignore_daemonsets
    )
    grace = None if grace_period < 0 else grace_period
    manner = Manner(evict=not disable_eviction, grace_seconds=grace, dry_run=dry_run == "server")
    seconds = spans.seconds(within, "--timeout") or UNLIMITED_SECONDS
    names = await _names(session, nodes, selector)
    await _mark(session, names, unschedulable=True, dry_run=dry_run)
    pods = (await session.catalogue()).find("pods")
    for name in names:
        node = _Node(session, pods, name, pod_selector)
        await node.drain(may, manner, seconds, only_say=dry_run == "client")
        print(f"node/{name} drained{DRY_RUNS[dry_run]}", flush=True)


class _Node:
    """One machine that is being drained."""

    def __init__(self, session: Session, pods: Resource, name: str, labels: str) -> None:
        self._session = session
        self._pods = pods
        self._name = name
        self._labels = labels
        self._warned: set[str] = set()

    async def drain(self, may: drain_plan.Permissions, manner: Manner, seconds: float, *, only_say: bool) -> None:
        """Return when all is gone that is to go; raise where something stands in the way."""
        from swarmlet.cli.nodes.draining import Draining

        draining = Draining(self._session, self._pods, self._name, self._labels, manner)
        try:
            async with asyncio.timeout(seconds):
                for _ in range(ROUNDS_MAX):
                    plan = self._approved(
                        drain_plan.plan(await draining.pods(), may), cordoned=not (only_say or manner.dry_run)
                    )
                    if only_say:
                        for victim in plan.victims:
                            print(f"{manner.doing} pod {victim} (dry run)")
                    elif plan.victims:
                        await draining.remove(plan.victims)
                    if only_say or manner.dry_run or draining.left or not plan.victims:
                        break
        except TimeoutError:
            raise exits.TimedOutError(
                f"node/{self._name} not drained within {seconds:g} s, and it stays cordoned: {_told(draining.left)}"
            ) from None
        except asyncio.CancelledError:
            exits.say(
                f"interrupted: node/{self._name} stays cordoned, {len(draining.left)} Pods are still to go; "
                f"`swarmlet drain {self._name}` goes on, `swarmlet uncordon {self._name}` takes it back"
            )
            raise
        if draining.left:
            raise CallerError(f'unable to drain node "{self._name}": {_told(draining.left)}')

    def _approved(self, plan: drain_plan.Plan, *, cordoned: bool) -> drain_plan.Plan:
        """Say what is lost or left; raise where the user has not allowed that."""
        for line in plan.warned():
            if line not in self._warned:
                self._warned.add(line)
                exits.say(f"Warning: {line}")
        if refused := plan.refused():
            stays = ", it stays cordoned" if cordoned else ""
            raise CallerError(f'unable to drain node "{self._name}"{stays}: {"; ".join(refused)}')
        return plan


async def _names(session: Session, nodes: list[str] | None, selector: str) -> list[str]:
    from swarmlet.client.client import Scope

    if bool(nodes) == bool(selector):
        raise exits.UsageError("name nodes, as in `h2`, or select them with -l")
    if nodes:
        return [name.removeprefix("node/").removeprefix("nodes/") for name in nodes]
    listed = await session.api.list((await session.catalogue()).find("nodes"), Scope(labels=selector))
    found = [item["metadata"]["name"] for item in listed.get("items") or ()]
    if not found:
        exits.say("No resources found")
    return found


async def _mark(session: Session, names: list[str], *, unschedulable: bool, dry_run: str) -> None:
    """Make nodes schedulable or not; those that are already are told apart."""
    from swarmlet.client.client import WriteOptions

    if dry_run not in DRY_RUNS:
        raise exits.UsageError(f"--dry-run={dry_run}: unknown; allowed: {', '.join(DRY_RUNS)}")
    done = "cordoned" if unschedulable else "uncordoned"
    resource = (await session.catalogue()).find("nodes")
    found = [await session.api.get(resource, name) for name in names]
    for name, node in zip(names, found, strict=True):
        if bool((node.get("spec") or {}).get("unschedulable")) == unschedulable:
            print(f"node/{name} already {done}", flush=True)
            continue
        if dry_run != "client":
            patch: dict[str, Any] = {"spec": {"unschedulable": unschedulable or None}}
            await session.api.patch(resource, name, patch, options=WriteOptions(dry_run=dry_run == "server"))
        print(f"node/{name} {done}{DRY_RUNS[dry_run]}", flush=True)


def _told(left: dict[drain_plan.Victim, str]) -> str:
    return "; ".join(f"pod {victim}: {why}" for victim, why in left.items()) or "its Pods are not known"
