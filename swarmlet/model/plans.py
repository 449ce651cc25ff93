"""What a plan is: what is asked for, what would become of it, and how it is kept until it is applied.

`PlanRequest` goes to the daemon, and `Plan` comes back, in which no value of a Secret stands. `kept_plans` has what
lies in the store in between.
"""

from __future__ import annotations

from typing import Any

from swarmlet.model.base import ApiStruct, Time
from swarmlet.model.differences import Difference

CREATE = "create"
CHANGE = "change"
REPLACE = "replace"
DELETE = "delete"

START = "start"
READY = "ready"
STOP = "stop"

Document = dict[str, Any]


class Reference(ApiStruct, frozen=True, kw_only=True):
    """The name of an object."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""


class PlanRequest(ApiStruct, frozen=True, kw_only=True):
    """What is to be, in this order: documents that are applied, documents that are put, objects that go.

    `apply`: what a manifest says is merged with what others wrote, as `apply` does; what was applied last and is no
    longer there is taken away. `put`: the object becomes the document, whatever it was. `delete`: objects that go, each
    with what it owns. `prune` is a label selector: of the objects that were applied once and match,
    those that `apply` does not name go too. `field_validation` is "Strict", "Warn" or "Ignore". `note` goes into the
    history beside who applies it.
    """

    apply: tuple[Document, ...] = ()
    put: tuple[Document, ...] = ()
    delete: tuple[Reference, ...] = ()
    prune: str = ""
    field_validation: str = "Strict"
    note: str = ""


class PlannedChange(ApiStruct, frozen=True, kw_only=True):
    """One object that the plan writes. `action`: CREATE, CHANGE, REPLACE or DELETE; `reason`: why it is replaced."""

    action: str
    resource: str
    name: str
    namespace: str = ""
    differences: tuple[Difference, ...] = ()
    reason: str = ""


class PlannedPods(ApiStruct, frozen=True, kw_only=True):
    """Pods that are alike: `name` is one Pod's, or ends with "<new>" where Pods get their names later."""

    name: str
    node: str = ""
    count: int = 1


class Step(ApiStruct, frozen=True, kw_only=True):
    """What happens to Pods of one owner at one time: `does` is START, READY or STOP.

    `owner` is what a user made, as "deployments.apps/web", or "" for a Pod of nobody. `unplanned`: the plan does
    not touch that object; it happens anyway, or because others need the room. `after_seconds` supposes that
    images are there and containers start in a second.
    """

    does: str
    pods: tuple[PlannedPods, ...]
    namespace: str = ""
    owner: str = ""
    unplanned: bool = False
    after_seconds: float = 0.0


class Waiting(ApiStruct, frozen=True, kw_only=True):
    """Pods that get no node, and the scheduler's reason."""

    pods: PlannedPods
    reason: str
    namespace: str = ""
    owner: str = ""


class Rehearsed(ApiStruct, frozen=True, kw_only=True):
    """What would follow from a change. `notes` are sentences: what would not come to an end, what cannot be known.

    `complete`: nothing more would happen, as far as that can be known.
    """

    steps: tuple[Step, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    notes: tuple[str, ...] = ()
    complete: bool = True


class Plan(ApiStruct, frozen=True, kw_only=True):
    """What would become of a request. `id` is "" where nothing would change, and so nothing is kept.

    `notes` say what a rehearsal cannot know and what would not come to an end; `warnings` are those of admission.
    """

    id: str = ""
    created: Time | None = None
    expires: Time | None = None
    by: str = ""
    revision: int = 0
    changes: tuple[PlannedChange, ...] = ()
    unchanged: int = 0
    steps: tuple[Step, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class AppliedPlan(ApiStruct, frozen=True, kw_only=True):
    """The answer to applying a plan: what was written, without the differences."""

    id: str
    changes: tuple[PlannedChange, ...] = ()
