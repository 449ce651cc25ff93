"""`swarmlet logs`: what containers print."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing, spans
from swarmlet.cli.inside import pods_of
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError, SwarmletError

if TYPE_CHECKING:
    from swarmlet.client.discovery import Catalogue

STREAMS_MAX = 20
SELECTED_TAIL = 10
POD_RUNNING = "20s"


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("logs", cls=parsing.Command)(logs)


@dataclass(frozen=True, slots=True)
class _Source:
    """One container, and what its lines begin with."""

    pod: str
    container: str
    prefix: str = ""


@connected
async def logs(
    session: Session,
    what: Annotated[
        list[str] | None, typer.Argument(metavar="POD|TYPE/NAME [CONTAINER]", help="As in `web-1`, `deployment/web`.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing.")] = False,
    tail: Annotated[int, typer.Option("--tail", min=-1, help="Only so many of the newest lines; -1: all.")] = -1,
    since: Annotated[str, typer.Option("--since", help="Only what is newer than this, as in 5m.")] = "",
    since_time: Annotated[
        str, typer.Option("--since-time", help="Only what is newer, as in 2026-05-01T12:00:00Z.")
    ] = "",
    limit_bytes: Annotated[int, typer.Option("--limit-bytes", min=0, help="Only so many bytes of each.")] = 0,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="With the time of each line.")] = False,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Of the container's last run.")] = False,
    container: Annotated[str, typer.Option("--container", "-c", help="Which container.")] = "",
    all_containers: Annotated[bool, typer.Option("--all-containers", help="Of every container.")] = False,
    all_pods: Annotated[bool, typer.Option("--all-pods", help="Of every Pod of TYPE/NAME.")] = False,
    streams_max: Annotated[
        int, typer.Option("--max-log-requests", min=1, help="Follow at most so many at once.")
    ] = STREAMS_MAX,
    ignore_errors: Annotated[
        bool, typer.Option("--ignore-errors", help="A log that cannot be had, or breaks off, does not end the others.")
    ] = False,
    prefix: Annotated[bool, typer.Option("--prefix", help="Begin each line with its Pod and container.")] = False,
    selector: options.Labels = "",
    pod_running_timeout: options.PodRunning = POD_RUNNING,
) -> None:
    """Print what containers print.

    `logs web-1`, `logs deployment/web -f`, `logs -l app=web --tail=20`
    """
    words = list(what or [])
    if len(words) > 1 and "/" not in words[1] and not container:
        container = words.pop()
    if bool(words) == bool(selector) or len(words) > 1:
        raise exits.UsageError("name one Pod, or TYPE/NAME, or select Pods with -l")
    if since and since_time:
        raise exits.UsageError("at most one of --since-time or --since may be used")
    catalogue = await session.catalogue()
    pods = await _pods(session, words, selector, pod_running_timeout, every=all_pods)
    sources = [
        source for pod in pods for source in _sources(pod, container, every=all_containers, prefixed=prefix or all_pods)
    ]
    if len(sources) > streams_max and follow:
        raise CallerError(
            f"{len(sources)} containers are too many to follow at once (over {streams_max}): "
            "select less, or allow more with --max-log-requests"
        )
    query = {
        "follow": "true" if follow else "",
        "tailLines": str(SELECTED_TAIL if selector and tail < 0 else tail) if selector or tail >= 0 else "",
        "sinceSeconds": str(max(int(spans.seconds(since, "--since")), 1)) if since else "",
        "sinceTime": since_time,
        "limitBytes": str(limit_bytes) if limit_bytes else "",
        "timestamps": "true" if timestamps else "",
        "previous": "true" if previous else "",
    }
    await _print_all(session, catalogue, sources, query, at_once=follow, ignore_errors=ignore_errors)


async def _pods(
    session: Session, words: Sequence[str], selector: str, within: str, *, every: bool
) -> list[dict[str, Any]]:
    """Return the Pods of a selector, or the one that is named, or one of those of an object, or `every` one of them."""
    if selector:
        return await pods_of.selected(session, selector)
    pods = await pods_of.find(session, words[0], within)
    if every or len(pods) == 1:
        return pods
    exits.say(f"Found {len(pods)} pods, using pod/{pods[0]['metadata']['name']}; --all-pods prints all")
    return pods[:1]


def _sources(pod: dict[str, Any], container: str, *, every: bool, prefixed: bool) -> list[_Source]:
    name = pod["metadata"]["name"]
    names = [each["name"] for each in pods_of.containers(pod)] if every else [pods_of.container(pod, container)]
    return [_Source(name, each, f"[pod/{name}/{each}] " if prefixed else "") for each in names]


async def _print_all(
    session: Session,
    catalogue: Catalogue,
    sources: Sequence[_Source],
    query: dict[str, str],
    *,
    at_once: bool,
    ignore_errors: bool,
) -> None:
    async def print_one(source: _Source) -> None:
        try:
            await _print(session, catalogue, source, query)
        except SwarmletError as error:
            if not ignore_errors:
                raise
            exits.say(f"error: pod/{source.pod}: {error}")

    if not at_once:
        for source in sources:
            await print_one(source)
        return
    async with asyncio.TaskGroup() as tasks:
        for source in sources:
            tasks.create_task(print_one(source))


async def _print(session: Session, catalogue: Catalogue, source: _Source, query: dict[str, str]) -> None:
    """Print one log; pieces go out as they come, whole lines only where others are printed between."""
    from swarmlet.client import watching

    opened = session.api.logs(
        catalogue.find("pods"),
        source.pod,
        namespace=session.namespace,
        query={**query, "container": source.container},
    )
    async with opened as pieces:
        if source.prefix:
            async for line in watching.lines(pieces):
                _write(source.prefix.encode() + line + b"\n")
            return
        async for piece in pieces:
            _write(piece)


def _write(content: bytes) -> None:
    """Write bytes as they are: a log is what the program printed, in whatever encoding."""
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        sys.stdout.write(content.decode(errors="replace"))
    else:
        binary.write(content)
        binary.flush()
