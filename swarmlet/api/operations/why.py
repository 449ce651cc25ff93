"""`GET /swarmlet/v1/why?name=web&namespace=default[&resource=deployments.apps]`: why objects are as they are.

Who may read an object may ask about it. What the answer would tell of objects of kinds that the asker may not read is
left out of it.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import msgspec
from aiohttp import web

from swarmlet.api import answers
from swarmlet.api.middleware import USER, Authorize
from swarmlet.api.operations.reports import ClusterInfo
from swarmlet.api.reading.leases import LeaseSource
from swarmlet.clock import Clock
from swarmlet.errors import CallerError, ForbiddenError, NotFoundError, PeerError
from swarmlet.explain import explainers, findings
from swarmlet.explain.case import Case
from swarmlet.explain.findings import Explanation
from swarmlet.explain.refusals import Refusals
from swarmlet.identity.access import WHY_PATH, Attributes
from swarmlet.identity.users import User
from swarmlet.model import kinds
from swarmlet.model.custom import CustomKind
from swarmlet.model.kinds import Kind
from swarmlet.store.catalogue import Catalogue
from swarmlet.store.commands import Key
from swarmlet.store.replica import Replica, Stored

NAMED_ALIKE_MAX = 4
"""Objects of one name that are explained in one answer."""
SUGGESTIONS_MAX = 3
COMPARED_MAX = 300
"""Names that what is not there is compared with, those that begin most like it: each costs some 0.1 ms."""
NAME_LENGTH_MAX = 253


class WhyApi:
    """The handler.

    Args:
        replica: where objects, events and records of placements are.
        clock: says what "4 min ago" is.
        lease_source: knows when each node was last heard of.
        authorize: says who may read what.
        info: who this daemon is, and what its machine does of the network.
    """

    def __init__(
        self, *, replica: Replica, clock: Clock, lease_source: LeaseSource, authorize: Authorize, info: ClusterInfo
    ) -> None:
        self._info = info
        self._replica = replica
        self._clock = clock
        self._lease_source = lease_source
        self._authorize = authorize
        self._refusals = Refusals()
        self._catalogue = Catalogue(replica.view)

    def routes(self) -> list[web.RouteDef]:
        """Return what the app is to serve."""
        return [web.get(WHY_PATH, self._get)]

    async def _get(self, request: web.Request) -> web.Response:
        name, namespace = _text(request, "name"), _text(request, "namespace")
        asked = self._kinds(_text(request, "resource"))
        if not name:
            raise CallerError("name: say what is to be explained")
        user = request[USER]
        readable = [kind for kind in asked if self._may_read(user, kind, namespace, name)]
        if not readable:
            self._check(user, asked[0], namespace, name)
        await self._replica.linearize()
        found = [*self._found(readable, namespace, name)][:NAMED_ALIKE_MAX]
        if not found:
            raise NotFoundError(self._nothing_named(user, readable, namespace, name))
        case = await self._case(found)
        return answers.json(msgspec.json.encode({"items": [self._explained(case, user, each) for each in found]}))

    async def _case(self, found: Iterable[Stored]) -> Case:
        """Return the ground on which all that was asked for is explained."""
        heartbeats = await self._heartbeats() if any(_needs_heartbeats(each) for each in found) else {}
        view = self._replica.view
        return Case(
            view,
            self._clock.now(),
            heartbeats,
            self._refusals.on(view),
            node_name=self._info.node_name,
            network=self._info.network(),
        )

    async def _heartbeats(self) -> Mapping[str, datetime]:
        try:
            leases = await self._lease_source.leases()
        except PeerError:
            return {}  # without a leader nobody knows, and the rest can be told all the same
        return {each.metadata.name: each.spec.renew_time for each in leases if each.spec.renew_time}

    def _explained(self, case: Case, user: User, stored: Stored) -> Explanation:
        explanation = explainers.explain(case, stored.object, self._catalogue.of_resource(stored.key.resource))
        hidden = [
            name
            for name in findings.resources(explanation.findings)
            if (kind := self._catalogue.of_resource(name)) is None
            or not self._may_read(user, kind, stored.key.namespace, "")
        ]
        told = findings.without(explanation.findings, hidden)
        return explainers.shortened(msgspec.structs.replace(explanation, findings=told))

    def _found(self, asked: Iterable[Kind], namespace: str, name: str) -> Iterator[Stored]:
        for kind in asked:
            stored = self._replica.view.get(Key(kind.resource, namespace if kind.namespaced else "", name))
            if stored is not None:
                yield stored

    def _nothing_named(self, user: User, asked: list[Kind], namespace: str, name: str) -> str:
        """Return that there is none, and what is called nearly so, or is elsewhere, as far as the user may know."""
        what = f'{asked[0].resource} "{name}" not found' if len(asked) == 1 else f'nothing is called "{name}"'
        what += f" in namespace {namespace}" if any(kind.namespaced for kind in asked) else ""
        every = [(stored.key, kind) for kind in asked for stored in self._replica.view.list(kind.resource)]
        alike = ((key, kind) for key, kind in every if key.name == name and key.namespace != namespace)
        elsewhere = sorted({key.namespace for key, kind in alike if self._may_read(user, kind, key.namespace, name)})
        if elsewhere:
            return f"{what}; there is one in namespace {', '.join(elsewhere[:SUGGESTIONS_MAX])}"
        near = {key.name: kind for key, kind in every if key.namespace in ("", namespace)}
        compared = heapq.nlargest(COMPARED_MAX, near, key=lambda each: _beginning_shared(name, each))
        names = difflib.get_close_matches(name, compared, n=SUGGESTIONS_MAX)
        return (
            f"{what}; did you mean {' or '.join(f'{near[each].singular}/{each}' for each in names)}?" if names else what
        )

    def _kinds(self, resource: str) -> list[Kind]:
        """Return the kinds that a question may be about; raise `CallerError` for one that nobody explains."""
        if not resource:
            brought = {kind.resource: kind for kind in self._catalogue.custom()}
            return [*(kinds.BY_RESOURCE[each] for each in explainers.EXPLAINERS), *brought.values()]
        kind = self._catalogue.of_resource(resource)
        if kind is None or (resource not in explainers.EXPLAINERS and not isinstance(kind, CustomKind)):
            known = ", ".join(kinds.BY_RESOURCE[each].plural for each in explainers.EXPLAINERS)
            raise CallerError(f"resource: {resource} is not explained; what is: {known}, and kinds that users bring")
        return [kind]

    # Who may.

    def _may_read(self, user: User, kind: Kind, namespace: str, name: str) -> bool:
        try:
            self._check(user, kind, namespace, name)
        except ForbiddenError:
            return False
        return True

    def _check(self, user: User, kind: Kind, namespace: str, name: str) -> None:
        where = namespace if kind.namespaced else ""
        self._authorize(
            user, Attributes(verb="get", resource=kind.plural, api_group=kind.group, namespace=where, name=name)
        )


def _beginning_shared(one: str, other: str) -> int:
    """Return how many letters two names begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((position for position, (mine, its) in pairs if mine != its), min(len(one), len(other)))


def _needs_heartbeats(stored: Stored) -> bool:
    return stored.key.resource == kinds.NODE.resource


def _text(request: web.Request, name: str) -> str:
    text = request.query.get(name, "")
    if len(text) > NAME_LENGTH_MAX:
        raise CallerError(f"{name}: longer than {NAME_LENGTH_MAX} characters")
    return text
