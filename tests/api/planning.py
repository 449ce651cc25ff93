"""The plans of a daemon, for servers that tests put together."""

from __future__ import annotations

import random

from swarmlet.api.plans.planning import Planner
from swarmlet.api.plans.requests import PlanApi
from swarmlet.clock import Clock
from swarmlet.config import NodeLifecycle
from swarmlet.controllers.nodes.heartbeats import Heartbeats
from swarmlet.controllers.rehearsal.rehearser import Rehearser
from swarmlet.controllers.work.runner import Controllers
from swarmlet.identity import access
from tests.api.conftest import DirectReplica


def plan_api(replica: DirectReplica, clock: Clock) -> PlanApi:
    """Return the handlers, with the real controllers behind them."""
    controllers = Controllers(
        replica=replica, clock=clock, rng=random.Random(2), heartbeats=Heartbeats(clock), config=NodeLifecycle()
    )
    planner = Planner(replica=replica, clock=clock, rehearsal=Rehearser(controllers.rehearsing, clock))
    return PlanApi(replica=replica, planner=planner, clock=clock, rng=random.Random(3), authorize=access.authorize)
