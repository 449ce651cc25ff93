"""`swarmlet completion`: the script that lets a shell complete commands and options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

PROGRAM = "swarmlet"
VARIABLE = "_SWARMLET_COMPLETE"


class Shell(StrEnum):
    """Those that typer can complete in."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("completion")(completion)


def completion(shell: Annotated[Shell, typer.Argument(help="Which shell the script is for.")]) -> None:
    """Print a completion script.

    `source <(swarmlet completion bash)`
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # its own use too

    print(get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value))
