"""`swarmlet edit`: an object in the user's editor, and what was changed there sent."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import documents, exits, options, parsing
from swarmlet.cli.changes.outcomes import Manager, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError, ConflictError, InvalidError, PeerError, SwarmletError

if TYPE_CHECKING:
    from swarmlet.cli.changes.targets import Target

EDITOR_VARIABLES = ("KUBE_EDITOR", "EDITOR")
EDITOR = "vi"
HEADER = (
    "Please edit the object below. Lines beginning with a '#' will be ignored,",
    "and an empty file will abort the edit. If an error occurs while saving this file will be",
    "reopened with the relevant failures.",
    "",
)
FIXED = ("apiVersion", "kind")
UNSAVED_KINDS = ("Secret",)
"""Kinds of which no copy stays on the disk."""


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("edit", cls=parsing.Command)(edit)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The file that is edited; `form` is "yaml" or "json"."""

    path: Path
    form: str

    def write(self, body: str, complaints: Sequence[str]) -> None:
        """Write a body under the header and the complaints."""
        head = [*HEADER, *complaints, *([""] if complaints else [])]
        text = "".join(f"{f'# {line}'.rstrip()}\n" for line in head) + body.rstrip("\n") + "\n"
        self.path.write_text(text, encoding="utf-8")

    def read(self) -> str:
        """Return what was saved, without its comments."""
        saved = documents.file_text(str(self.path))
        return "".join(f"{line}\n" for line in saved.splitlines() if not line.startswith("#"))


@connected
async def edit(
    session: Session,
    what: options.WhatIfAny = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    output: Annotated[str, typer.Option("--output", "-o", help="Edit it as yaml or json.")] = "yaml",
    subresource: Annotated[str, typer.Option("--subresource", help="The part to edit: status, scale.")] = "",
    output_patch: Annotated[bool, typer.Option("--output-patch", help="Print the patch that is sent.")] = False,
    field_manager: Manager = "kubectl-edit",
) -> None:
    """Edit objects, one after the other, in `$KUBE_EDITOR`, `$EDITOR` or vi.

    `edit deploy/web`, `edit svc web -o json`
    """
    from swarmlet.cli.changes import targets

    documents.check_form(output, documents.WHOLE)
    found = await targets.find(session, what or (), targets.Wish(files=filename, recursive=recursive))
    for target in found:
        sending = _Sending(session, target, Outcome(manager=field_manager), subresource, tells_patch=output_patch)
        await _edit(sending, output)


async def _edit(sending: _Sending, form: str) -> None:
    """Have an object edited until what was saved is taken, or given up."""
    target = sending.target
    descriptor, name = tempfile.mkstemp(prefix="swarmlet-edit-", suffix=f".{form}")
    os.close(descriptor)
    sheet = _Sheet(Path(name), form)
    kept = False
    try:
        await _until_taken(sheet, sending, documents.in_form(form, target.document))
    except SwarmletError as error:
        if sending.refused and target.resource.kind not in UNSAVED_KINDS:
            kept = True
            error.args = (f"{error}. A copy of your changes has been stored to {sheet.path}",)
        raise
    finally:
        if not kept:
            sheet.path.unlink(missing_ok=True)


async def _until_taken(sheet: _Sheet, sending: _Sending, body: str) -> None:
    complaints: list[str] = []
    while True:
        sheet.write(body, complaints)
        before = sheet.read()
        await _run_editor(sheet.path)
        body = sheet.read()
        if not body.strip():
            exits.say("Edit cancelled, saved file was empty.")
            return
        if body == before and not sending.may_repeat:
            if sending.refused:
                raise CallerError("Edit cancelled, no valid changes were saved")
            exits.say("Edit cancelled, no changes made.")
            return
        try:
            await sending.send(body)
        except PeerError:  # nothing is wrong with what was saved
            sending.refused = True
            raise
        except SwarmletError as error:
            complaints = _complaints(sending.target, error)
            sending.refused = True
        else:
            return


async def _run_editor(path: Path) -> None:
    chosen = next((os.environ[name] for name in EDITOR_VARIABLES if os.environ.get(name)), EDITOR)
    try:
        done = await asyncio.to_thread(subprocess.run, [*shlex.split(chosen), str(path)], check=False)
    except (OSError, ValueError) as error:
        raise CallerError(f"there was a problem with the editor {chosen!r}: {error}; set $EDITOR") from error
    if done.returncode:
        raise CallerError(f"there was a problem with the editor {chosen!r}: it ended with {done.returncode}")


def _parsed(body: str, target: Target) -> dict[str, Any]:
    """Return the object that was saved; raise `CallerError` where it is another one, or none."""
    from swarmlet.manifests import reading

    found = [value for _, value in reading.read("the edited file", body) if value is not None]
    if len(found) != 1 or not isinstance(found[0], dict):
        raise CallerError("the edited file must hold one object")
    edited: dict[str, Any] = found[0]
    metadata = edited.get("metadata")
    same = isinstance(metadata, dict) and all(
        metadata.get(key) == target.document["metadata"].get(key) for key in ("name", "namespace", "uid")
    )
    if not same or any(edited.get(key) != target.document.get(key) for key in FIXED):
        raise CallerError("At least one of apiVersion, kind and name was changed")
    return edited


@dataclass(slots=True)
class _Sending:
    """Sends what was saved, as a patch of what was changed; `seen` is the object as the user knows it to be."""

    session: Session
    target: Target
    outcome: Outcome
    subresource: str
    tells_patch: bool = False
    refused: bool = False
    may_repeat: bool = False
    seen: dict[str, Any] = field(default_factory=dict)

    async def send(self, body: str) -> None:
        """Raise `ConflictError`, once, where others have changed meanwhile what the user has changed."""
        target = self.target
        changes = _difference(documents.without_managed_fields(target.document), _parsed(body, target))
        current = await self.session.api.get(target.resource, target.name, namespace=target.namespace)
        overtaken = _overtaken(changes, self.seen or target.document, current)
        self.seen, self.may_repeat = current, bool(overtaken)
        if overtaken:
            told = "; ".join(f"{path}: is {value} now" for path, value in overtaken)
            raise ConflictError(f"changed by others meanwhile; save it again to overwrite that: {told}")
        metadata = changes.setdefault("metadata", {})
        metadata.setdefault("resourceVersion", current["metadata"]["resourceVersion"])
        after = await target.patch(self.session, changes, self.outcome, subresource=self.subresource)
        if self.tells_patch:
            print(f"Patch: {json.dumps(changes, ensure_ascii=False, separators=(',', ':'))}")
        self.outcome.tell(target, "edited", after)


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch from one object to another: lists whole, and nothing that is the same."""
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            if inner := _difference(old, value):
                patch[key] = inner
        elif key not in before or old != value:
            patch[key] = value
    return patch


def _overtaken(
    changes: Mapping[str, Any], before: Mapping[str, Any], now: Mapping[str, Any], path: str = ""
) -> list[tuple[str, str]]:
    """Return the (path, value now) of what a patch changes that has changed from `before` to `now`."""
    found: list[tuple[str, str]] = []
    for key, value in changes.items():
        old, new = before.get(key), now.get(key)
        at = f"{path}.{key}".removeprefix(".")
        if isinstance(value, dict) and isinstance(old, dict) and isinstance(new, dict):
            found += _overtaken(value, old, new, at)
        elif new not in (old, value):
            found.append((at, json.dumps(new)))
    return found


def _complaints(target: Target, error: SwarmletError) -> list[str]:
    """Return, in lines, why what was saved was not taken."""
    named = f'{target.resource.full_plural} "{target.name}"'
    if isinstance(error, InvalidError) and error.causes:
        return [f"{named} was not valid:", *(f"* {field}: {message}" for field, message in error.causes)]
    return [f"{named} was not taken:", *(f"* {line}" for line in str(error).splitlines())]
