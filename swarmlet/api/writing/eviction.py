"""A Pod's `/eviction`: deletion that asks the Pod's disruption budget first.

What is decided and what is done are one command of the log: the budget's decrement and the Pod's deletion take effect
together, both as they were read, or not at all. So two drains at once, on whichever daemons, never spend one disruption
twice, and a decision that a former leader's write overtakes is decided anew.
Source: kubernetes pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import cast

import msgspec
from aiohttp import web

from swarmlet.api import answers, bodies, queries
from swarmlet.api.bodies import Document
from swarmlet.api.reading.reads import Reader
from swarmlet.api.targets import Target
from swarmlet.api.writing import admission, deletion
from swarmlet.api.writing.writes import removal
from swarmlet.clock import Clock
from swarmlet.errors import CallerError, DisruptionBudgetError, NotFoundError
from swarmlet.model import conditions, decode, disruptions, kinds, objects
from swarmlet.model.meta import DeleteOptions
from swarmlet.model.pod import Pod
from swarmlet.model.policy import Eviction, PodDisruptionBudget
from swarmlet.store.commands import Operation, Put, Verdict
from swarmlet.store.replica import Replica, Stored

BUDGETS = kinds.POD_DISRUPTION_BUDGET.resource
ATTEMPTS_MAX = 20
"""Of an eviction, while others change the Pod or its budget."""
UNOBSERVED_RETRY_SECONDS = 1

KIND = "Eviction"
API_VERSIONS = ("policy/v1", "policy/v1beta1")
"""Both say the same; old clients send the second."""

VIOLATION = "Cannot evict pod as it would violate the pod's disruption budget."
SEVERAL_BUDGETS = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
SUCCESS = msgspec.json.encode({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})


class SeveralBudgetsError(CallerError):
    """Which budget counts is not defined; Kubernetes answers 500."""

    reason = "InternalError"


class Evictions:
    """Grants or refuses evictions."""

    def __init__(self, *, replica: Replica, reader: Reader, clock: Clock) -> None:
        self._replica = replica
        self._reader = reader
        self._clock = clock
        self._second_tries = asyncio.Lock()

    async def create(self, request: web.Request, target: Target) -> web.Response:
        """Answer a POST of `/eviction`."""
        body = _eviction(await bodies.document(request))
        write = queries.write_options(request.query)
        admission.accepted(decode.decode_as(Eviction, body), write, request[answers.WARNINGS])
        await self.evict(target, _options(target, body, request.query))
        return answers.json(SUCCESS, code=201)

    async def evict(self, target: Target, options: DeleteOptions) -> None:
        """Have a Pod deleted; raise `DisruptionBudgetError` where that would break its budget now."""
        if await self._try(target, options):
            return
        async with self._second_tries:  # in turn: of many that want one budget, each then gets on
            for _ in range(ATTEMPTS_MAX):
                if await self._try(target, options):
                    return
        raise admission.changed_meanwhile(target)

    async def _try(self, target: Target, options: DeleteOptions) -> bool:
        """Decide on the newest state and carry it out; return False where that has changed meanwhile."""
        await self._replica.linearize()
        stored = await self._reader.find(dataclasses.replace(target, subresource=""))
        operations = self._decide(target, stored, options)
        if queries.dry_run(options.dry_run):
            return True
        outcomes = await self._replica.propose(operations)
        if outcomes[-1].verdict is Verdict.NOT_FOUND:
            raise NotFoundError(f"{target.qualified} not found")
        return all(outcome.verdict in (Verdict.DONE, Verdict.UNCHANGED) for outcome in outcomes)

    def _decide(self, target: Target, stored: Stored, options: DeleteOptions) -> list[Operation]:
        """Return what is to happen all at once, the Pod's deletion last; raise where it may not go now."""
        pod = cast("Pod", stored.object)
        gone = self._removal(target, stored, options)
        if disruptions.needs_no_budget(pod):
            return [gone]
        budgets = [
            each
            for each in self._replica.view.list(BUDGETS, stored.key.namespace)
            if disruptions.covers(cast("PodDisruptionBudget", each.object), pod)
        ]
        if len(budgets) > 1:
            raise SeveralBudgetsError(SEVERAL_BUDGETS)
        return [*(self._spend(each, pod) for each in budgets), gone]

    def _spend(self, stored: Stored, pod: Pod) -> Operation:
        """Return what becomes of the budget: one less, or, for an unready Pod, that it is still as it was read."""
        budget = cast("PodDisruptionBudget", stored.object)
        if not disruptions.frees_unready(budget, pod):
            if not disruptions.is_observed(budget):
                cause = f"The disruption budget {stored.key.name} is still being processed by the server."
                raise DisruptionBudgetError(VIOLATION, cause, retry_after_seconds=UNOBSERVED_RETRY_SECONDS)
            if why := disruptions.objection(budget):
                raise DisruptionBudgetError(VIOLATION, why)
            budget = disruptions.granted(budget, pod, self._clock.now())
        data = objects.to_json(objects.with_metadata(budget, resource_version=""))
        return Put(stored.key, data, expected_revision=stored.revision, expected_uid=budget.metadata.uid)

    def _removal(self, target: Target, stored: Stored, options: DeleteOptions) -> Operation:
        now = self._clock.now()
        plan = deletion.plan(target, stored, options, now)
        if isinstance(plan, deletion.Marked) and not objects.is_terminating(stored.object):
            pod = cast("Pod", plan.value)
            told = conditions.put(pod.status.conditions, disruptions.EVICTED, now)
            status = msgspec.structs.replace(pod.status, conditions=told)
            plan = deletion.Marked(msgspec.structs.replace(pod, status=status))
        return removal(target.kind, stored, plan)


def _eviction(document: Document) -> Document:
    """Return a body as the Eviction that it is; raise `CallerError` for anything else."""
    kind, version = document.get("kind") or KIND, document.get("apiVersion") or API_VERSIONS[0]
    if kind != KIND or version not in API_VERSIONS:
        raise CallerError(f"the body is a {kind} of {version}; expected: an {KIND} of {' or '.join(API_VERSIONS)}")
    return document | {"apiVersion": API_VERSIONS[0], "kind": KIND}


def _options(target: Target, body: Document, query: Mapping[str, str]) -> DeleteOptions:
    """Return how the Pod is to be deleted; raise where the body is about another Pod."""
    metadata = body.get("metadata") or {}
    if metadata.get("name") != target.name:
        raise CallerError("name in URL does not match name in Eviction object")
    if metadata.get("namespace") not in (None, "", target.namespace):
        raise CallerError("the namespace of the provided object does not match the namespace sent on the request")
    given = dict(body.get("deleteOptions") or {})
    asked = [value for value in (query.get("dryRun", ""),) if value]
    if asked and (given.get("dryRun") or asked) != asked:
        raise CallerError(
            f"Non-matching dry-run options in request and content: {asked[0]} and {','.join(given['dryRun'])}"
        )
    return deletion.options_of(given, {"dryRun": asked[0]} if asked else {})
