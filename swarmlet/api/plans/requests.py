"""`/swarmlet/v1/plans`: what would come of a change, kept for an hour, and done as it was shown or not at all.

    POST /swarmlet/v1/plans               a `PlanRequest`; answered with a `Plan`
    POST /swarmlet/v1/plans/ID/apply      does it; answered with an `AppliedPlan`, or 409 and what has changed since

A plan is kept in the store, so any daemon applies it, and nobody but the daemons ever holds it: what is applied is what
was asked for. Before it is applied it is drafted anew, of the state of that moment; where an object that it writes or
depends on is another thing than it was, or Pods would start and stop elsewhere, it is refused. docs/decisions/0023.
"""

from __future__ import annotations

import base64
import dataclasses
import random
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec
import structlog
from aiohttp import web

from swarmlet.api import answers, bodies, targets
from swarmlet.api.access import origins
from swarmlet.api.middleware import USER, Authorize
from swarmlet.api.plans import base as plan_base
from swarmlet.api.plans.plan_writes import deletion_of, target_of
from swarmlet.api.plans.planning import TOO_LARGE, Draft, Planner
from swarmlet.api.targets import Target
from swarmlet.clock import Clock
from swarmlet.errors import BugError, CallerError, ConflictError, ForbiddenError, NotFoundError, TooLargeError
from swarmlet.identity.access import PLANS_PATH
from swarmlet.identity.users import User
from swarmlet.model import kinds, names, objects, plans
from swarmlet.model.base import clock_time
from swarmlet.model.kept_plans import PLAN_LIFETIME, KeptPlan
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.plans import AppliedPlan, Plan, PlanRequest
from swarmlet.store.catalogue import Catalogue
from swarmlet.store.commands import Delete, Key, Operation, Origin, Put, Verdict
from swarmlet.store.replica import Replica, Stored

PLANS_MAX = 32
"""Kept at a time; the oldest goes before its time."""
REQUEST_BYTES_MAX = 512 * 1024
"""Of a request as it is kept, packed; a larger one is shown and not kept."""
KEPT_BYTES_MAX = 2 * 1024 * 1024
"""Of a plan as it is kept, with what it was shown for: some 100 bytes for each Pod that starts or stops."""
UNPACKED_BYTES_MAX = 16 * 1024 * 1024
ATTEMPTS_MAX = 4
"""Of applying while statuses that the plan counts in (quotas, claims of addresses) change under it."""
SAID_MAX = 3
NOT_KEPT = "the plan is too large to be kept, so it cannot be applied as it is shown: plan and apply it in parts"
PLANS = kinds.KEPT_PLAN.resource
_VERBS = {plans.CREATE: "create", plans.CHANGE: "patch", plans.REPLACE: "delete", plans.DELETE: "delete"}

log = structlog.get_logger(__name__)


class PlanApi:
    """The handlers.

    Args:
        replica: where plans are kept and what they are made of.
        planner: drafts them.
        clock, rng: stamp them.
        authorize: says who may read, to plan, and who may write, to apply.
    """

    def __init__(
        self, *, replica: Replica, planner: Planner, clock: Clock, rng: random.Random, authorize: Authorize
    ) -> None:
        self._replica = replica
        self._catalogue = Catalogue(replica.view)
        self._planner = planner
        self._clock = clock
        self._rng = rng
        self._authorize = authorize

    def routes(self) -> list[web.RouteDef]:
        """Return what the app is to serve."""
        return [web.post(PLANS_PATH, self._plan), web.post(PLANS_PATH + "/{id}/apply", self._apply)]

    async def _plan(self, request: web.Request) -> web.Response:
        """Answer with what would come of a request."""
        asked = _decoded(await bodies.document(request))
        plan = await self.plan(asked, request[USER])
        return answers.json(msgspec.json.encode(plan))

    async def _apply(self, request: web.Request) -> web.Response:
        """Do what was planned."""
        applied = await self.apply(request.match_info["id"], request[USER])
        return answers.json(msgspec.json.encode(applied))

    async def plan(self, asked: PlanRequest, user: User) -> Plan:
        """Return what would come of a request, kept under an id for an hour where something would change.

        Raises `ForbiddenError` where the user may not read what it is about, and whatever refuses the writes.
        """
        self._check_reader(asked, user)
        plan_id = names.hashed(self._rng.randbytes(16))
        draft = self._seen_by(user, await self._planner.draft(asked, plan_id))
        for target in draft.targets:  # of what is pruned it is known only now which objects these are
            self._check(user, "get", target)
        if not draft.plan.changes or not draft.fits:
            return msgspec.structs.replace(draft.plan, by=user.name)
        now = self._clock.now()
        kept = KeptPlan(
            metadata=ObjectMeta(name=plan_id, uid=names.new_uid(self._rng), creation_timestamp=clock_time(now)),
            by=user.name,
            expires=clock_time(now + PLAN_LIFETIME),
            request=_packed(asked),
            base=dict(draft.base),
            result=plan_base.results(draft.plan.changes),
            outcome=dict(draft.outcome),
        )
        put = Put(plan_key(plan_id), objects.to_json(kept), expected_revision=0)
        if len(kept.request) > REQUEST_BYTES_MAX or len(put.object) > KEPT_BYTES_MAX:
            return msgspec.structs.replace(draft.plan, by=user.name, notes=(*draft.plan.notes, NOT_KEPT))
        await self._replica.propose([put, *self._surplus()], atomic=False)
        log.info("plan_made", plan=plan_id, by=user.name, changes=len(draft.plan.changes))
        return msgspec.structs.replace(
            draft.plan, id=plan_id, by=user.name, created=clock_time(now), expires=kept.expires
        )

    async def apply(self, plan_id: str, user: User) -> AppliedPlan:
        """Do what was planned, all in one command; it is then no longer kept.

        Raises `NotFoundError` where no such plan is kept, `ForbiddenError` where the user may not write what it
        writes, and `ConflictError`, having done nothing, where it would not be what was shown.
        """
        for _ in range(ATTEMPTS_MAX):
            await self._replica.linearize()
            stored, kept = self._kept(plan_id)
            asked = _unpacked(kept.request)
            draft = await self._planner.draft(asked, plan_id)
            self._check_writer(draft, user)
            _check_as_shown(kept, draft)
            if not draft.fits:
                raise TooLargeError(TOO_LARGE)
            if plan_base.moved(draft.base, self._base_now(draft)):
                continue  # while it was rehearsed
            operations = (*draft.operations, Delete(stored.key, expected_revision=stored.revision))
            if await self._propose(operations, origins.noted(asked.note or f"plan {plan_id}")):
                log.info("plan_applied", plan=plan_id, by=user.name, changes=len(draft.plan.changes))
                changes = tuple(msgspec.structs.replace(each, differences=()) for each in draft.plan.changes)
                return AppliedPlan(id=plan_id, changes=changes)
        raise ConflictError(f'plan "{plan_id}": what it counts in changes all the time; nothing was done, try again')

    async def _propose(self, operations: tuple[Operation, ...], origin: Origin) -> bool:
        """Propose all or nothing; return False where something else was written first."""
        outcomes = await self._replica.propose(operations, origin=origin)
        verdicts = {outcome.verdict for outcome in outcomes}
        if Verdict.INVALID in verdicts:
            raise BugError(f"the store refuses what was validated: {[each.message for each in outcomes]}")
        return verdicts <= {Verdict.DONE, Verdict.UNCHANGED}

    def _base_now(self, draft: Draft) -> Mapping[str, str]:
        return plan_base.hashes(self._replica.view, [target.key for target in draft.targets])

    def _kept(self, plan_id: str) -> tuple[Stored, KeptPlan]:
        stored = self._replica.view.get(plan_key(plan_id))
        kept = stored.object if stored else None
        if stored is None or not isinstance(kept, KeptPlan) or _is_over(kept, self._clock.now()):
            raise NotFoundError(
                f'plan "{plan_id}" not found: it was applied, is over an hour old, or made way for others; plan anew'
            )
        return stored, kept

    def _surplus(self) -> Iterator[Delete]:
        """Yield the removals of plans that are over, and of the oldest that are too many with one more."""
        now = self._clock.now()
        kept = sorted(self._replica.view.list(PLANS), key=lambda each: each.revision)
        surplus = len(kept) + 1 - PLANS_MAX
        for number, stored in enumerate(kept):
            plan = stored.object
            if number < surplus or (isinstance(plan, KeptPlan) and _is_over(plan, now)):
                yield Delete(stored.key, expected_revision=stored.revision)

    # Who may.

    def _check_reader(self, asked: PlanRequest, user: User) -> None:
        """Raise `ForbiddenError` unless the user may read what is named, and where Pods are, which plans tell."""
        named = [target_of(each, self._catalogue) for each in (*asked.apply, *asked.put)]
        named += [deletion_of(each, self._catalogue) for each in asked.delete]
        for target in dict.fromkeys(named):
            self._check(user, "get", target)
        self._check(user, "list", Target(kinds.NODE))
        for namespace in sorted({target.namespace for target in named if target.namespace}):
            self._check(user, "list", Target(kinds.POD, namespace))

    def _check_writer(self, draft: Draft, user: User) -> None:
        """Raise `ForbiddenError` unless the user may write all that is written, what is not told as a change, too."""
        verbs = {self._target(change).key: _VERBS[change.action] for change in draft.plan.changes}
        for change in draft.plan.changes:
            if change.action == plans.REPLACE:
                self._check(user, "create", self._target(change))
        written = {operation.key for operation in draft.operations}
        for target in draft.targets:
            if target.key in verbs or target.key in written:
                self._check(user, verbs.get(target.key, "patch"), target)

    def _seen_by(self, user: User, draft: Draft) -> Draft:
        """Return a draft without what happens in namespaces whose Pods the user may not list."""
        plan = draft.plan
        namespaces = {each.namespace for each in plan.steps} | {each.namespace for each in plan.waiting}
        seen = {each for each in namespaces if self._may(user, "list", Target(kinds.POD, each))}
        if seen == namespaces:
            return draft
        steps = tuple(each for each in plan.steps if each.namespace in seen)
        waiting = tuple(each for each in plan.waiting if each.namespace in seen)
        return dataclasses.replace(draft, plan=msgspec.structs.replace(plan, steps=steps, waiting=waiting))

    def _may(self, user: User, verb: str, target: Target) -> bool:
        try:
            self._check(user, verb, target)
        except ForbiddenError:
            return False
        return True

    def _target(self, change: plans.PlannedChange) -> Target:
        kind = self._catalogue.of_resource(change.resource)
        if kind is None:
            raise ConflictError(f"{change.resource} is not served any more: make a new plan")
        return Target(kind, change.namespace, change.name)

    def _check(self, user: User, verb: str, target: Target) -> None:
        self._authorize(user, targets.attributes(target, verb, ""))


def plan_key(plan_id: str) -> Key:
    """Return where a plan is kept."""
    return Key(PLANS, "", plan_id)


def _is_over(kept: KeptPlan, now: datetime) -> bool:
    return kept.expires is None or kept.expires <= now


def _check_as_shown(kept: KeptPlan, draft: Draft) -> None:
    """Raise `ConflictError`, which says what is another thing now, unless what would happen is what was shown."""
    moved = (
        plan_base.moved(kept.base, draft.base)
        or [f"what becomes of {each}" for each in plan_base.moved(kept.result, plan_base.results(draft.plan.changes))]
        or plan_base.elsewhere(kept.outcome, draft.outcome)
    )
    if moved:
        more = f" and {len(moved) - SAID_MAX} more" if len(moved) > SAID_MAX else ""
        said = ", ".join(moved[:SAID_MAX])
        raise ConflictError(f'plan "{kept.metadata.name}" is stale, nothing was done: {said}{more}; plan anew')


def _decoded(document: bodies.Document) -> PlanRequest:
    try:
        return msgspec.convert(document, PlanRequest)
    except msgspec.ValidationError as error:
        raise CallerError(f"PlanRequest: {error}") from error


def _packed(asked: PlanRequest) -> str:
    return base64.b64encode(zlib.compress(msgspec.json.encode(asked))).decode()


def _unpacked(text: str) -> PlanRequest:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(text), UNPACKED_BYTES_MAX)
    return msgspec.json.decode(data, type=PlanRequest)
