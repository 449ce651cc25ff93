"""How a change is made and told: --dry-run, -o and --field-manager, alike for all commands that change objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import documents, exits

if TYPE_CHECKING:
    from swarmlet.cli.applying.objects import Applied
    from swarmlet.cli.changes.targets import Target
    from swarmlet.cli.selection import Reference
    from swarmlet.client.client import WriteOptions

SUFFIXES = {"none": "", "client": " (dry run)", "server": " (server dry run)"}
MESSAGE = ""
"""`-o` that was not given: say what was done, in a line."""

DryRun = Annotated[
    str, typer.Option("--dry-run", help="none, client or server: only say what would be, or let the server check it.")
]
Form = Annotated[
    str, typer.Option("--output", "-o", help="The object in place of a message: json, yaml, name or jsonpath=...")
]
Local = Annotated[bool, typer.Option("--local", help="Of files: change what they say, and ask no server.")]
Manager = Annotated[str, typer.Option("--field-manager", help="Who owns what is changed.")]


@dataclass(slots=True)
class Outcome:
    """What becomes of a change; `dry_run` is "none", "client" (nothing is sent) or "server" (nothing is kept).

    `local`: the object is that of a file, and no server is asked. `as_list`: several objects are printed as one List,
    as `kubectl apply` does, by `end`.
    """

    dry_run: str = "none"
    output: str = MESSAGE
    manager: str = "swarmlet"
    local: bool = False
    as_list: bool = False
    _told: int = 0
    _kept: list[Mapping[str, Any]] = field(default_factory=list)

    def check(self) -> None:
        """Raise `UsageError` for what is not known."""
        if self.dry_run not in SUFFIXES:
            raise exits.UsageError(f"--dry-run={self.dry_run}: unknown; allowed: {', '.join(SUFFIXES)}")
        documents.check_form(self.output, [form for form in documents.FORMS if form != "wide"])

    @property
    def is_sent(self) -> bool:
        return self.dry_run != "client" and not self.local

    def write_options(self) -> WriteOptions:
        """Return how the server is to take the write."""
        from swarmlet.client.client import WriteOptions

        return WriteOptions(dry_run=self.dry_run == "server", field_manager=self.manager)

    def tell(self, target: Target | Reference | Applied, done: str, document: Mapping[str, Any]) -> None:
        """Print what was done, or the object after it."""
        if self.output == MESSAGE:
            print(f"{target} {done}{SUFFIXES[self.dry_run]}", flush=True)
        elif self.output == "name":
            print(target, flush=True)
        elif self.as_list:
            self._kept.append(document)
        else:
            documents.show(self.output, document, between="---\n" * bool(self._told))
        self._told += 1

    def end(self) -> None:
        """Print what was kept for a List, one object alone as it is; what is told from now on follows it."""
        self.as_list = False
        if self._kept:
            documents.show(self.output, self._kept[0] if len(self._kept) == 1 else documents.as_list(self._kept))
