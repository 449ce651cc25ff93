"""`swarmlet set image`: other images for containers, of Pods and of all that makes Pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options
from swarmlet.cli.changes import pod_specs
from swarmlet.cli.changes.outcomes import DryRun, Form, Local, Manager, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.cli.changes.targets import Target

What = Annotated[
    list[str] | None,
    typer.Argument(metavar="TYPE/NAME... CONTAINER=IMAGE...", help="As in `deploy/web main=web:2`; `*` is every one."),
]


@connected
async def image(
    session: Session,
    what: What = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    all_: options.Every = False,
    local: Local = False,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-set",
) -> None:
    """Set the images of containers.

    `set image deploy/web main=registry.example/web:2`, `set image deploy,ds --all '*=busybox:1.37'`
    """
    from swarmlet.cli.changes import targets

    outcome = Outcome(dry_run, output, field_manager, local)
    outcome.check()
    words, images = _split(what or ())
    wish = targets.Wish(files=filename, recursive=recursive, labels=selector, every=all_, local=local)
    found = await targets.find(session, words, wish)
    patches = [_patch(target, images) for target in found]  # all of them, before the first is sent
    for target, patch in zip(found, patches, strict=True):
        if patch:
            await pod_specs.change(session, target, patch, outcome, "image updated")


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
    known = {each["name"] for _, each in pod_specs.containers(target)}
    for name in images:
        if name != pod_specs.EVERY and name not in known:
            raise CallerError(f'unable to find container named "{name}"')
    changes = []
    for key, each in pod_specs.containers(target):
        wanted = images.get(each["name"], images.get(pod_specs.EVERY))
        if wanted and wanted != each.get("image"):
            changes.append((key, {"name": each["name"], "image": wanted}))
    return pod_specs.patch(target, changes)
