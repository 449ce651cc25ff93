"""Why a Pod is on its node, and which Pod was there before it: from the record of its placement, and from events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from swarmlet.explain.case import EVENT_LIFE, Case, about, by_event, listed, plural
from swarmlet.explain.findings import INFO, Finding
from swarmlet.explain.happenings import last_seen
from swarmlet.model import conditions, kinds, moves, objects
from swarmlet.model.placements import Considered, Departure, PlacedPod, PlacementRecord, Rated
from swarmlet.model.pod import Pod

RECORDS = kinds.PLACEMENT_RECORD.resource
SOURCE = "placement record"
MOVED = ("TaintManagerEviction", "Preempted", "Fenced", "WaitsForFencing", "Evicted")
"""The reasons of events that tell why a Pod left its node, or its place is kept."""
LOST = "DeletionByPodGC"
JUST_BEFORE = timedelta(seconds=60)
PARTS_SHOWN = 4


def findings(case: Case, pod: Pod) -> list[Finding]:
    """Return why a Pod that has a node is on that one: as it was recorded when it was bound."""
    found = _record(case, pod)
    if found is None:
        return [_unrecorded(case, pod)]
    record, placed = found
    considered = record.considered[placed.considered]
    chosen = Finding(
        text=_chosen(placed, considered),
        at=record.at,
        about=about(pod),
        source=SOURCE,
        causes=tuple(_grounds(placed, considered, about(pod))),
    )
    return [chosen, *([_after(placed.after, pod)] if placed.after else [])]


def before(case: Case, pod: Pod) -> list[Finding]:
    """Return what happened to a Pod of the same name before this one, and how this one came here itself."""
    earlier = [each for each in case.events_of_namesakes(pod) if each.reason in MOVED]
    found = [by_event(pod, each, f"the Pod of this name before it: {each.message}") for each in earlier[:1]]
    found += [] if _followed(case, pod) else list(_lost_before(case, pod))
    move = moves.of(pod)
    if move is not None:
        text = f"it took the place of Pod {move.pod}, which the rebalance moved here from {move.source}"
        why = f": {move.why}" if move.why else ""
        found.append(Finding(text=f"{text}{why}", about=about(pod), source=f"annotation {moves.MOVE}"))
    return found


def _followed(case: Case, pod: Pod) -> bool:
    """Whether the record of its placement tells which Pod it followed."""
    found = _record(case, pod) if pod.spec.node_name else None
    return found is not None and found[1].after is not None


def _lost_before(case: Case, pod: Pod) -> Iterator[Finding]:
    """Yield the newest event of a Pod of the same owner that was lost with its node just before this one was made."""
    made, prefix = pod.metadata.creation_timestamp, pod.metadata.generate_name
    if made is None or not prefix:
        return
    for event in case.events_of_kind(pod, LOST):
        at = last_seen(event)
        name = event.involved_object.name
        if name.startswith(prefix) and at is not None and timedelta(0) <= made - at <= JUST_BEFORE:
            text = f"just before it was made, Pod {name} of the same owner was lost: {event.message}"
            yield by_event(pod, event, text)
            return


def _record(case: Case, pod: Pod) -> tuple[PlacementRecord, PlacedPod] | None:
    """Return the newest record that tells of the Pod on the node that it has."""
    uid, newest = pod.metadata.uid.encode(), None
    for stored in case.view.list(RECORDS):
        if not uid or uid not in stored.json:
            continue
        record = msgspec.json.decode(stored.json, type=PlacementRecord)
        for placed in record.pods:
            fits = placed.uid == pod.metadata.uid and placed.chosen.node == pod.spec.node_name
            if fits and (newest is None or stored.revision > newest[0]):
                newest = (stored.revision, record, placed)
    return newest[1:] if newest else None


def _chosen(placed: PlacedPod, considered: Considered) -> str:
    able = considered.nodes - sum(each.count for each in considered.refused)
    node = placed.chosen.node
    whole = plural(considered.nodes, "node")
    if able == 1:
        return f"{node} was chosen: the only one of {whole} that would do"
    if placed.by_lot and placed.runner_up:
        return f"{node} was chosen of {whole} by lot: it and {placed.runner_up.node} were the best alike"
    return f"{node} was chosen of {whole}: the best of {able} that would do"


def _grounds(placed: PlacedPod, considered: Considered, where: str) -> Iterator[Finding]:
    for each in considered.refused:
        names = f" ({listed(each.nodes) if each.count <= len(each.nodes) else ', '.join(each.nodes) + ', ...'})"
        yield Finding(text=f"{each.count} {each.why}{names if each.nodes else ''}", about=where, source=SOURCE)
    if placed.runner_up is not None:
        yield Finding(text=_scored(placed.chosen, considered), about=where, source=SOURCE)
        yield Finding(text=f"runner-up: {_scored(placed.runner_up, considered)}", about=where, source=SOURCE)


def _scored(rated: Rated, considered: Considered) -> str:
    """Return a score with its parts, those that weigh most first."""
    pairs = list(zip(considered.parts, rated.values, strict=False))
    ranked = sorted(pairs, key=lambda pair: -pair[0].weight)
    parts = ", ".join(f"{part.name} {value:.2f}" for part, value in ranked[:PARTS_SHOWN])
    more = f" and {len(ranked) - PARTS_SHOWN} more" if len(ranked) > PARTS_SHOWN else ""
    return f"{rated.node} scored {rated.score:.2f}{f' ({parts}{more})' if parts else ''}"


def _after(after: Departure, pod: Pod) -> Finding:
    left = f" left {after.node}" if after.node else " was deleted"
    why = f": {after.message} ({after.reason})" if after.reason else ": its deletion was asked for"
    return Finding(
        text=f"it came when Pod {after.pod}{left}{why}", severity=INFO, at=after.at, about=about(pod), source=SOURCE
    )


def _unrecorded(case: Case, pod: Pod) -> Finding:
    """Return what is known all the same; nothing is guessed."""
    told = case.event(pod, "Scheduled")
    node = pod.spec.node_name
    if told is not None:
        return by_event(pod, told, f"it was bound to {node}; what decided for that node was not recorded")
    scheduled = conditions.get(pod.status.conditions, "PodScheduled")
    at = scheduled.last_transition_time if scheduled else None
    owner = _owner_word(case, pod)
    text = f"it is on {node}; what decided for that node was not recorded{owner} ({EVENT_LIFE})"
    return Finding(text=text, severity=INFO, at=at, about=about(pod), source="condition PodScheduled")


def _owner_word(case: Case, pod: Pod) -> str:
    owner = case.owner(pod)
    if owner is None or objects.controller_of(pod) is None:
        return ": it may have named its node itself"
    return f", it is of {owner.kind} {owner.metadata.name}"
