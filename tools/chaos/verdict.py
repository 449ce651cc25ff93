"""Judges a history: what was acknowledged is there, what was refused is not, and every watch saw all of it once."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from tools.chaos import order, spans
from tools.chaos.history import Act, End, Event, Operation, Sighting
from tools.chaos.spans import Change, State, next_change

TOLD_MAX = 20


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What is wrong with a history, in words. All lists are empty where it is well."""

    lost: list[str] = field(default_factory=list)
    """Acknowledged writes that are not there."""
    conjured: list[str] = field(default_factory=list)
    """Writes that are there though they were refused, or that nobody asked for."""
    gaps: list[str] = field(default_factory=list)
    """Changes that a watch did not see, saw twice or saw out of order."""
    disagreements: list[str] = field(default_factory=list)
    """Two daemons that told one change differently."""
    disorder: list[str] = field(default_factory=list)
    """Answers that no order of the operations explains."""

    def findings(self) -> Iterator[str]:
        """Yield all of it, a line each, the first few of every kind."""
        for name in self.__slots__:
            lines: list[str] = getattr(self, name)
            yield from (f"{name}: {line}" for line in lines[:TOLD_MAX])
            if len(lines) > TOLD_MAX:
                yield f"{name}: and {len(lines) - TOLD_MAX} more"


def judge(operations: list[Operation], sightings: list[Sighting], final: State | None) -> Verdict:
    """Return the verdict on what the clients saw, and on the state that is left in the end; None: nobody could tell."""
    verdict = Verdict()
    changes = _changes(operations, sightings, final, verdict)
    by_key = _by_key(changes.values())
    deletable = _deletable(operations)
    _judge_tokens(operations, changes.values(), verdict)
    _judge_writes(operations, by_key, verdict)
    if final is not None:
        _judge_final(by_key, deletable, final, verdict)
    _judge_sightings(operations, sightings, changes, verdict)
    _judge_listings(sightings, sorted(changes.items()), deletable, verdict)
    verdict.disorder += order.violations(spans.of(operations, by_key, final))
    return verdict


def _changes(
    operations: list[Operation], sightings: list[Sighting], final: State | None, verdict: Verdict
) -> dict[int, Change]:
    """Return every change that anybody knows of, by revision; note where two do not know the same."""
    changes: dict[int, Change] = {}
    digests: dict[int, str] = {}

    def note(change: Change, source: str) -> None:
        known = changes.setdefault(change.revision, change)
        if known != change:
            verdict.disagreements.append(f"{source} tells {change}, another {known}")

    for sighting in sightings:
        for event in sighting.events:
            note(_change(event), f"a watch on {sighting.daemon}")
            if digests.setdefault(event.revision, event.digest) != event.digest:
                verdict.disagreements.append(f"revision {event.revision} on {sighting.daemon} is not the same bytes")
        for key, (revision, token) in sighting.listing.items.items():
            note(Change(revision, key, gone=False, token=token), f"a list on {sighting.daemon}")
    for key, (revision, token) in (final or {}).items():
        note(Change(revision, key, gone=False, token=token), "the final state")
    for each in operations:
        if each.end is End.DONE and each.act is not Act.DELETE and each.revision:
            note(Change(each.revision, each.key, gone=False, token=each.token), str(each))
    return changes


def _change(event: Event) -> Change:
    return Change(event.revision, event.key, event.gone, event.token)


def _by_key(changes: Iterable[Change]) -> dict[str, list[Change]]:
    by_key: defaultdict[str, list[Change]] = defaultdict(list)
    for change in sorted(changes, key=lambda change: change.revision):
        by_key[change.key].append(change)
    return dict(by_key)


def _judge_tokens(operations: list[Operation], changes: Iterable[Change], verdict: Verdict) -> None:
    """What is there was asked for, was not refused, and took effect once."""
    times = Counter(change.token for change in changes if not change.gone)
    asked = {each.token: each for each in operations if each.is_write and each.token}
    for token, count in times.items():
        writer = asked.get(token)
        if writer is None:
            verdict.conjured.append(f"nobody wrote {token}")
        elif writer.end is End.REFUSED:
            verdict.conjured.append(f"{writer} was refused ({writer.reason}), and is there")
        elif count > 1:
            verdict.conjured.append(f"{writer} took effect {count} times")


def _judge_writes(operations: list[Operation], by_key: Mapping[str, list[Change]], verdict: Verdict) -> None:
    """A swap or a deletion follows the very change that it was to replace; a conflict has a cause."""
    for each in operations:
        if each.act not in (Act.SWAP, Act.DELETE) or each.end is End.UNKNOWN:
            continue
        after = next_change(by_key.get(each.key, []), each.expected)
        if each.end is End.REFUSED:
            if each.act is Act.DELETE and after and after.gone:
                verdict.conjured.append(f"{each} was refused ({each.reason}), and the object is gone")
            elif each.reason == "Conflict" and after is None:
                verdict.disorder.append(f"{each} was refused for a conflict, but nothing came after {each.expected}")
        elif after and (after.revision != each.revision if each.act is Act.SWAP else not after.gone):
            verdict.disorder.append(f"{each} replaced {each.expected}, but {after} came next")


def _judge_final(
    by_key: Mapping[str, list[Change]], deletable: Mapping[str, set[int]], final: State, verdict: Verdict
) -> None:
    """What is left is the last known change of each key; a deletion that nobody saw is one that was asked for."""
    for key, changes in by_key.items():
        last = changes[-1]
        expected = None if last.gone else (last.revision, last.token)
        if final.get(key) != expected and (key in final or last.revision not in deletable.get(key, ())):
            verdict.lost.append(f"{key}: {last} is the last that is known, the final state has {final.get(key)}")


def _deletable(operations: list[Operation]) -> dict[str, set[int]]:
    """Return the revisions of each key that somebody deleted, or may have deleted."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for each in operations:
        if each.act is Act.DELETE and each.end is not End.REFUSED:
            found[each.key].add(each.expected)
    return dict(found)


def _judge_sightings(
    operations: list[Operation], sightings: list[Sighting], changes: Mapping[int, Change], verdict: Verdict
) -> None:
    """A watch sees every change after its listing, up to where it ended, once and in order."""
    revisions = sorted(changes)
    acknowledged = {each.revision: each for each in operations if each.is_write and each.revision}
    anywhere = {event.revision for sighting in sightings for event in sighting.events}
    for sighting in sightings:
        seen = [event.revision for event in sighting.events]
        start = sighting.listing.revision
        for before, after in pairwise([start, *seen]):
            if after <= before:
                verdict.gaps.append(f"the watch on {sighting.daemon} saw {after} after {before}")
        within = revisions[bisect.bisect_right(revisions, start) : bisect.bisect_right(revisions, sighting.last)]
        for revision in sorted(set(within).difference(seen)):
            where = f"the watch on {sighting.daemon}, from {start} to {sighting.last}"
            verdict.gaps.append(f"{where}, missed {changes[revision]}")
            if revision in acknowledged and revision not in anywhere:
                verdict.lost.append(f"{acknowledged[revision]}: {where}, never saw it, and no other did")


def _judge_listings(
    sightings: list[Sighting], changes: list[tuple[int, Change]], deletable: Mapping[str, set[int]], verdict: Verdict
) -> None:
    """A list shows, of each key, the last change up to its revision."""
    state: dict[str, tuple[int, str]] = {}
    place = 0
    for sighting in sorted(sightings, key=lambda sighting: sighting.listing.revision):
        listing = sighting.listing
        while place < len(changes) and changes[place][0] <= listing.revision:
            revision, change = changes[place]
            place += 1
            state.pop(change.key, None)
            if not change.gone:
                state[change.key] = (revision, change.token)
        if state != listing.items:
            where = f"the list on {sighting.daemon} at {listing.revision}"
            verdict.disorder += _differences(where, listing.items, state, deletable)


def _differences(where: str, shown: State, known: State, deletable: Mapping[str, set[int]]) -> Iterator[str]:
    for key in sorted(shown.keys() | known.keys()):
        unseen_deletion = key not in shown and known[key][0] in deletable.get(key, ())
        if shown.get(key) != known.get(key) and not unseen_deletion:
            yield f"{where} shows {shown.get(key)} of {key}, where {known.get(key)} is known"
