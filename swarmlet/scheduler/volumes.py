"""What a Pod's claims ask of its node: that it reaches the volumes they have, or has what they could get."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from swarmlet.model import affinity
from swarmlet.model.affinity import NodeSelector


@dataclass(frozen=True, slots=True)
class Candidate:
    """A free volume that a claim could have on the nodes that reach it."""

    name: str
    nodes: NodeSelector | None = None
    held_once: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A claim, by name, that gets its volume where its first Pod goes: one of `candidates`, or else a new one.

    `node` is where it was decided to be; "" where that is still open.
    """

    claim: str
    candidates: tuple[Candidate, ...] = ()
    is_made: bool = False
    node: str = ""


@dataclass(frozen=True, slots=True)
class VolumeDemand:
    """What the claims of a Pod ask for together.

    `reach` are the nodes of the volumes that they have, `homes` those volumes that lie on one node: (volume,
    node, consensus id of the node).
    `node` is where others hold a volume that one node alone may mount; "" for none. `full` are the nodes without room
    for a new volume. `exclusive` names what only one Pod may take in one round. `held_once`: the Pod must be single.
    """

    reach: tuple[NodeSelector, ...] = ()
    homes: tuple[tuple[str, str, str], ...] = ()
    choices: tuple[Choice, ...] = ()
    node: str = ""
    full: frozenset[str] = frozenset()
    exclusive: frozenset[str] = frozenset()
    held_once: bool = False

    @property
    def shape(self) -> VolumeDemand:
        """What is asked of a node: the same for Pods that differ only in which claims are their own."""
        choices = tuple(dataclasses.replace(each, claim=str(number)) for number, each in enumerate(self.choices))
        return dataclasses.replace(self, choices=choices, exclusive=frozenset())


def is_reached(demand: VolumeDemand, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a node reaches all the volumes that the claims have."""
    return all(affinity.matches(nodes, name, labels) for nodes in demand.reach)


def chosen(demand: VolumeDemand, name: str, labels: Mapping[str, str]) -> dict[str, Candidate | None] | None:
    """Return what each open claim would get on a node, None for a new volume; or None where one would get nothing."""
    found: dict[str, Candidate | None] = {}
    taken: set[str] = set()
    for choice in demand.choices:
        if choice.node not in ("", name):
            return None
        candidate = next(
            (
                each
                for each in choice.candidates
                if each.name not in taken and (each.nodes is None or affinity.matches(each.nodes, name, labels))
            ),
            None,
        )
        if candidate is None and not choice.is_made:
            return None
        if candidate is not None:
            taken.add(candidate.name)
        found[choice.claim] = candidate
    return found
