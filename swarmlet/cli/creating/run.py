"""`swarmlet create pod`, which is `swarmlet run NAME --image=IMAGE` too: a Pod from flags, and being attached to it.

`swarmlet run` alone is the daemon: what has an image is a Pod.
Source: kubernetes/kubectl/pkg/cmd/run/run.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from swarmlet.cli import exits, parsing, spans
from swarmlet.cli.changes.outcomes import DryRun, Form, Manager, Outcome
from swarmlet.cli.creating import making
from swarmlet.cli.creating.making import Name
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError, NotFoundError, PeerError

if TYPE_CHECKING:
    from swarmlet.client.discovery import Resource

RESTART = ("Always", "OnFailure", "Never")
ENDED = ("Succeeded", "Failed")
ATTACH_SECONDS = "1m"

Document = dict[str, Any]
Words = Annotated[list[str] | None, typer.Argument(metavar="[-- ARGS...]", help="What its container is given.")]


def register(app: typer.Typer) -> None:
    """Add the command to `create`."""
    app.command("pod", cls=parsing.Command)(pod)


@connected
async def pod(
    session: Session,
    name: Name,
    image: Annotated[str, Option("--image", help="The image of its container.")],
    words: Words = None,
    command: Annotated[bool, Option("--command", help="The words are its command, not its arguments.")] = False,
    env: Annotated[list[str] | None, Option("--env", help="KEY=VALUE; may be repeated.")] = None,
    labels: Annotated[str, Option("--labels", "-l", help="As in app=web,tier=front (default: run=NAME).")] = "",
    annotations: Annotated[list[str] | None, Option("--annotations", help="KEY=VALUE; may be repeated.")] = None,
    port: Annotated[int | None, Option("--port", help="The port that it listens on.")] = None,
    restart: Annotated[str, Option("--restart", help="Always, OnFailure or Never.")] = "Always",
    image_pull_policy: Annotated[str, Option("--image-pull-policy", help="Always, IfNotPresent or Never.")] = "",
    privileged: Annotated[bool, Option("--privileged", help="With all rights on its machine.")] = False,
    expose: Annotated[bool, Option("--expose", help="With a Service before its --port.")] = False,
    stdin: Annotated[bool, Option("--stdin", "-i", help="Give it what this command reads.")] = False,
    tty: Annotated[bool, Option("--tty", "-t", help="On a terminal: this one.")] = False,
    attach: Annotated[bool, Option("--attach", help="See what it prints; with -i always.")] = False,
    remove: Annotated[bool, Option("--rm", help="Delete it when it has ended, or is left.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print only what it prints.")] = False,
    running: Annotated[str, Option("--pod-running-timeout", help="How long it may take to start.")] = ATTACH_SECONDS,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-run",
) -> None:
    """Create a Pod of one container, and with -i be in it: `swarmlet run NAME --image=IMAGE` is the same.

    `run web --image=nginx:1.27`, `run tmp -it --rm --restart=Never --image=busybox -- sh`
    """
    held = attach or stdin or tty
    _check(held=held, remove=remove, stdin=stdin, tty=tty, dry_run=dry_run)
    container = _container(name, image, words or (), command=command)
    container |= {"env": _env(env)} if env else {}
    container |= {"ports": [{"containerPort": port}]} if port is not None else {}
    container |= {"imagePullPolicy": image_pull_policy} if image_pull_policy else {}
    container |= {"securityContext": {"privileged": True}} if privileged else {}
    container |= {key: True for key, on in (("stdin", stdin), ("stdinOnce", stdin), ("tty", tty)) if on}
    made = _pod(name, container, restart, labels, annotations or ())
    outcome = Outcome(dry_run, output, field_manager)
    if expose:
        await making.make(session, _service(made, port), outcome)
    if held:
        await _hold(session, made, spans.seconds(running, "--pod-running-timeout"), remove=remove, quiet=quiet)
    else:
        await making.make(session, made, outcome)


def _check(*, held: bool, remove: bool, stdin: bool, tty: bool, dry_run: str) -> None:
    """Raise `UsageError` for flags that do not go together."""
    if remove and not held:
        raise exits.UsageError("--rm should only be used for attached containers: add -i or --attach")
    if tty and not stdin:
        raise exits.UsageError("-i/--stdin is required for containers with -t/--tty=true")
    if held and dry_run != "none":
        raise exits.UsageError("a dry run makes no Pod to be attached to")


def _pod(name: str, container: Document, restart: str, labels: str, annotations: Sequence[str]) -> Document:
    if restart not in RESTART:
        raise exits.UsageError(f"--restart={restart}: unknown; allowed: {', '.join(RESTART)}")
    metadata: Document = {"name": name, "labels": making.pairs(labels, "--labels") or {"run": name}}
    metadata |= {"annotations": making.pairs(",".join(annotations), "--annotations")} if annotations else {}
    spec = {"containers": [container], "restartPolicy": restart}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _container(name: str, image: str, words: Sequence[str], *, command: bool) -> Document:
    given = {"command" if command else "args": list(words)} if words else {}
    return {"name": name, "image": image, **given}


def _env(pairs: Sequence[str]) -> list[Document]:
    found = []
    for pair in pairs:
        key, is_pair, value = pair.partition("=")
        if not key or not is_pair:
            raise exits.UsageError(f"--env: found {pair}; allowed: KEY=VALUE")
        found.append({"name": key, "value": value})
    return found


def _service(pod: Document, port: int | None) -> Document:
    """Return the Service before a Pod's port."""
    if port is None:
        raise exits.UsageError("--port must be set when exposing a service")
    spec = {
        "selector": pod["metadata"]["labels"],
        "ports": [{"port": port, "protocol": "TCP", "targetPort": port}],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": pod["metadata"]["name"]}, "spec": spec}


async def _hold(session: Session, made: Document, seconds: float, *, remove: bool, quiet: bool) -> None:
    """Create a Pod, be attached to it while it runs, and end with its container's code."""
    pods = (await session.catalogue()).find("pods")
    name, container = made["metadata"]["name"], made["spec"]["containers"][0]
    await session.api.create(pods, made, namespace=session.namespace)
    try:
        started = await _when(session, pods, name, seconds, ended=False)
        if started["status"].get("phase") in ENDED or not container.get("stdin"):
            await _print_log(session, pods, name)  # whole, where attaching would miss how it began
        else:
            await _attach(session, started, container, quiet=quiet)
        code = 0
        if made["spec"]["restartPolicy"] == "Never":
            code = _exit_code(await _when(session, pods, name, seconds, ended=True))
    finally:
        if remove:
            await session.api.delete(pods, name, namespace=session.namespace)
            if not quiet:
                print(f'pod "{name}" deleted from {session.namespace} namespace', flush=True)
    if code:
        exits.say(f"pod {session.namespace}/{name} terminated (Error)")
        raise typer.Exit(code)


async def _attach(session: Session, pod: Document, container: Document, *, quiet: bool) -> None:
    from swarmlet.cli.inside import exec as inside

    try:
        tty = bool(container.get("tty"))
        await inside.attach_to(session, pod, container["name"], stdin=True, tty=tty, quiet=quiet)
    except (PeerError, NotFoundError) as error:  # it may have ended meanwhile
        exits.say(f"Warning: couldn't attach to pod/{container['name']}, falling back to its log: {error}")
        await _print_log(session, (await session.catalogue()).find("pods"), container["name"])


async def _when(session: Session, pods: Resource, name: str, seconds: float, *, ended: bool) -> Document:
    """Return a Pod when it runs, or has ended; raise `TimedOutError` with what keeps it from that."""
    from contextlib import aclosing

    from swarmlet.cli.rollouts import judging
    from swarmlet.client.client import Scope
    from swarmlet.client.watching import DELETED, Watch

    scope = Scope(namespace=session.namespace, fields=f"metadata.name={name}")
    watch = Watch(session.api, pods, scope)
    wanted = ENDED if ended else ("Running", *ENDED)
    seen: Document = {}
    try:
        async with asyncio.timeout(seconds or None):
            for seen in (await watch.start()).get("items") or ():
                if (seen.get("status") or {}).get("phase") in wanted:
                    return seen
            async with aclosing(watch.events()) as events:
                async for event in events:
                    if event.type == DELETED:
                        raise CallerError(f'pod "{name}" was deleted')
                    seen = event.object
                    if (seen.get("status") or {}).get("phase") in wanted:
                        return seen
    except TimeoutError:
        why = judging.complaint(seen) if seen else ""
        did = "end" if ended else "start"
        raise exits.TimedOutError(f"pod/{name} did not {did} within {seconds:g} s{f': {why}' if why else ''}") from None
    raise CallerError(f'pod "{name}" is watched no more')


async def _print_log(session: Session, pods: Resource, name: str) -> None:
    from swarmlet.cli.inside import conversation

    async with session.api.logs(pods, name, namespace=session.namespace, query={"follow": "true"}) as pieces:
        async for piece in pieces:
            conversation.show(1, piece)


def _exit_code(pod: Document) -> int:
    for each in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = (each.get("state") or {}).get("terminated") or {}
        return int(ended.get("exitCode") or 0)
    return 0
