"""The command line: a thin client of the same API that kubectl speaks, and the daemon's own front door.

One module a command, or a group of them; each registers itself on the root app. A command that speaks to the API is
a coroutine function that takes a `Session` (`@session.connected` adds the options that say where to); it prints to
stdout and raises from `swarmlet.errors`. Nobody below `main` prints an error or ends the process.

Invariants:
- What goes to stdout is what was asked for, and can be piped; everything else goes to stderr.
- A failure is one line, `error: ...`, and an exit code of docs/cli.md; never a traceback (`exits.guarded`).
- Nothing heavy is imported before the command that needs it runs: `swarmlet` must feel instant.

    swarmlet.cli.run(["get", "pods", "-n", "default"])  # -> exit code
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from swarmlet.cli import exits

if TYPE_CHECKING:
    import typer

NAME = "swarmlet"


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    return exits.guarded(lambda: _invoke(arguments))


def _invoke(arguments: Sequence[str]) -> object:
    from typer.main import get_command

    command = get_command(build())
    return command.main(list(arguments) or ["--help"], prog_name=NAME, standalone_mode=False)


def build() -> typer.Typer:
    """Return the root app with all commands, in the order that help lists them."""
    import typer

    from swarmlet.cli import (
        apply,
        cluster,
        completion,
        daemon,
        delete,
        describe,
        events,
        get,
        logs,
        rollout,
        scale,
        status,
        version,
    )

    app = typer.Typer(
        name=NAME,
        help="Kubernetes' promises with Docker Compose's simplicity, and no masters.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    groups = (daemon, cluster, status, apply, get, describe, delete, scale, logs, events, rollout, version, completion)
    for group in groups:
        group.register(app)
    return app
