"""`/swarmlet/v1/history`: who changed what, when and from where; what was at a moment; and undoing.

    GET  /swarmlet/v1/history?resource=deployments.apps&namespace=default&name=web&limit=20&since=REV|TIME
    GET  /swarmlet/v1/history/1234             all that was changed with revision 1234, each field
    GET  /swarmlet/v1/history/at?at=REV|TIME&resource=...      objects as they were desired then
    GET  /swarmlet/v1/history/between?before=REV|TIME&after=REV|TIME    what differs between two moments
    POST /swarmlet/v1/history/1234/undo        the inverse on top of what is now, as a plan to be applied

Who may read an object may read its history, and nobody else is told that there is one. docs/decisions/0025.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime

import msgspec
from aiohttp import web

from swarmlet.api import answers, bodies
from swarmlet.api.middleware import USER, Authorize
from swarmlet.api.past import answers as desired_history_answers
from swarmlet.api.past import undoing
from swarmlet.api.plans.requests import PlanApi
from swarmlet.errors import CallerError, ConflictError, ExpiredError, ForbiddenError, NotFoundError
from swarmlet.identity.access import HISTORY_PATH, Attributes
from swarmlet.identity.users import User
from swarmlet.model.histories import ChangeList, MomentDifference, PastObjects, UndoRequest
from swarmlet.model.plans import PlanRequest
from swarmlet.store import history_reading
from swarmlet.store.commands import Key
from swarmlet.store.history_reading import Past, Step
from swarmlet.store.replica import Replica

LIMIT = 50
LIMIT_MAX = 500
"""Changes in one answer."""
OBJECTS_MAX = 5_000
"""In one answer about a moment."""
DIFFERING_MAX = 500
"""Objects whose differences are told in one answer."""
NAME_LENGTH_MAX = 253
BREATH = 128
"""Objects whose past is looked up before others on the event loop get their turn."""


class HistoryApi:
    """The handlers.

    Args:
        replica: whose history it is.
        plans: plan what undoes a change, and keep that until it is applied.
        authorize: says who may read what.
    """

    def __init__(self, *, replica: Replica, plans: PlanApi, authorize: Authorize) -> None:
        self._replica = replica
        self._plans = plans
        self._authorize = authorize

    def routes(self) -> list[web.RouteDef]:
        """Return what the app is to serve."""
        return [
            web.get(HISTORY_PATH, self._list),
            web.get(HISTORY_PATH + "/at", self._at),
            web.get(HISTORY_PATH + "/between", self._between),
            web.get(HISTORY_PATH + "/{revision:[0-9]+}", self._get),
            web.post(HISTORY_PATH + "/{revision:[0-9]+}/undo", self._undo),
        ]

    # Changes.

    async def _list(self, request: web.Request) -> web.Response:
        """Answer with the newest changes of what the asker may read."""
        scope = _Scope(request)
        limit = min(_number(request, "limit") or LIMIT, LIMIT_MAX)
        readable = self._reader(request, scope)
        await self._replica.linearize()
        view = self._replica.view
        since = self._since(request)
        steps = history_reading.steps(view, readable, scope.key)
        found = list(itertools.islice(itertools.takewhile(lambda step: step.entry.revision > since, steps), limit + 1))
        page = ChangeList(
            changes=tuple(desired_history_answers.told(step, whole=False) for step in found[:limit]),
            revision=view.revision,
            forgotten=view.history.floor,
            more=len(found) > limit,
        )
        return answers.json(msgspec.json.encode(page))

    async def _get(self, request: web.Request) -> web.Response:
        """Answer with all that was changed together with a revision."""
        await self._replica.linearize()
        steps = self._change(request)
        page = ChangeList(
            changes=tuple(desired_history_answers.told(step, whole=True) for step in steps),
            revision=self._replica.view.revision,
            forgotten=self._replica.view.history.floor,
        )
        return answers.json(msgspec.json.encode(page))

    def _change(self, request: web.Request) -> list[Step]:
        """Return the steps that a request is about; raise `NotFoundError` where there are none for the asker."""
        revision = int(request.match_info["revision"][:20])
        readable = self._reader(request, _Scope(request))
        steps = [step for step in history_reading.change(self._replica.view, revision) if readable(step.entry.key)]
        if not steps:
            raise NotFoundError(f"revision {revision} is no change of what is asked for, or is forgotten")
        return steps

    # Moments.

    async def _at(self, request: web.Request) -> web.Response:
        """Answer with objects as they were desired at a moment."""
        scope = _Scope(request)
        if not scope.resource:
            raise CallerError("resource: say of which kind")
        readable = self._reader(request, scope)
        await self._replica.linearize()
        view, revision = self._replica.view, self._revision(request, "at")
        keys = [scope.key] if scope.key else history_reading.keys_at(view, scope.resource, scope.namespace, revision)
        told: list[Past] = []
        async for key in _unhurried(filter(readable, keys)):
            past = history_reading.at(view, key, revision)
            told += [past] if past.document is not None else []
            if len(told) > OBJECTS_MAX:
                raise CallerError(f"over {OBJECTS_MAX} objects in one answer: name a namespace")
        if scope.key is not None and not told:
            raise NotFoundError(f"{undoing.named(scope.key)} was not there at revision {revision}")
        items = tuple(past.document for past in told if past.document is not None)
        page = PastObjects(revision=revision, items=items, notes=tuple(desired_history_answers.notes(told)))
        return answers.json(msgspec.json.encode(page))

    async def _between(self, request: web.Request) -> web.Response:
        """Answer with what differs between two moments."""
        scope = _Scope(request)
        readable = self._reader(request, scope)
        await self._replica.linearize()
        view = self._replica.view
        before, after = self._revision(request, "before"), self._revision(request, "after")
        first, last = sorted((before, after))
        if first < view.history.floor and scope.key is None:
            raise ConflictError(f"the history of the cluster reaches back to revision {view.history.floor}")
        entries = view.history.of(scope.key) if scope.key else view.history.newest_first()
        touched = {each.key for each in entries if each.first <= last and each.revision > first}
        differing: list[tuple[Past, Past]] = []
        more = 0
        async for key in _unhurried(sorted(filter(readable, touched))):
            old, new = history_reading.at(view, key, before), history_reading.at(view, key, after)
            if old.document != new.document and len(differing) < DIFFERING_MAX:
                differing.append((old, new))
            elif old.document != new.document:
                more += 1
        page = MomentDifference(
            before=before,
            after=after,
            objects=tuple(desired_history_answers.differing(old, new) for old, new in differing),
            notes=tuple(desired_history_answers.notes([past for pair in differing for past in pair])),
            more=more,
        )
        return answers.json(msgspec.json.encode(page))

    # Undoing.

    async def _undo(self, request: web.Request) -> web.Response:
        """Answer with a plan of what undoes a change."""
        asked = msgspec.convert(await bodies.optional_document(request), UndoRequest)
        await self._replica.linearize()
        steps = self._change(request)
        if steps[0].entry.size > len(steps):
            raise ConflictError(
                f"{len(steps)} of the {steps[0].entry.size} objects of that change are left to be undone: the rest is "
                "forgotten, or not yours to read"
            )
        inverse = undoing.inverse(self._replica.view, steps, force=asked.force)
        note = f"undo of {request.match_info['revision']}"
        plan = await self._plans.plan(
            PlanRequest(put=inverse.put, delete=inverse.delete, note=note, field_validation="Ignore"), request[USER]
        )
        return answers.json(msgspec.json.encode(plan))

    # What a request says.

    def _revision(self, request: web.Request, name: str) -> int:
        """Return the revision that a parameter says, as a number or a time; 0 where it says nothing."""
        text = request.query.get(name, "")[:NAME_LENGTH_MAX]
        view = self._replica.view
        if not text:
            return 0 if name == "since" else view.revision
        if text.isascii() and text.isdigit():
            if int(text) > view.revision:
                raise CallerError(f"{name}: revision {text} is still to come; the newest is {view.revision}")
            return int(text)
        try:
            moment = msgspec.convert(text, datetime)
        except msgspec.ValidationError as error:
            raise CallerError(f"{name}: {text!r} is neither a revision nor a time (RFC 3339)") from error
        if moment.tzinfo is None:
            raise CallerError(f"{name}: the time {text} needs a time zone, as in {text}Z")
        return history_reading.revision_at(view, moment)

    def _since(self, request: web.Request) -> int:
        """Return after which revision changes are asked for; 0, all that are known, for a time before these."""
        try:
            return self._revision(request, "since")
        except ExpiredError:
            return 0

    def _reader(self, request: web.Request, scope: _Scope) -> Callable[[Key], bool]:
        """Return what says of an object whether it is asked for and the asker may read it."""
        user = request[USER]
        if scope.key is not None:
            self._authorize(user, _reading(scope.key))
        elif scope.resource:
            self._authorize(user, _reading(Key(scope.resource, scope.namespace, ""), "list"))
        may: dict[tuple[str, str], bool] = {}

        def readable(key: Key) -> bool:
            if not scope.covers(key):
                return False
            where = key.resource, key.namespace
            if where not in may:
                may[where] = self._may(user, key)
            return may[where]

        return readable

    def _may(self, user: User, key: Key) -> bool:
        try:
            self._authorize(user, _reading(key))
        except ForbiddenError:
            return False
        return True


async def _unhurried(keys: Iterable[Key]) -> AsyncIterator[Key]:
    """Yield the keys; between some of them others on the event loop get their turn.

    What an object was at a revision does not change meanwhile: at most it is forgotten.
    """
    for number, key in enumerate(keys):
        if number % BREATH == BREATH - 1:
            await asyncio.sleep(0)
        yield key


class _Scope:
    """Which objects a request is about: "" is all."""

    def __init__(self, request: web.Request) -> None:
        said = {name: request.query.get(name, "") for name in ("resource", "namespace", "name")}
        for name, text in said.items():
            if len(text) > NAME_LENGTH_MAX:
                raise CallerError(f"{name}: longer than {NAME_LENGTH_MAX} characters")
        self.resource, self.namespace, self.name = said["resource"], said["namespace"], said["name"]
        if self.name and not self.resource:
            raise CallerError("resource: say of which kind the object is")
        self.key = Key(self.resource, self.namespace, self.name) if self.name else None

    def covers(self, key: Key) -> bool:
        """Whether an object is one of those."""
        return (
            self.resource in ("", key.resource)
            and self.namespace in ("", key.namespace)
            and self.name in ("", key.name)
        )


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise CallerError(f"{name}: found {text[:20]!r}; allowed: a number")
    return int(text or 0)


def _reading(key: Key, verb: str = "get") -> Attributes:
    plural, _, group = key.resource.partition(".")
    return Attributes(verb=verb, resource=plural, api_group=group, namespace=key.namespace, name=key.name)
