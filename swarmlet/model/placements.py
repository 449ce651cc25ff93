"""Why Pods went where they are: what the scheduler decided by, kept beside them. Only daemons see it.

One record holds all that one step of the scheduler bound, so that Pods which were decided on alike share what they have
in common, and the Pods themselves stay as small as they are (docs/decisions/0024).
"""

from __future__ import annotations

from swarmlet.model.base import ApiStruct, Time, always
from swarmlet.model.meta import Object


class Refused(ApiStruct, frozen=True, kw_only=True):
    """`count` nodes that would not do for one reason; `nodes` names a few of them."""

    count: int
    why: str
    nodes: tuple[str, ...] = ()


class ScorePart(ApiStruct, frozen=True, kw_only=True):
    """One part of a score and how much it weighs beside the others."""

    name: str
    weight: float


class Considered(ApiStruct, frozen=True, kw_only=True):
    """What Pods of one step have in common: the nodes there were, those refused, and the parts of the scores."""

    nodes: int
    refused: tuple[Refused, ...] = ()
    parts: tuple[ScorePart, ...] = ()


class Rated(ApiStruct, frozen=True, kw_only=True):
    """A node and its score from 0 to 1; `values` are those of the parts, in their order."""

    node: str
    score: float
    values: tuple[float, ...] = ()


class Departure(ApiStruct, frozen=True, kw_only=True):
    """A Pod of the same owner that was going when another was placed; `reason` "" where none was recorded."""

    pod: str
    node: str = ""
    at: Time | None = None
    reason: str = ""
    message: str = ""


class PlacedPod(ApiStruct, frozen=True, kw_only=True):
    """One Pod, by its uid: `considered` is the index of what it was decided by."""

    uid: str
    considered: int = 0
    chosen: Rated
    runner_up: Rated | None = None
    by_lot: bool = False
    after: Departure | None = None


class PlacementRecord(Object, frozen=True, kw_only=True):
    """What one step of the scheduler bound, and by what; it goes when none of its Pods is left."""

    api_version: str = always("internal.swarmlet.io/v1")
    kind: str = always("PlacementRecord")
    at: Time | None = None
    considered: tuple[Considered, ...] = ()
    pods: tuple[PlacedPod, ...] = ()
