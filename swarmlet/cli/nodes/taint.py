"""`swarmlet taint`: what keeps Pods off machines that do not tolerate it.

Source: kubernetes/kubectl/pkg/cmd/taint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing
from swarmlet.cli.changes.outcomes import DryRun, Form, Manager, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.cli.changes.targets import Target

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

Taint = dict[str, Any]
What = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="nodes NAME... KEY=VALUE:EFFECT... KEY[:EFFECT]-...", help="As in `node h2 gpu=a:NoSchedule`."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("taint", cls=parsing.Command)(taint)


@dataclass(frozen=True, slots=True)
class Changes:
    """Taints to be set, and (key, effect) of those to go: "" is every effect."""

    wanted: tuple[Taint, ...]
    gone: tuple[tuple[str, str], ...]

    def done(self, node: Mapping[str, Any]) -> str:
        """Return kubectl's word for what was done to a node."""
        known = node["spec"].get("taints") or ()
        replaced = any(_is(old, each["key"], each["effect"]) for old in known for each in self.wanted)
        if replaced or (self.wanted and self.gone):
            return "modified"
        return "tainted" if self.wanted else "untainted"

    def of(self, node: Mapping[str, Any], *, overwrite: bool) -> list[Taint]:
        """Return the taints that a node has then; raise `CallerError` where that may not be."""
        known: list[Taint] = node["spec"].get("taints") or []
        for key, effect in self.gone:
            if not any(_is(each, key, effect) for each in known):
                raise CallerError(f'taint "{key}{f":{effect}" if effect else ""}" not found')
        left = [each for each in known if not any(_is(each, *one) for one in self.gone)]
        for each in self.wanted:
            if not overwrite and any(_is(old, each["key"], each["effect"]) for old in left):
                raise CallerError(
                    f"node {node['metadata']['name']} already has {each['key']} taint(s) with same effect(s) "
                    "and --overwrite is false"
                )
        kept = [old for old in left if not any(_is(old, each["key"], each["effect"]) for each in self.wanted)]
        return [*self.wanted, *kept]


@connected
async def taint(
    session: Session,
    what: What = None,
    selector: options.Labels = "",
    all_: options.Every = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Change the value of one that is there.")] = False,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-taint",
) -> None:
    """Keep Pods off machines that do not tolerate it, and let them again (`KEY-`).

    `taint nodes h2 gpu=a:NoSchedule`, `taint node h2 gpu:NoSchedule-`, `taint nodes -l disk=hdd slow:PreferNoSchedule`
    """
    from swarmlet.cli.changes import targets

    outcome = Outcome(dry_run, output, field_manager)
    outcome.check()
    words, changes = split(what or ())
    found = await targets.find(session, words, targets.Wish(labels=selector, every=all_))
    if other := next((each for each in found if each.resource.kind != "Node"), None):
        raise exits.UsageError(f"{other}: only nodes have taints, as in `taint nodes h2 gpu=a:NoSchedule`")
    wanted = [changes.of(target.document, overwrite=overwrite) for target in found]
    for target, taints in zip(found, wanted, strict=True):
        await _change(session, target, taints, outcome, changes.done(target.document))


async def _change(session: Session, target: Target, taints: list[Taint], outcome: Outcome, done: str) -> None:
    revision = target.document["metadata"].get("resourceVersion")
    patch = {"metadata": {"resourceVersion": revision}, "spec": {"taints": taints or None}}
    after = target.document | {"spec": {**target.document["spec"], "taints": taints}}
    if outcome.is_sent:
        after = await target.patch(session, patch, outcome)
    outcome.tell(target, done, after)


def split(words: Sequence[str]) -> tuple[list[str], Changes]:
    """Return the words that name nodes, and the changes that follow them."""
    start = next((at for at, word in enumerate(words) if _is_change(word)), len(words))
    wanted, gone = [], []
    for word in words[start:]:
        if word.endswith("-"):
            key, _, effect = word.removesuffix("-").partition(":")
            gone.append((key.partition("=")[0], effect))
        else:
            wanted.append(_parsed(word))
    if not wanted and not gone:
        raise exits.UsageError("at least one taint update is required, as in gpu=a:NoSchedule or gpu-")
    return list(words[:start]), Changes(tuple(wanted), tuple(gone))


def _is_change(word: str) -> bool:
    return "=" in word or ":" in word or word.endswith("-")


def _parsed(word: str) -> Taint:
    pair, _, effect = word.rpartition(":")
    key, has_value, value = pair.partition("=")
    if not key or effect not in EFFECTS:
        raise exits.UsageError(f"{word}: allowed: KEY=VALUE:EFFECT, with an EFFECT of {', '.join(EFFECTS)}")
    return {"key": key, **({"value": value} if has_value else {}), "effect": effect}


def _is(taint: Taint, key: str, effect: str) -> bool:
    return bool(taint["key"] == key and effect in ("", taint["effect"]))
