"""`/swarmlet/v1/rebalance`: what is moved to even out the nodes, what would be, what stays and why; and the switch.

GET                         the switch, the moves under way, the moves that would be worth it, what may not move
POST {"enabled": false}     Pods are no longer moved by themselves (true: they are, whatever the configuration says)
POST {"now": true}          even out now what is worth half as much
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import msgspec
import structlog
from aiohttp import web

from swarmlet import errors
from swarmlet.api import answers, bodies
from swarmlet.api.middleware import USER
from swarmlet.clock import Clock
from swarmlet.config import Config
from swarmlet.config import Rebalance as Limits
from swarmlet.model import objects
from swarmlet.model.base import clock_time
from swarmlet.model.cluster import Rebalancing
from swarmlet.scheduler import rebalance, rebalancing
from swarmlet.scheduler.cluster import Cluster
from swarmlet.scheduler.moving import MovesUnderWay, Party
from swarmlet.store.commands import Key, Put, Verdict
from swarmlet.store.replica import Replica, View

PATH = "/swarmlet/v1/rebalance"
STAYING_MAX = 1_000
"""Pods that are listed with why they are not moved."""
ATTEMPTS_MAX = 5

log = structlog.get_logger()


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a POST asks for; a field that is left out changes nothing."""

    enabled: bool | None = None
    now: bool = False


class RebalanceApi:
    """The handlers. `config` is this daemon's; the leader's counts."""

    def __init__(self, *, replica: Replica, clock: Clock, config: Config) -> None:
        self._replica = replica
        self._clock = clock
        self._config = config

    def routes(self) -> list[web.RouteDef]:
        """Return what the app is to serve."""
        return [web.get(PATH, self._get, allow_head=False), web.post(PATH, self._post)]

    async def _get(self, _request: web.Request) -> web.Response:
        await self._replica.linearize()
        return await self._answer()

    async def _post(self, request: web.Request) -> web.Response:
        try:
            wish = msgspec.convert(await bodies.document(request), Wish)
        except msgspec.ValidationError as error:
            raise errors.CallerError(f"the body is not what {PATH} takes: {error}") from error
        user = request[USER].name
        await self._say(wish, user)
        log.info("rebalance_said", enabled=wish.enabled, now=wish.now, by=user)
        return await self._answer()

    async def _answer(self) -> web.Response:
        """Answer with a plan for this moment, made in a thread: for thousands of Pods it takes seconds."""
        fork = self._replica.view.fork()
        document = await asyncio.to_thread(_document, fork, self._clock.now(), self._config)
        return answers.json(msgspec.json.encode(document))

    async def _say(self, wish: Wish, user: str) -> None:
        for _ in range(ATTEMPTS_MAX):
            await self._replica.linearize()
            stored = self._replica.view.get(rebalancing.SWITCH)
            said = rebalancing.switch(self._replica.view)
            if wish.enabled is not None:
                said = msgspec.structs.replace(said, enabled=wish.enabled, said_by=user)
            if wish.now:
                said = msgspec.structs.replace(said, asked_at=clock_time(self._clock.now()), said_by=user)
            data = objects.to_json(objects.with_metadata(said, resource_version=""))
            put = Put(rebalancing.SWITCH, data, expected_revision=stored.revision if stored else 0)
            (outcome,) = await self._replica.propose([put])
            if outcome.verdict in (Verdict.DONE, Verdict.UNCHANGED):
                return
        raise errors.ConflictError("others say something about it at the same time; try again")


def _document(view: View, now: datetime, config: Config) -> dict[str, Any]:
    said, limits, cluster = rebalancing.switch(view), config.rebalance, Cluster()
    cluster.catch_up(view)
    parties = MovesUnderWay().parties(view)
    strategy = config.placement.strategy
    outlook = rebalancing.Outlook(view, cluster, parties.values(), now, limits, strategy=strategy, eager=True)
    planned = outlook.plan()
    return {
        **_switch(said, limits),
        "moving": [_under_way(key, each) for key, each in parties.items()],
        "planned": [_planned(each) for each in planned],
        "settling": [{"node": name, "seconds": seconds} for name, seconds in sorted(outlook.unsettled.items())],
        "staying": [
            {"pod": _name(each.pod), "node": each.node, "why": each.why}
            for each in outlook.staying(planned, STAYING_MAX)
        ],
    }


def report(view: View, *, configured: bool) -> dict[str, Any]:
    """Return what `/status` says: whether Pods are moved by themselves, who said so, and which move."""
    said = rebalancing.switch(view)
    moving = [_under_way(key, each) for key, each in MovesUnderWay().parties(view).items()]
    return {"enabled": rebalancing.is_on(said, configured), "said_by": said.said_by, "moving": moving}


def _switch(said: Rebalancing, limits: Limits) -> dict[str, Any]:
    return {
        "enabled": rebalancing.is_on(said, limits.enabled),
        "configured": limits.enabled,
        "said_by": said.said_by,
        "asked_at": said.asked_at,
        "threshold_percent": limits.threshold_percent,
    }


def _under_way(key: Key, party: Party) -> dict[str, Any]:
    move = party.move
    return {
        "pod": f"{key.namespace}/{move.pod}",
        "source": move.source,
        "target": move.target,
        "replacement": f"{key.namespace}/{key.name}",
        "why": move.why,
    }


def _planned(move: rebalance.Move) -> dict[str, Any]:
    return {
        "pod": _name(move.candidate.pod),
        "owner": move.candidate.name,
        "source": _change(move.source),
        "target": _change(move.target),
        "reason": move.reason,
        "gain_percent": round(move.gain * 100, 1),
        "why": move.words,
    }


def _change(change: rebalance.Change) -> dict[str, Any]:
    return {
        "node": change.node,
        "pods": [change.pods_before, change.pods_after],
        "load_percent": [round(100 * change.load_before, 1), round(100 * change.load_after, 1)],
    }


def _name(key: Key) -> str:
    return f"{key.namespace}/{key.name}"
