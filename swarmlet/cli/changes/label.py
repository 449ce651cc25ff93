"""`swarmlet label` and `annotate`: set and remove the pairs of an object's metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing
from swarmlet.cli.changes.outcomes import DryRun, Form, Local, Manager, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.cli.changes.targets import Target, Wish

Document = dict[str, Any]
What = Annotated[
    list[str] | None,
    typer.Argument(metavar="TYPE[/NAME] [NAME...] KEY=VALUE... KEY-...", help="As in `pod web-1 tier=front old-`."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Change a value that is there already.")]
ListOnly = Annotated[bool, typer.Option("--list", help="Print what there is, after the change if there is one.")]
LABEL = """Set labels (`KEY=VALUE`), and remove them (`KEY-`).

`label pod web-1 tier=front`, `label pods -l app=web tier-`, `label --overwrite node h2 disk=ssd`
"""
ANNOTATE = """Set annotations (`KEY=VALUE`), and remove them (`KEY-`).

`annotate deploy web kubernetes.io/change-cause="new colours"`, `annotate pods --all checked-`
"""
Revision = Annotated[str, typer.Option("--resource-version", help="Only if the object is at this revision.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root app."""
    app.command("label", cls=parsing.Command, help=LABEL)(_command("label", "kubectl-label"))
    app.command("annotate", cls=parsing.Command, help=ANNOTATE)(_command("annotation", "kubectl-annotate"))


@dataclass(frozen=True, slots=True)
class Pairs:
    """What is to change; a value of None removes its key. `noun` is "label" or "annotation"."""

    noun: str
    changes: Mapping[str, str | None]
    overwrite: bool
    revision: str

    def patch(self, target: Target) -> Document:
        """Return the merge patch; raise `CallerError` where a value would be overwritten that must not be."""
        before = self.of(target.document)
        for key, value in self.changes.items():
            if value is not None and not self.overwrite and before.get(key, value) != value:
                raise CallerError(f"'{key}' already has a value ({before[key]}), and --overwrite is false")
        metadata: Document = {f"{self.noun}s": dict(self.changes)}
        if self.revision:
            metadata["resourceVersion"] = self.revision
        return {"metadata": metadata}

    def of(self, document: Document) -> Mapping[str, str]:
        return document["metadata"].get(f"{self.noun}s") or {}

    def applied(self, document: Document) -> Document:
        """Return an object with the changes made to it."""
        pairs = {**self.of(document), **self.changes}
        kept = {key: value for key, value in pairs.items() if value is not None}
        return {**document, "metadata": {**document["metadata"], f"{self.noun}s": kept}}

    def done(self, before: Mapping[str, str], after: Mapping[str, str]) -> str:
        """Return kubectl's word for what was done."""
        if self.noun == "annotation":
            return "annotated"
        if before == after:
            return "not labeled"
        return "unlabeled" if len(after) < len(before) and not self.overwrite else "labeled"


def _command(noun: str, manager: str) -> Callable[..., None]:
    """Return the command that changes the labels, or the annotations, of objects."""

    @connected
    async def change(
        session: Session,
        what: What = None,
        filename: options.Files = None,
        recursive: options.Recursive = False,
        selector: options.Labels = "",
        field_selector: options.Fields = "",
        all_: options.Every = False,
        all_namespaces: options.AllNamespaces = False,
        overwrite: Overwrite = False,
        list_: ListOnly = False,
        resource_version: Revision = "",
        local: Local = False,
        dry_run: DryRun = "none",
        output: Form = "",
        field_manager: Manager = manager,
    ) -> None:
        from swarmlet.cli.changes.targets import Wish

        words, changes = split(what or (), noun)
        wish = Wish(
            files=filename,
            recursive=recursive,
            labels=selector,
            fields=field_selector,
            every=all_,
            all_namespaces=all_namespaces,
            local=local,
        )
        pairs = Pairs(noun, changes, overwrite, resource_version)
        await _change(session, words, wish, pairs, Outcome(dry_run, output, field_manager, local), listing=list_)

    return change


def split(words: Sequence[str], noun: str) -> tuple[list[str], dict[str, str | None]]:
    """Return the words that name objects, and the changes that follow them."""
    names = []
    changes: dict[str, str | None] = {}
    for word in words:
        key, is_pair, value = word.partition("=")
        if not is_pair and not word.endswith("-"):
            if changes:
                raise exits.UsageError(f"all resources must be specified before {noun} changes: {word}")
            names.append(word)
            continue
        key = key if is_pair else word.removesuffix("-")
        if not key:
            raise exits.UsageError(f"{word}: a {noun} needs a key, as in KEY=VALUE")
        if key in changes:
            raise exits.UsageError(f"{key}: can not both modify and remove a {noun} in the same command")
        changes[key] = value if is_pair else None
    return names, changes


async def _change(
    session: Session, words: Sequence[str], wish: Wish, pairs: Pairs, outcome: Outcome, *, listing: bool
) -> None:
    from swarmlet.cli.changes import targets

    outcome.check()
    if not pairs.changes and not listing:
        raise exits.UsageError(f"at least one {pairs.noun} update is required")
    found = await targets.find(session, words, wish)
    if pairs.revision and len(found) > 1:
        raise exits.UsageError("--resource-version may only be used with a single resource")
    patches = [pairs.patch(target) for target in found]  # all of them, before the first is sent
    for target, patch in zip(found, patches, strict=True):
        after = target.document
        if pairs.changes:
            after = await _changed(session, target, patch, pairs, outcome)
        if listing:
            _print_pairs(target, pairs.noun, pairs.of(after), alone=len(found) == 1)


async def _changed(session: Session, target: Target, patch: Document, pairs: Pairs, outcome: Outcome) -> Document:
    before = pairs.of(target.document)
    for key, value in pairs.changes.items():
        if value is None and key not in before and pairs.noun == "label":
            print(f'label "{key}" not found.')
    after = await target.patch(session, patch, outcome) if outcome.is_sent else pairs.applied(target.document)
    outcome.tell(target, pairs.done(before, pairs.of(after)), after)
    return after


def _print_pairs(target: Target, noun: str, pairs: Mapping[str, str], *, alone: bool) -> None:
    if not alone:
        print(f"Listing {noun}s for {target.resource.kind}.{target.resource.group}/{target.name}:")
    for key, value in sorted(pairs.items()):
        print(f"{' ' * (not alone)}{key}={value}")
