"""What the API tells of the history: changes, and objects as they were. No value of a Secret stands in a change."""

from __future__ import annotations

from typing import Any

import msgspec

from swarmlet.model.base import ApiStruct, Time, no_items
from swarmlet.model.differences import Difference

CREATE = "create"
CHANGE = "change"
DELETE = "delete"


class ObjectChange(ApiStruct, frozen=True, kw_only=True):
    """One change of one object: who, when, from where and what.

    `revision` is the object's after it; `change` the first revision of all that was changed with it, `size` objects.
    Where it stands for several of a controller, `joined` is their number, `since` the first revision and `began` its
    time. `address` is "" for a daemon's own socket. `differences` are left out of what is made or deleted unless asked
    for.
    """

    revision: int
    action: str
    resource: str
    name: str
    namespace: str = ""
    change: int = 0
    size: int = 1
    at: Time | None = None
    who: str = ""
    node: str = ""
    address: str = ""
    agent: str = ""
    verb: str = ""
    note: str = ""
    joined: int = 1
    since: int = 0
    began: Time | None = None
    differences: tuple[Difference, ...] = ()


class ChangeList(ApiStruct, frozen=True, kw_only=True):
    """Changes, newest first, as of `revision`; `more`: there are earlier ones that were asked for.

    `forgotten`: objects that have no entry here are known from this revision on.
    """

    changes: tuple[ObjectChange, ...] = msgspec.field(default_factory=no_items)
    revision: int = 0
    forgotten: int = 0
    more: bool = False


class PastObjects(ApiStruct, frozen=True, kw_only=True):
    """What was desired at a revision. `notes` tell of which objects a controller's changes are not known one by one."""

    revision: int
    items: tuple[dict[str, Any], ...] = msgspec.field(default_factory=no_items)
    notes: tuple[str, ...] = ()


class ObjectDifference(ApiStruct, frozen=True, kw_only=True):
    """How one object at one moment differs from itself at another; `action` is what lies between them."""

    action: str
    resource: str
    name: str
    namespace: str = ""
    differences: tuple[Difference, ...] = ()


class MomentDifference(ApiStruct, frozen=True, kw_only=True):
    """What differs between the desired states at two revisions; `more` objects are left out."""

    before: int
    after: int
    objects: tuple[ObjectDifference, ...] = msgspec.field(default_factory=no_items)
    notes: tuple[str, ...] = ()
    more: int = 0


class UndoRequest(ApiStruct, frozen=True, kw_only=True):
    """`force`: undo what can be undone, though later changes touched the same fields."""

    force: bool = False
