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

import contextlib
import importlib
import itertools
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from swarmlet.cli import completing, exits

if TYPE_CHECKING:
    import typer

NAME = "swarmlet"
GROUPS: Mapping[str, Sequence[str]] = {
    "swarmlet.cli.daemon": ("init", "join", "run"),
    "swarmlet.cli.cluster": ("leave", "kubeconfig", "token", "node"),
    "swarmlet.cli.status": ("status",),
    "swarmlet.cli.plans.plan": ("plan",),
    "swarmlet.cli.applying.apply": ("apply",),
    "swarmlet.cli.compose.command": ("compose",),
    "swarmlet.cli.creating.create": ("create",),
    "swarmlet.cli.creating.expose": ("expose",),
    "swarmlet.cli.get": ("get",),
    "swarmlet.cli.describe": ("describe",),
    "swarmlet.cli.why": ("why",),
    "swarmlet.cli.delete": ("delete",),
    "swarmlet.cli.changes.label": ("label", "annotate"),
    "swarmlet.cli.changes.patch": ("patch",),
    "swarmlet.cli.changes.edit": ("edit",),
    "swarmlet.cli.changes.setting": ("set",),
    "swarmlet.cli.creating.replace": ("replace",),
    "swarmlet.cli.wait": ("wait",),
    "swarmlet.cli.scale": ("scale",),
    "swarmlet.cli.autoscale": ("autoscale",),
    "swarmlet.cli.nodes.drain": ("cordon", "uncordon", "drain"),
    "swarmlet.cli.nodes.taint": ("taint",),
    "swarmlet.cli.rebalance": ("rebalance",),
    "swarmlet.cli.inside.logs": ("logs",),
    "swarmlet.cli.inside.exec": ("exec", "attach"),
    "swarmlet.cli.inside.copying": ("cp",),
    "swarmlet.cli.inside.forwarding": ("port-forward",),
    "swarmlet.cli.top": ("top",),
    "swarmlet.cli.events": ("events",),
    "swarmlet.cli.past.history": ("history", "diff"),
    "swarmlet.cli.past.undo": ("undo",),
    "swarmlet.cli.rollouts.rollout": ("rollout",),
    "swarmlet.cli.recovery.commands": ("backup", "restore", "recover", "check"),
    "swarmlet.cli.explaining.explain": ("explain",),
    "swarmlet.cli.access.auth": ("auth",),
    "swarmlet.cli.cluster_info": ("cluster-info",),
    "swarmlet.cli.api_resources": ("api-resources", "api-versions"),
    "swarmlet.cli.version": ("version",),
    "swarmlet.cli.completing.completion": ("completion",),
}
"""Which module has which commands, in the order that help lists them: only the one that is asked for is imported."""


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    if arguments and arguments[0] == completing.COMMAND:
        return _complete(arguments[1:])
    return exits.guarded(lambda: _invoke(arguments))


def _complete(arguments: Sequence[str]) -> int:
    """Tell a shell what may stand at the cursor; whatever goes wrong, its user must see nothing of it."""
    from swarmlet.cli.completing import answers

    with contextlib.suppress(Exception):
        print("\n".join(answers.answer(*arguments)))
    return 0


def _invoke(arguments: Sequence[str]) -> object:
    from typer.main import get_command

    arguments = _command_first(arguments)
    arguments = _of_a_pod(arguments)
    known = [name for names in GROUPS.values() for name in names]
    if arguments and not arguments[0].startswith("-") and arguments[0] not in known:
        from swarmlet.cli import instead

        raise exits.UsageError(instead.of_command(arguments[0], known))
    command = get_command(build(arguments[0] if arguments else ""))
    return command.main(list(arguments) or ["--help"], prog_name=NAME, standalone_mode=False)


def _of_a_pod(arguments: Sequence[str]) -> Sequence[str]:
    """Return `create pod ...` for kubectl's `run NAME --image=...`; `run` without an image is the daemon."""
    words = itertools.takewhile(lambda word: word != "--", arguments)
    if arguments[:1] and arguments[0] == "run" and any(word.partition("=")[0] == "--image" for word in words):
        return ["create", "pod", *arguments[1:]]
    return arguments


def _command_first(arguments: Sequence[str]) -> Sequence[str]:
    if not arguments or not arguments[0].startswith("-"):
        return arguments
    from swarmlet.cli import parsing, session

    return parsing.command_first(arguments, session.option_names())


def build(command: str = "") -> typer.Typer:
    """Return the root app: with the group of one command, or with all where the name is not known."""
    import typer

    app = typer.Typer(
        name=NAME,
        help="Kubernetes' promises with Docker Compose's simplicity, and no masters.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root() -> None:
        """Keep a single command a command: typer would make it the whole program."""

    for module in [each for each, names in GROUPS.items() if command in names] or GROUPS:
        importlib.import_module(module).register(app)
    return app
