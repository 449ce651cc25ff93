"""`swarmlet scale`: set how many Pods there shall be."""

from __future__ import annotations

from typing import Annotated

import typer

from swarmlet.cli import options, parsing
from swarmlet.cli.session import Session, connected
from swarmlet.errors import ConflictError


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("scale", cls=parsing.Command)(scale)


@connected
async def scale(
    session: Session,
    what: options.What,
    replicas: Annotated[int, typer.Option("--replicas", min=0, help="How many there shall be.")],
    current_replicas: Annotated[
        int | None, typer.Option("--current-replicas", min=0, help="Only if there are so many now.")
    ] = None,
) -> None:
    """Set how many Pods there shall be.

    `scale deployment/web --replicas=5`
    """
    from swarmlet.cli import selection

    for reference in selection.scalable(what, await session.catalogue()):
        patch: dict[str, object] = {"spec": {"replicas": replicas}}
        if current_replicas is not None:
            now = await session.api.get(
                reference.resource, reference.name, namespace=session.namespace, subresource="scale"
            )
            if (found := now["spec"].get("replicas", 0)) != current_replicas:
                raise ConflictError(f"{reference}: expected {current_replicas} replicas, found {found}")
            patch["metadata"] = {"resourceVersion": now["metadata"]["resourceVersion"]}
        await session.api.patch(
            reference.resource, reference.name, patch, namespace=session.namespace, subresource="scale"
        )
        print(f"{reference} scaled")
