"""How an object that flags describe is made: checked, placed in its namespace, sent unless it is a dry run, told."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from swarmlet.cli import exits
from swarmlet.cli.changes.outcomes import Outcome
from swarmlet.cli.session import Session

MANAGER = "kubectl-create"

Name = Annotated[str, typer.Argument(metavar="NAME")]


async def make(session: Session, document: dict[str, Any], outcome: Outcome) -> None:
    """Create one object in the session's namespace, or only say so."""
    from swarmlet.cli.selection import Reference

    outcome.check()
    resource = (await session.catalogue()).of_kind(document["apiVersion"], document["kind"])
    if resource is None:
        raise exits.UsageError(f"the server has no {document['kind']} of {document['apiVersion']}")
    made = document
    if resource.namespaced:
        space = document["metadata"].get("namespace") or session.namespace
        made = {**document, "metadata": {**document["metadata"], "namespace": space}}
    if outcome.is_sent:
        space = made["metadata"].get("namespace") or ""
        made = await session.api.create(resource, made, namespace=space, options=outcome.write_options())
    outcome.tell(Reference(resource, made["metadata"]["name"]), "created", made)


def pairs(text: str, option: str) -> dict[str, str]:
    """Return the pairs of "a=1,b=2"; raise `UsageError` where one is none."""
    found = {}
    for part in filter(None, text.split(",")):
        key, is_pair, value = part.partition("=")
        if not is_pair or not key:
            raise exits.UsageError(f"{option}: found {part}; allowed: KEY=VALUE, several with commas between")
        found[key] = value
    return found
