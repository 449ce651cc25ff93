"""Which Pods a word of the command line stands for: a Pod's name, TYPE/NAME, or those that a selector finds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from swarmlet.cli import exits, spans
from swarmlet.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarmlet.cli.selection import Reference
    from swarmlet.cli.session import Session
    from swarmlet.client.client import Scope
    from swarmlet.client.discovery import Resource

TIMEOUT = "--pod-running-timeout"
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

Document = dict[str, Any]


async def find(session: Session, word: str, within: str) -> list[Document]:
    """Return the Pods that a name or TYPE/NAME stands for, those that run first; see `of_reference`."""
    from swarmlet.cli import selection

    catalogue = await session.catalogue()
    named = selection.one([word], catalogue) if "/" in word else selection.Reference(catalogue.find("pods"), word)
    return await of_reference(session, named, within)


async def of_file(session: Session, names: Sequence[str], within: str) -> list[Document]:
    """Return the Pods that the one object of files stands for; see `of_reference`."""
    from swarmlet.cli import selection

    named = selection.of_files(names, await session.catalogue(), recursive=False).named
    if len(named) != 1:
        raise exits.UsageError(f"-f names one object; found: {', '.join(map(str, named)) or 'none'}")
    return await of_reference(session, named[0], within)


async def of_reference(session: Session, named: Reference, within: str) -> list[Document]:
    """Return the Pods of an object, those that run first, or a Pod itself.

    Raises:
        TimedOutError: the object has none, and got none `within` the time.
        UsageError: it is of a kind that has no Pods.
    """
    from swarmlet.client.client import Scope

    seconds = spans.seconds(within, TIMEOUT)
    if not seconds:
        raise exits.UsageError(f"{TIMEOUT} must be higher than zero")
    pods = (await session.catalogue()).find("pods")
    namespace = named.namespace or session.namespace
    found = await session.api.get(named.resource, named.name, namespace=namespace)
    if named.resource == pods:
        return [found]
    labels = _selector_text((found.get("spec") or {}).get("selector") or {})
    if not labels:
        raise exits.UsageError(f"{named}: has no Pods of its own")
    try:
        async with asyncio.timeout(seconds):
            return _running_first(await _awaited(session, pods, Scope(namespace=namespace, labels=labels)))
    except TimeoutError:
        raise exits.TimedOutError(f"no pods found for {named} within {seconds:g} s") from None


async def selected(session: Session, labels: str) -> list[Document]:
    """Return the Pods that have the labels, those that run first; raise `NotFoundError` where none has."""
    from swarmlet.client.client import Scope

    pods = (await session.catalogue()).find("pods")
    listed = (await session.api.list(pods, Scope(namespace=session.namespace, labels=labels))).get("items") or []
    if not listed:
        raise NotFoundError(f"no pods found for {labels}")
    return _running_first(listed)


async def _awaited(session: Session, pods: Resource, scope: Scope) -> list[Document]:
    """Return the Pods that are there, or the first that comes."""
    from contextlib import aclosing

    from swarmlet.client.watching import DELETED, Watch

    watch = Watch(session.api, pods, scope)
    listed: list[Document] = (await watch.start()).get("items") or []
    if listed:
        return listed
    async with aclosing(watch.events()) as events:
        async for event in events:
            if event.type != DELETED:
                return [event.object]
    return []


def _running_first(pods: Sequence[Document]) -> list[Document]:
    return sorted(pods, key=lambda pod: (pod["status"].get("phase") != "Running", pod["metadata"]["name"]))


def containers(pod: Document) -> list[Document]:
    """Return a Pod's containers, those that initialise it first."""
    return [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]


def container(pod: Document, name: str = "") -> str:
    """Return the name of the container that is meant: as named, else the default, which is said where others are."""
    known = [each["name"] for each in containers(pod)]
    if name and name not in known:
        raise NotFoundError(f'pod "{pod["metadata"]["name"]}" has no container "{name}"; it has {", ".join(known)}')
    main = pod["spec"]["containers"]
    default = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER) or main[0]["name"]
    if not name and len(main) > 1:
        exits.say(f'Defaulted container "{default}" out of: {", ".join(known)}')
    return str(name or default)


def _selector_text(selector: Document) -> str:
    if "matchLabels" not in selector and "matchExpressions" not in selector:  # a Service's is plain labels
        return ",".join(f"{key}={value}" for key, value in selector.items())
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], ",".join(each.get("values") or ())
        texts = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append(texts.get(each["operator"], f"!{key}"))
    return ",".join(parts)
