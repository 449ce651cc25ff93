"""What an error of the server may add, for who reads it at three in the morning: where it is, or what to try.

It is asked for after the error only, and whatever goes wrong on the way is no news.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swarmlet.cli import exits
from swarmlet.errors import ForbiddenError, NotFoundError, SwarmletError, UnauthorizedError

if TYPE_CHECKING:
    from swarmlet.cli.session import Session
    from swarmlet.client.discovery import Resource

NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
SHOWN_MAX = 3
CREDENTIALS = "the token or certificate may have expired: `swarmlet kubeconfig --write` on a member makes another"
NO_RIGHT = '" cannot '
"""What a refusal says of who is not allowed something: User "ann" cannot ...; a quota or a namespace refuses else."""
RIGHTS = "`swarmlet auth can-i --list` tells what you may"

_NOT_FOUND = re.compile(r'([a-z0-9.-]+) "([^"]+)" not found')


async def add(session: Session, error: SwarmletError) -> None:
    """Add to an error what helps its reader on, where anything is known."""
    hint = ""
    if isinstance(error, UnauthorizedError):
        hint = CREDENTIALS
    elif isinstance(error, ForbiddenError) and NO_RIGHT in str(error):
        hint = RIGHTS
    elif isinstance(error, NotFoundError) and (found := _NOT_FOUND.fullmatch(str(error))):
        with contextlib.suppress(SwarmletError):
            hint = await _whereabouts(session, (await session.catalogue()).find(found[1]), found[2])
    if hint:
        error.args = (f"{error}; {hint}",)


async def say_if_no_namespace(session: Session) -> None:
    """Say that the session's namespace does not exist, where that is why nothing is found."""
    with contextlib.suppress(SwarmletError):
        names = await _names(session, (await session.catalogue()).find("namespaces"), "")
        if session.namespace not in names:
            exits.say(f"Warning: there is no namespace {session.namespace}{_near(session.namespace, list(names))}")


async def _whereabouts(session: Session, resource: Resource, name: str) -> str:
    """Return in which other namespace an object is, or whose name is like it in this one."""
    known = await _names(session, resource, "")
    elsewhere = sorted(known.get(name, set()) - {session.namespace, ""})
    if elsewhere:
        return f"there is one in {' and '.join(elsewhere[:SHOWN_MAX])}: add -n {elsewhere[0]}"
    here = [each for each, spaces in known.items() if not resource.namespaced or session.namespace in spaces]
    return _near(name, here).removeprefix("; ")


async def _names(session: Session, resource: Resource, namespace: str) -> Mapping[str, set[str]]:
    """Return in which namespaces there are objects, by their names: those of one page, which is enough for a hint."""
    from swarmlet.client.connection import Request

    request = Request(method="GET", path=resource.path(namespace=namespace), query={"limit": "500"}, accept=NAMES_ONLY)
    found: dict[str, set[str]] = {}
    listed: dict[str, Any] = await session.api.connection.json(request)
    for each in listed.get("items") or ():
        found.setdefault(each["metadata"]["name"], set()).add(each["metadata"].get("namespace") or "")
    return found


def _near(name: str, known: list[str]) -> str:
    found = difflib.get_close_matches(name, known, n=SHOWN_MAX)
    return f"; did you mean {' or '.join(found)}?" if found else ""
