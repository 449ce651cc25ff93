"""What an explanation is made of, as it goes over the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

ERROR = "error"
WARNING = "warning"
INFO = "info"
RANK = {ERROR: 0, WARNING: 1, INFO: 2}

LINES_MAX = 12
"""Sentences of one explanation: what does not fit a glance helps nobody at night."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sentence, without its full stop and its time, and what it comes from.

    Args:
        text: what is said.
        severity: `ERROR` (does not work), `WARNING` (waits, or may come to harm) or `INFO`.
        since: from when on it is so; told after the text.
        at: when it happened; told after the text.
        about: the object that it was read off, "pods/default/web-1".
        source: what of that object says so: "status", "condition Ready", "event BackOff", "placement record", "now".
        advice: the one thing to do about it, where there is one.
        causes: what it comes from, the worst first.
    """

    text: str
    severity: str = INFO
    since: datetime | None = None
    at: datetime | None = None
    about: str = ""
    source: str = ""
    advice: str = ""
    causes: tuple[Finding, ...] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why one object is as it is: `now` is when it was asked, `omitted` how many sentences were left out."""

    object: str
    now: datetime
    findings: tuple[Finding, ...] = ()
    omitted: int = 0


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings with the most severe first; equals keep their order."""
    return tuple(sorted(findings, key=lambda finding: RANK[finding.severity]))


def severity_of(findings: Iterable[Finding]) -> str:
    """Return the worst severity there is among them."""
    return min((finding.severity for finding in findings), key=RANK.__getitem__, default=INFO)


def count(findings: Iterable[Finding]) -> int:
    """Return how many sentences there are, those below included."""
    return sum(1 + count(finding.causes) for finding in findings)


def pruned(findings: Sequence[Finding], lines_max: int = LINES_MAX) -> tuple[Finding, ...]:
    """Return the first `lines_max` sentences: each level before what lies below it, as a reader would skim."""
    kept = tuple(findings[:lines_max])
    left = lines_max - len(kept)
    shown = []
    for finding in kept:
        causes = pruned(finding.causes, left)
        left -= count(causes)
        shown.append(msgspec.structs.replace(finding, causes=causes))
    return tuple(shown)


def without(findings: Iterable[Finding], hidden: Iterable[str]) -> tuple[Finding, ...]:
    """Return the findings but for those about objects of `hidden` resources, and what lies below them."""
    names = frozenset(hidden)
    return tuple(
        msgspec.structs.replace(finding, causes=without(finding.causes, names))
        for finding in findings
        if finding.about.partition("/")[0] not in names
    )


def resources(findings: Iterable[Finding]) -> frozenset[str]:
    """Return the resources of all the objects that are spoken of."""
    found: set[str] = set()
    for finding in findings:
        found |= {finding.about.partition("/")[0]} - {""}
        found |= resources(finding.causes)
    return frozenset(found)
