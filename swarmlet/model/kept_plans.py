"""A plan as it lies in the store until it is applied, for `PLAN_LIFETIME` at most. The API never serves it.

The values of Secrets that it is about stand in it as they stand in the Secrets themselves.
"""

from __future__ import annotations

from datetime import timedelta

from swarmlet.model.base import Time, always
from swarmlet.model.meta import Object

PLAN_LIFETIME = timedelta(hours=1)


class KeptPlan(Object, frozen=True, kw_only=True):
    """A plan that waits to be applied, by its id (`metadata.name`).

    `request` is the JSON of the `PlanRequest`, packed with zlib and in base64. `base` tells what each object was that
    the plan writes or that its outcome depends on: a hash by the object's name, "" for one that was not there.
    `result` is a hash of what was shown of each object that is written. `outcome` tells how many Pods start and stop
    where, by words; empty where the rehearsal was cut short.
    """

    api_version: str = always("internal.swarmlet.io/v1")
    kind: str = always("KeptPlan")
    by: str = ""
    expires: Time | None = None
    request: str = ""
    base: dict[str, str] = {}
    result: dict[str, str] = {}
    outcome: dict[str, int] = {}

    def __repr__(self) -> str:
        """Name the plan and hide what it asks for: a repr ends in logs."""
        return f"KeptPlan({self.metadata.name})"
