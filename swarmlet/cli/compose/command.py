"""`swarmlet compose`: what a Compose file says, and what it becomes. No daemon is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing

Files = Annotated[
    list[str] | None,
    typer.Option("--filename", "--file", "-f", help="A Compose file, or - for stdin; later ones go over earlier."),
]
Output = Annotated[str, typer.Option("--output", "-o", help="yaml or json.")]


def register(app: typer.Typer) -> None:
    """Add the group to the root app."""
    group = typer.Typer(name="compose", help="Read Compose files, and show the manifests that they become.")
    for command in (convert, config):
        group.command(command.__name__, cls=parsing.Command)(command)
    app.add_typer(group)


def convert(
    filename: Files = None,
    project_name: options.ProjectName = "",
    profile: options.Profiles = None,
    env_file: options.EnvFiles = None,
    output: Output = "yaml",
) -> None:
    """Print the manifests of a Compose file, for `swarmlet apply -f -` or kubectl; warnings go to stderr."""
    from swarmlet.cli.compose import files as compose_files
    from swarmlet.cli.compose import manifests as compose_manifests
    from swarmlet.cli.documents import as_list, in_form
    from swarmlet.manifests import documents

    _check(output)
    choice = compose_manifests.Choice.of(project_name, profile, env_file)
    made = compose_manifests.compose(compose_files.sources(filename), choice)
    for warning in made.warnings:
        exits.say(f"Warning: {warning}")
    found = [each.document for each in documents.in_apply_order(made.manifests)]
    print(in_form(output, as_list(found)) if output == "json" else _yaml(found))


def config(
    filename: Files = None,
    project_name: options.ProjectName = "",
    profile: options.Profiles = None,
    env_file: options.EnvFiles = None,
    output: Output = "yaml",
) -> None:
    """Print the project of Compose files as one file: merged, its variables replaced, every key in its long form."""
    from swarmlet.cli.compose import files as compose_files
    from swarmlet.cli.documents import in_form
    from swarmlet.manifests.compose import rendering

    _check(output)
    sources = compose_files.sources(filename)
    loaded = compose_files.load(sources, name=project_name, profiles=profile or (), env_files=env_file or ())
    for warning in loaded.warnings:
        exits.say(f"Warning: {warning}")
    print(in_form(output, rendering.document(loaded.project)))


def _check(output: str) -> None:
    from swarmlet.cli.documents import WHOLE, check_form

    check_form(output, WHOLE)


def _yaml(found: Sequence[Mapping[str, Any]]) -> str:
    from swarmlet.cli import yaml_text

    return "\n---\n".join(yaml_text.written(each) for each in found)
