"""Refusals in one sentence, with numbers.

"0/5 nodes are available: 3 lack memory (need 2Gi, best has 1.2Gi free), 2 cordoned."
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from swarmlet.model import quantity
from swarmlet.scheduler import filters
from swarmlet.scheduler.cluster import NodeInfo
from swarmlet.scheduler.demand import POD_COUNT, Demand

BYTES = ("memory", "ephemeral-storage")
UNITS = ("Ki", "Mi", "Gi", "Ti", "Pi")
WORDS = {POD_COUNT: "room for Pods", "ephemeral-storage": "ephemeral storage", "cpu": "CPU"}


def refusal(demand: Demand, nodes: Collection[NodeInfo]) -> str:
    """Return why none of `nodes` will do for a Pod, the most frequent reason first."""
    if not nodes:
        return "0/0 nodes are available: no node has joined."
    groups: dict[filters.Refusal, list[NodeInfo]] = {}
    for node in nodes:
        found = filters.refusal(filters.NODE_FILTERS + filters.ROOM_FILTERS, demand, node)
        if found is not None:
            groups.setdefault(found, []).append(node)
    ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0].many, group[0].lacking))
    parts = ", ".join(_part(demand, reason, members) for reason, members in ranked)
    return f"0/{len(nodes)} nodes are available: {parts}."


def _part(demand: Demand, reason: filters.Refusal, members: Collection[NodeInfo]) -> str:
    said = f"{len(members)} {reason.one if len(members) == 1 else reason.many}"
    if not reason.lacking:
        return said
    needs = dict(demand.requests)
    return f"{said} " + " and ".join(_lack(name, needs[name], members) for name in reason.lacking)


def _lack(name: str, need: int, members: Iterable[NodeInfo]) -> str:
    best = max(member.free(name) or 0 for member in members)
    if name == POD_COUNT:
        most = max(member.allocatable.get(name, 0) for member in members)
        return f"{WORDS[name]} (at most {most // 1000} a node)"
    return f"{WORDS.get(name, name)} (need {amount(name, need)}, best has {amount(name, max(0, best))} free)"


def amount(name: str, milli: int) -> str:
    """Return an amount of a resource as people write it, rounded down where it has to be."""
    if name not in BYTES:
        return f"{milli // 1000}" if milli % 1000 == 0 else f"{milli}m" if milli < 1000 else f"{milli / 1000:g}"
    count = milli // 1000
    exact = quantity.from_bytes(count)
    return exact if len(exact) <= 5 else _rounded_down(count)


def _rounded_down(count: int) -> str:
    power = min(max(0, (count.bit_length() - 1) // 10), len(UNITS))
    if power == 0:
        return str(count)
    tenths = count * 10 // 1024**power
    return f"{tenths // 10}{f'.{tenths % 10}' if tenths % 10 else ''}{UNITS[power - 1]}"
