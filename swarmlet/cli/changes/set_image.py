"""`swarmlet set image`: other images for containers, of Pods and of all that makes Pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing
from swarmlet.cli.changes.outcomes import DryRun, Form, Manager, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.cli.changes.targets import Target

EVERY = "*"
POD_SPECS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where each kind has its Pod's spec, where that is not `TEMPLATE`."""
TEMPLATE = ("spec", "template", "spec")
LISTS = ("initContainers", "containers")

What = Annotated[
    list[str] | None,
    typer.Argument(metavar="TYPE/NAME... CONTAINER=IMAGE...", help="As in `deploy/web main=web:2`; `*` is every one."),
]


def register(app: typer.Typer) -> None:
    """Add the group to the root app."""
    group = typer.Typer(name="set", help="Set what objects run.", no_args_is_help=True)
    group.callback()(lambda: None)  # one command alone would be the group itself
    group.command("image", cls=parsing.Command)(image)
    app.add_typer(group)


@connected
async def image(
    session: Session,
    what: What = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    all_: Annotated[bool, typer.Option("--all", help="All objects of the type.")] = False,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-set",
) -> None:
    """Set the images of containers.

    `set image deploy/web main=registry.example/web:2`, `set image deploy,ds --all '*=busybox:1.37'`
    """
    from swarmlet.cli.changes import targets

    outcome = Outcome(dry_run, output, field_manager)
    outcome.check()
    words, images = _split(what or ())
    wish = targets.Wish(files=filename, recursive=recursive, labels=selector, every=all_)
    found = await targets.find(session, words, wish)
    patches = [_patch(target, images) for target in found]  # all of them, before the first is sent
    for target, patch in zip(found, patches, strict=True):
        if patch:
            await _change(session, target, patch, outcome)


def _split(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    names = [word for word in words if "=" not in word]
    pairs = [word.partition("=") for word in words if "=" in word]
    if not pairs:
        raise exits.UsageError("at least one image update is required, as in main=web:2")
    for name, _, value in pairs:
        if not name or not value:
            raise exits.UsageError(f"{name}={value}: found no container or no image; allowed: CONTAINER=IMAGE")
    return names, {name: value for name, _, value in pairs}


def _patch(target: Target, images: Mapping[str, str]) -> dict[str, Any]:
    """Return the strategic merge patch, {} where the images are so already."""
    path = POD_SPECS.get(target.resource.kind, TEMPLATE)
    spec: Any = target.document
    for name in path:
        spec = spec.get(name) if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping):
        raise CallerError(f"{target} has no containers")
    containers = {each["name"]: each for _, each in _containers(spec)}
    for name in images:
        if name != EVERY and name not in containers:
            raise CallerError(f'unable to find container named "{name}"')
    patch: dict[str, Any] = {}
    for key, each in _containers(spec):
        wanted = images.get(each["name"], images.get(EVERY))
        if wanted and wanted != each.get("image"):
            patch.setdefault(key, []).append({"name": each["name"], "image": wanted})
    for name in reversed(path if patch else ()):
        patch = {name: patch}
    return patch


def _containers(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from ((key, each) for key in LISTS for each in spec.get(key) or ())


async def _change(session: Session, target: Target, patch: dict[str, Any], outcome: Outcome) -> None:
    from swarmlet.client.client import STRATEGIC_MERGE_PATCH
    from swarmlet.model import patch as patches
    from swarmlet.model import schema

    if outcome.is_sent:
        after = await target.patch(session, patch, outcome, content_type=STRATEGIC_MERGE_PATCH)
    else:
        definition = schema.definition_of(target.document["apiVersion"], target.document["kind"])
        after = dict(patches.strategic_merge(target.document, patch, definition))
    outcome.tell(target, "image updated", after)
