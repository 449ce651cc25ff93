"""Moves: a Pod on its way to another node, told by the Pod that is to take its place.

The replacement stands beside the Pod until it is available, and then the Pod goes (docs/decisions/0022). All that is
known of a move is in the annotation of the replacement, so any leader can bring it to its end. While both are there
they count as one Pod of their owner.

    for pair in moves.pairs(pods_of_a_replica_set): ...   # each is a Pod with its replacement
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from swarmlet.model import objects, pods
from swarmlet.model.affinity import NAME_FIELD, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm
from swarmlet.model.apps import ReplicaSet
from swarmlet.model.base import clock_time
from swarmlet.model.meta import Condition, Object
from swarmlet.model.pod import Pod

REBALANCE = "swarmlet.io/rebalance"
"""The annotation of a Pod, its owners or its namespace: `NEVER`, or `ALWAYS` for Pods with local scratch space."""
NEVER = "never"
ALWAYS = "always"

MOVE = "swarmlet.io/move"
"""On a replacement: the `Move`, as JSON."""
FAILURES = "swarmlet.io/rebalance-failures"
"""On a ReplicaSet: how many of its Pods' moves in a row were undone."""
NOT_BEFORE = "swarmlet.io/rebalance-not-before"
"""On a ReplicaSet: until when its Pods are left in peace."""

RETRY_MIN = timedelta(minutes=5)
RETRY_MAX = timedelta(hours=24)
"""For how long an owner is left in peace after a move was undone; it doubles with each in a row."""
DIGITS_MAX = 9
"""Of the number of failures: what is longer was written by somebody else."""

MOVED = Condition(type="DisruptionTarget", status="True", reason="Rebalanced", message="Moved to another node")
"""On a Pod that goes because its replacement is available elsewhere."""


class Move(msgspec.Struct, frozen=True):
    """`pod` and `uid` name who moves from node `source` to `target`; `replacement` is the uid of who bears this.

    An annotation that was copied to some other Pod names another replacement, and means nothing there.
    """

    pod: str
    uid: str
    source: str
    target: str
    replacement: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A Pod that moves, and the one that takes its place."""

    mover: Pod
    replacement: Pod

    def counted(self) -> Pod:
        """Return the one that stands for both: the mover for as long as it serves."""
        return self.replacement if pods.is_ready(self.replacement) and not pods.is_ready(self.mover) else self.mover

    def loser(self, now: datetime, min_ready_seconds: int) -> Pod:
        """Return which of the two goes where there is room for one only."""
        return self.mover if pods.is_available(self.replacement, now, min_ready_seconds) else self.replacement


def of(pod: Pod) -> Move | None:
    """Return the move by which the Pod was made; None for a Pod that replaces nobody."""
    text = pod.metadata.annotations.get(MOVE)
    if text is None:
        return None
    try:
        move = msgspec.json.decode(text, type=Move)
    except msgspec.MsgspecError:
        return None
    return move if move.replacement == pod.metadata.uid else None


def bearing(pod: Pod, move: Move) -> Pod:
    """Return a new Pod as the replacement in a move."""
    annotations = {**pod.metadata.annotations, MOVE: msgspec.json.encode(move).decode()}
    return objects.with_metadata(pod, annotations=annotations)


def pairs(found: Collection[Pod]) -> list[Pair]:
    """Return the moves that are under way among the active Pods of one owner."""
    replacements = {move.uid: pod for pod in found if (move := of(pod))}
    if not replacements:
        return []
    return [Pair(pod, replacements[pod.metadata.uid]) for pod in found if pod.metadata.uid in replacements]


def counted(found: Collection[Pod]) -> list[Pod]:
    """Return the active Pods of one owner, of each pair the one that stands for both."""
    passed_over = set()
    for each in pairs(found):
        other = each.replacement if each.counted() is each.mover else each.mover
        passed_over.add(other.metadata.uid)
    return [pod for pod in found if pod.metadata.uid not in passed_over]


def narrowed(required: NodeSelector | None, pod: Pod) -> NodeSelector | None:
    """Return what a node must match for the Pod: a replacement goes where the plan has it, or nowhere.

    Once it is there it is as free as any other.
    """
    move = None if pod.spec.node_name else of(pod)
    return required if move is None else on_node(required, move.target)


def on_node(required: NodeSelector | None, name: str) -> NodeSelector:
    """Return what only the named node can match, and that only if it did before."""
    is_named = NodeSelectorRequirement(key=NAME_FIELD, operator="In", values=(name,))
    terms = required.node_selector_terms if required else (NodeSelectorTerm(),)
    return NodeSelector(node_selector_terms=tuple(_with_field(term, is_named) for term in terms))


def is_forbidden(bearers: Iterable[Object]) -> bool:
    """Whether one of a Pod, its owners and its namespace says that it stays where it is."""
    return any(each.metadata.annotations.get(REBALANCE) == NEVER for each in bearers)


def is_allowed(bearers: Iterable[Object]) -> bool:
    """Whether one of them says that what the Pod keeps on its node may be lost."""
    return any(each.metadata.annotations.get(REBALANCE) == ALWAYS for each in bearers)


def failures(owner: ReplicaSet) -> int:
    """Return how many moves in a row were undone."""
    text = owner.metadata.annotations.get(FAILURES, "")
    return int(text) if len(text) <= DIGITS_MAX and text.isascii() and text.isdigit() else 0


def held_until(owner: ReplicaSet) -> datetime | None:
    """Return until when the owner's Pods are left in peace; None where nothing speaks against a move."""
    text = owner.metadata.annotations.get(NOT_BEFORE)
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return at if at is None or at.tzinfo else None


def after_failure(owner: ReplicaSet, now: datetime) -> ReplicaSet:
    """Return the owner left in peace for twice as long as after the failure before."""
    count = failures(owner) + 1
    wait = min(RETRY_MIN * 2 ** min(count - 1, 16), RETRY_MAX)
    told = {FAILURES: str(count), NOT_BEFORE: clock_time(now + wait).isoformat()}
    return objects.with_metadata(owner, annotations=owner.metadata.annotations | told)


def after_success(owner: ReplicaSet) -> ReplicaSet:
    """Return the owner with its failures forgotten."""
    kept = {key: text for key, text in owner.metadata.annotations.items() if key not in (FAILURES, NOT_BEFORE)}
    return objects.with_metadata(owner, annotations=kept)


def _with_field(term: NodeSelectorTerm, field: NodeSelectorRequirement) -> NodeSelectorTerm:
    return msgspec.structs.replace(term, match_fields=(*term.match_fields, field))
