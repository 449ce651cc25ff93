"""`swarmlet set`: the group of commands that set one thing of what objects run, or of what they refer to."""

from __future__ import annotations

import typer

from swarmlet.cli import parsing
from swarmlet.cli.changes import set_env, set_image, set_references, set_resources


def register(app: typer.Typer) -> None:
    """Add the group to the root app."""
    group = typer.Typer(name="set", help="Set what objects run, and what they refer to.", no_args_is_help=True)
    group.command("image", cls=parsing.Command)(set_image.image)
    group.command("env", cls=parsing.Command)(set_env.env)
    group.command("resources", cls=parsing.Command)(set_resources.resources)
    group.command("serviceaccount", cls=parsing.Command)(set_references.service_account)
    group.command("sa", cls=parsing.Command, hidden=True)(set_references.service_account)
    group.command("selector", cls=parsing.Command)(set_references.selector)
    group.command("subject", cls=parsing.Command)(set_references.subject)
    app.add_typer(group)
