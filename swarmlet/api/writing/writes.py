"""create, update, patch and delete: read, compute the whole object, propose it, and say what became of it."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from aiohttp import web

from swarmlet.api import answers, bodies, queries, status
from swarmlet.api.access import escalation
from swarmlet.api.middleware import TARGET
from swarmlet.api.queries import WriteOptions
from swarmlet.api.reading import documents, selection, versions
from swarmlet.api.reading.reads import Reader
from swarmlet.api.targets import Target
from swarmlet.api.writing import admission, deletion, expansion, owners, patches
from swarmlet.api.writing.deletion import Marked
from swarmlet.api.writing.quota import QuotaDoor
from swarmlet.clock import Clock
from swarmlet.errors import AlreadyExistsError, BugError, NamespaceTerminatingError, NotFoundError
from swarmlet.model import custom, kinds, objects
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import DeleteOptions, Object
from swarmlet.model.scheduling import PriorityClass
from swarmlet.store import priority, stamping
from swarmlet.store.commands import COMMAND_BYTES_MAX, OPERATIONS_MAX, Delete, Key, Operation, Outcome, Put, Verdict
from swarmlet.store.replica import Replica, Stored

ATTEMPTS_MAX = 8
"""Of a read-modify-write whose caller named no revision, while others change the same object."""
NAME_ATTEMPTS_MAX = 4
"""Of a create with generateName that meets a name that is taken."""

BATCH_BYTES_MAX = COMMAND_BYTES_MAX // 4 * 3
"""Of objects that one command of a deletecollection rewrites; marking adds little to each."""

Change = Callable[[Stored], Object]


@dataclass(frozen=True, slots=True)
class Written:
    """The JSON of an object after a write."""

    json: bytes
    created: bool = False

    def response(self) -> web.Response:
        return answers.json(self.json, code=201 if self.created else 200)


class Writer:
    """Proposes one operation for each write; nothing is half-applied."""

    def __init__(self, *, replica: Replica, reader: Reader, clock: Clock, rng: random.Random) -> None:
        self._replica = replica
        self._reader = reader
        self._clock = clock
        self._rng = rng
        self._quota = QuotaDoor(replica, rng)

    async def create(self, request: web.Request, target: Target) -> web.Response:
        """Answer a POST to a collection."""
        options = queries.write_options(request.query, request.headers.get("User-Agent", ""))
        document = await bodies.document(request)
        apart, warnings = bodies.is_large(request), request[answers.WARNINGS]
        value = await bodies.looked_through(apart, admission.read, target.kind, document, options, warnings)
        request[TARGET] = dataclasses.replace(target, name=value.metadata.name)  # what an error is about
        return (await self.make(target, value, options, apart=apart)).response()

    async def make(self, target: Target, value: Object, options: WriteOptions, *, apart: bool = False) -> Written:
        """Create an object that was read, under a name of its own where it only says how that begins.

        `apart`: it is large, and to be looked at in a thread.
        """
        if isinstance(target.kind, custom.CustomKind) and target.kind.is_ending:
            raise status.MethodNotAllowedError("create not allowed while custom resource definition is terminating")
        if target.kind.namespaced:
            await self._check_namespace(target, value)
        attempts = 1 if value.metadata.name else NAME_ATTEMPTS_MAX
        for attempt in range(attempts):
            try:
                return await self._create(target, value, options, apart=apart)
            except AlreadyExistsError:
                if attempt == attempts - 1:
                    raise
        raise BugError("the loop above returns or raises")

    async def update(self, request: web.Request, target: Target) -> web.Response:
        """Answer a PUT of an object."""
        options = queries.write_options(request.query, request.headers.get("User-Agent", ""))
        document = await bodies.document(request)
        apart, warnings = bodies.is_large(request), request[answers.WARNINGS]
        value = await bodies.looked_through(apart, admission.read, target.kind, document, options, warnings)

        def changed(stored: Stored) -> Object:
            return admission.updated(target, stored.object, value)

        return (await self.change(target, changed, options, apart=apart)).response()

    async def patch(self, request: web.Request, target: Target) -> web.Response:
        """Answer a PATCH of an object."""
        options = queries.patch_options(request.query, request.headers.get("User-Agent", ""))
        patch = await patches.read(request, target.kind)
        warnings = request[answers.WARNINGS]

        def changed(stored: Stored) -> Object:
            document = patch.apply(msgspec.json.decode(stored.json))
            return admission.updated(target, stored.object, admission.read(target.kind, document, options, warnings))

        return (await self.change(target, changed, options, apart=bodies.is_large(request))).response()

    async def delete(self, request: web.Request, target: Target) -> web.Response:
        """Answer a DELETE of an object."""
        options = deletion.options_of(await bodies.optional_document(request), dict(request.query))
        return await self.remove(target, options)

    async def delete_collection(self, request: web.Request, target: Target) -> web.Response:
        """Answer a DELETE of a collection: each selected object by itself, as one delete would."""
        options = deletion.options_of(await bodies.optional_document(request), dict(request.query))
        listing = queries.list_options(request.query)
        page = await self._reader.page(target, listing, selection.of(target, listing))
        if not queries.dry_run(options.dry_run):
            for batch in _batches(page.items):
                await self._delete_batch(target, batch, options)
        return answers.joined(documents.object_list(target.kind, page.metadata(), page.items), self._clock)

    async def change(self, target: Target, compute: Change, options: WriteOptions, *, apart: bool = False) -> Written:
        """Read, compute, propose; again where another write came between, and `compute` does not mind.

        `apart`: much is to be looked at, and `compute` runs in a thread, as it does where the object is large already.
        """
        for _ in range(ATTEMPTS_MAX):
            await self._replica.linearize()
            stored = await self._reader.find(target)
            apart = apart or len(stored.json) > bodies.LOOP_BYTES_MAX
            value = await bodies.looked_through(apart, compute, stored)
            if value == stored.object:
                return Written(stored.json)
            now = self._clock.now()
            value = await bodies.looked_through(apart, owners.of_changed, target, stored.object, value, options, now)
            expansion.check(self._replica.view, target, stored.object, value)
            escalation.check(self._replica.view, target, value, stored.object)
            if isinstance(value, PriorityClass):
                priority.check_default(self._replica.view, value)
            value, charges = self._quota.growth(target, stored.object, value)
            operation = _update(target.kind, stored, value)
            if options.dry_run:
                return Written(versions.shown_json(target.kind, objects.to_json(value)))
            outcome = await self._quota.propose(operation, charges)
            if outcome.verdict is Verdict.NOT_FOUND:
                raise NotFoundError(f"{target.qualified} not found")
            if outcome.verdict is not Verdict.CONFLICT:
                return self._written(target, stored.key, outcome, _unstamped(target.kind, value))
        raise admission.changed_meanwhile(target)

    async def _create(self, target: Target, value: Object, options: WriteOptions, *, apart: bool) -> Written:
        now = self._clock.now()
        complete = await bodies.looked_through(apart, admission.created, target, value, now, self._rng)
        complete = await bodies.looked_through(apart, owners.of_new, target, complete, options, now)
        escalation.check(self._replica.view, target, complete)
        key = Key(target.kind.resource, target.namespace, complete.metadata.name)
        if options.dry_run:
            await self._reader.catch_up(None)
            taken = self._replica.view.get(key) is not None
            outcome = Outcome(verdict=Verdict.ALREADY_EXISTS if taken else Verdict.DONE)
            data = objects.to_json(self._quota.admitted(target, complete)[0])
        else:
            outcome, data = await self._quota.create(target, key, custom.storage_form(target.kind, complete))
        if outcome.verdict is Verdict.ALREADY_EXISTS:
            raise AlreadyExistsError(f'{key.resource} "{key.name}" already exists')
        return Written(versions.shown_json(target.kind, self._json(key, outcome, data)), created=True)

    async def remove(self, target: Target, options: DeleteOptions) -> web.Response:
        """Delete an object as it is now, and say what became of it."""
        for _ in range(ATTEMPTS_MAX):
            await self._replica.linearize()
            stored = await self._reader.find(target)
            operation = removal(target.kind, stored, deletion.plan(target, stored, options, self._clock.now()))
            if queries.dry_run(options.dry_run):
                return self._deleted(target, stored, operation, Outcome(verdict=Verdict.DONE, revision=stored.revision))
            outcome = await self._quota.propose(operation)
            if outcome.verdict is Verdict.NOT_FOUND:
                raise NotFoundError(f"{target.qualified} not found")
            if outcome.verdict is not Verdict.CONFLICT:
                return self._deleted(target, stored, operation, outcome)
        raise admission.changed_meanwhile(target)

    async def _delete_batch(self, target: Target, items: Sequence[Stored], options: DeleteOptions) -> None:
        """Delete many with one proposal; what others changed meanwhile one by one, what is gone already not at all."""
        now = self._clock.now()
        targets = [Target(target.kind, stored.key.namespace, stored.key.name) for stored in items]
        operations = [
            removal(target.kind, stored, deletion.plan(each, stored, options, now))
            for each, stored in zip(targets, items, strict=True)
        ]
        outcomes = await self._replica.propose(operations, atomic=False)
        for each, outcome in zip(targets, outcomes, strict=True):
            if outcome.verdict is Verdict.CONFLICT:
                with contextlib.suppress(NotFoundError):
                    await self.remove(each, options)

    async def _check_namespace(self, target: Target, value: Object) -> None:
        """Raise unless the namespace exists and takes new objects."""
        key = Key(kinds.NAMESPACE.resource, "", target.namespace)
        if self._replica.view.get(key) is None:
            await self._replica.linearize()
        stored = self._replica.view.get(key)
        if stored is None:
            raise NotFoundError(f'namespaces "{target.namespace}" not found')
        if objects.is_terminating(stored.object):
            words = f"unable to create new content in namespace {target.namespace} because it is being terminated"
            raise NamespaceTerminatingError(
                f'{target.kind.resource} "{value.metadata.name}" is forbidden: {words}', target.namespace
            )

    def _deleted(self, target: Target, stored: Stored, operation: Operation, outcome: Outcome) -> web.Response:
        """Say that the object is gone, or show how it stays for now."""
        if isinstance(operation, Put):
            return answers.json(versions.shown_json(target.kind, self._json(stored.key, outcome, operation.object)))
        kind = target.kind
        uid = stored.object.metadata.uid
        return answers.json(status.deleted(name=stored.key.name, group=kind.group, kind=kind.plural, uid=uid))

    def _written(self, target: Target, key: Key, outcome: Outcome, value: Object) -> Written:
        return Written(versions.shown_json(target.kind, self._json(key, outcome, objects.to_json(value))))

    def _json(self, key: Key, outcome: Outcome, data: bytes) -> bytes:
        """Return what was written as it is stored; another write may be stored already, so the view may not tell."""
        stored = self._replica.view.get(key)
        if stored is not None and stored.revision == outcome.revision:
            return stored.json
        return stamping.read(key, data).at(outcome.revision) if outcome.revision else data


def _batches(items: Sequence[Stored]) -> Iterator[Sequence[Stored]]:
    """Cut a list into parts that each make one command."""
    batch: list[Stored] = []
    size = 0
    for stored in items:
        if len(batch) == OPERATIONS_MAX or size + len(stored.json) > BATCH_BYTES_MAX:
            yield batch
            batch, size = [], 0
        batch.append(stored)
        size += len(stored.json)
    if batch:
        yield batch


def _update(kind: Kind, stored: Stored, value: Object) -> Operation:
    """Return the operation that makes `value` of an object: the last one, where nothing holds it any more."""
    uid = stored.object.metadata.uid
    if deletion.is_released(value):
        return Delete(stored.key, expected_revision=stored.revision, expected_uid=uid)
    data = objects.to_json(_unstamped(kind, value))
    return Put(stored.key, data, expected_revision=stored.revision, expected_uid=uid)


def removal(kind: Kind, stored: Stored, plan: deletion.Marked | deletion.Gone) -> Operation:
    """Return the operation that deletes an object, as it was read, in the way that was planned."""
    if isinstance(plan, Marked):
        return _update(kind, stored, plan.value)
    return Delete(stored.key, expected_revision=stored.revision, expected_uid=stored.object.metadata.uid)


def _unstamped(kind: Kind, value: Object) -> Object:
    return objects.with_metadata(custom.storage_form(kind, value), resource_version="")
