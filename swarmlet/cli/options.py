"""Options and arguments that several commands share, so that they are spelled and explained alike."""

from __future__ import annotations

from typing import Annotated

import typer

COMPOSE = "Compose files"
CHUNK_SIZE = 500
POD_RUNNING = "1m"

What = Annotated[
    list[str], typer.Argument(metavar="TYPE[/NAME] [NAME...]", help="As in `pods`, `deploy,rs`, `pod web-1`, `all`.")
]
WhatIfAny = Annotated[
    list[str] | None,
    typer.Argument(metavar="TYPE[/NAME] [NAME...]", help="As in `pods`, `deploy,rs`, `pod web-1`."),
]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")]
Labels = Annotated[str, typer.Option("--selector", "-l", help="Only with these labels, as in `app=web,tier!=db`.")]
Fields = Annotated[str, typer.Option("--field-selector", help="Only with these fields, as in `status.phase=Running`.")]
Every = Annotated[bool, typer.Option("--all", help="All objects of the type.")]
Cascade = Annotated[str, typer.Option("--cascade", help="background, foreground or orphan.")]
Output = Annotated[str, typer.Option("--output", "-o", help="wide, json, yaml or name.")]
NoHeaders = Annotated[bool, typer.Option("--no-headers", help="Without the line of column names.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on printing what changes.")]
IgnoreNotFound = Annotated[bool, typer.Option("--ignore-not-found", help="What is not there is no error.")]
ChunkSize = Annotated[int, typer.Option("--chunk-size", min=0, help="Ask for so many objects at once; 0: for all.")]
PodRunning = Annotated[
    str, typer.Option("--pod-running-timeout", help="How long to wait until TYPE/NAME has a Pod, as in 20s or 1m.")
]
Files = Annotated[
    list[str] | None,
    typer.Option("--filename", "-f", help="A file, a folder, or - for stdin; may be repeated."),
]
Recursive = Annotated[bool, typer.Option("--recursive", "-R", help="Folders inside folders too.")]
Timeout = Annotated[str, typer.Option("--timeout", help="How long to wait, as in 90s or 5m.")]
ProjectName = Annotated[
    str,
    typer.Option(
        "--project-name", "-p", help="Of a Compose file: another name for the project.", rich_help_panel=COMPOSE
    ),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile", help="Of a Compose file: services of this profile too; may be repeated.", rich_help_panel=COMPOSE
    ),
]
Volumes = Annotated[
    bool,
    typer.Option(
        "--volumes", help="Of a Compose file: its named volumes too, with their data.", rich_help_panel=COMPOSE
    ),
]
RemoveOrphans = Annotated[
    bool,
    typer.Option("--remove-orphans", help="Delete services that have left the Compose file.", rich_help_panel=COMPOSE),
]
EnvFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--env-file", help="Of a Compose file: variables, in place of .env; may be repeated.", rich_help_panel=COMPOSE
    ),
]
