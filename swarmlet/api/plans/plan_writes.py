"""The writes that a plan is made of, carried out on a trial: each as `apply`, a PUT or a DELETE would do it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from swarmlet.api import queries
from swarmlet.api.plans.trial import Trial
from swarmlet.api.queries import WriteOptions
from swarmlet.api.reading.reads import Reader
from swarmlet.api.targets import Target
from swarmlet.api.writing import admission, patches
from swarmlet.api.writing.writes import Writer
from swarmlet.clock import Clock
from swarmlet.errors import CallerError, InvalidError, NotFoundError
from swarmlet.manifests import last_applied
from swarmlet.model import decode, differences, kinds, objects, schema, selectors
from swarmlet.model.core import Lease
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import DeleteOptions, Object
from swarmlet.model.plans import Document, PlanRequest, Reference
from swarmlet.store.catalogue import Catalogue
from swarmlet.store.commands import Command, Delete, Key
from swarmlet.store.replica import Stored

FIELD_MANAGER = "kubectl-client-side-apply"
"""What is planned is applied as `apply` does it, and owned by the same."""
WRITES_MAX = 10_000
BREATH = 32
"""Writes before others on the event loop get their turn."""
NEVER_REPLACED = (kinds.NAMESPACE, kinds.NODE, kinds.POD, kinds.PERSISTENT_VOLUME_CLAIM, kinds.PERSISTENT_VOLUME)
"""What is more than its object: data, a machine, processes. Who wants another deletes the one."""
NEVER_PRUNED = (kinds.EVENT, kinds.LEASE, kinds.CONTROLLER_REVISION, kinds.ENDPOINT_SLICE)
_FROZEN_WORDS = ("immutable", "updates to ", "may not change once set", "can not be unset")


class NoLeases:
    """Node leases are not planned."""

    async def leases(self) -> Sequence[Lease]:
        return ()


class PlanWrites:
    """What a request writes. `targets` are the objects that it names, in its order; each is written on the trial.

    `replaced` tells why an object is made anew, `deleted` which go, and `warnings` are admission's.
    """

    def __init__(self, trial: Trial, clock: Clock, rng: random.Random) -> None:
        self.targets: dict[Key, Target] = {}
        self.replaced: dict[Key, str] = {}
        self.deleted: set[Key] = set()
        self.warnings: list[str] = []
        self._trial = trial
        self._catalogue = Catalogue(trial.fork)
        reader = Reader(replica=trial, clock=clock, lease_source=NoLeases())
        self._writer = Writer(replica=trial, reader=reader, clock=clock, rng=rng)
        self._options = WriteOptions(field_manager=FIELD_MANAGER)

    async def carry_out(self, request: PlanRequest) -> None:
        """Write all that is asked for; raise what the first refused write raises, and say which it was."""
        if len(request.apply) + len(request.put) + len(request.delete) > WRITES_MAX:
            raise CallerError(f"over {WRITES_MAX} objects in one plan; plan in parts")
        self._options = queries.write_options(
            {"fieldValidation": request.field_validation, "fieldManager": FIELD_MANAGER}
        )
        for number, document in enumerate((*request.apply, *request.put)):
            target = target_of(document, self._catalogue)
            with _named(target):
                await self._write(target, document, merged=number < len(request.apply))
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
        for reference in request.delete:
            await self._delete(deletion_of(reference, self._catalogue))
        if request.prune:
            for target in list(self._pruned(request.prune)):
                await self._delete(target)

    # Writing.

    async def _write(self, target: Target, document: Document, *, merged: bool) -> None:
        decode.decode(target.kind, document)  # what is of another shape cannot be merged: it is refused here
        self.targets[target.key] = target
        self.deleted.discard(target.key)
        if self._trial.fork.get(target.key) is None:
            await self._make(target, last_applied.annotated(document) if merged else _bare(document))
            return

        def changed(stored: Stored) -> Object:
            whole = _applied(target, stored, document) if merged else _bare(document)
            return admission.updated(target, stored.object, self._read(target.kind, whole))

        try:
            await self._writer.change(target, changed, self._options)
        except InvalidError as error:
            reason = _frozen(target.kind, error)
            if not reason:
                raise
            await self._replace(target, last_applied.annotated(document) if merged else _bare(document), reason)

    async def _make(self, target: Target, document: Document) -> None:
        value = self._read(target.kind, document)
        await self._writer.make(target, value, self._options)

    async def _replace(self, target: Target, document: Document, reason: str) -> None:
        stored = self._trial.fork.get(target.key)
        assert stored is not None, "what cannot be changed is there"
        if stored.object.metadata.finalizers:
            held = ", ".join(stored.object.metadata.finalizers)
            raise CallerError(f"{reason}; it cannot be replaced at once, as it is held by {held}: delete it first")
        self._trial.fork.apply(Command(b"", (Delete(target.key),)))
        await self._make(target, document)
        self.replaced[target.key] = reason

    async def _delete(self, target: Target) -> None:
        self.targets[target.key] = target
        try:
            with _named(target):
                await self._writer.remove(target, DeleteOptions(propagation_policy="Background"))
        except NotFoundError:
            self.warnings.append(f"{target.qualified} is not there: nothing to delete")
        else:
            self.deleted.add(target.key)

    def _read(self, kind: Kind, document: Document) -> Object:
        return admission.read(kind, document, self._options, self.warnings)

    def _pruned(self, selector: str) -> Iterator[Target]:
        """Yield what was applied once, is selected, and is not named now, in the namespaces that are."""
        matches = selectors.parse_labels(selector)
        named = dict(self.targets)
        namespaces = sorted({key.namespace for key in named if key.namespace})
        brought = {kind.resource: kind for kind in self._catalogue.custom()}
        for kind in (*kinds.SERVED, *brought.values()):
            if not kind.namespaced or kind in NEVER_PRUNED:
                continue
            for stored in (
                each for namespace in namespaces for each in self._trial.fork.list(kind.resource, namespace)
            ):
                metadata = stored.object.metadata
                if (
                    stored.key not in named
                    and last_applied.ANNOTATION in metadata.annotations
                    and not objects.is_terminating(stored.object)
                    and matches(metadata.labels)
                ):
                    yield Target(kind, stored.key.namespace, stored.key.name)


def target_of(document: Document, catalogue: Catalogue) -> Target:
    """Return which object a document is; raise `CallerError` where it does not say so."""
    metadata = document.get("metadata")
    api_version, kind = document.get("apiVersion"), document.get("kind")
    if not isinstance(metadata, dict) or not isinstance(api_version, str) or not isinstance(kind, str):
        raise CallerError("a document needs apiVersion, kind and metadata")
    name, namespace = metadata.get("name"), metadata.get("namespace") or ""
    if not isinstance(name, str) or not name or not isinstance(namespace, str):
        raise CallerError(f"{kind}: metadata.name is not set; what generateName makes cannot be planned")
    return _target(catalogue.of_gvk(api_version, kind), api_version, kind, namespace, name)


def deletion_of(reference: Reference, catalogue: Catalogue) -> Target:
    """Return which object is to go."""
    kind = catalogue.of_gvk(reference.api_version, reference.kind)
    return _target(kind, reference.api_version, reference.kind, reference.namespace, reference.name)


def _target(kind: Kind | None, api_version: str, kind_name: str, namespace: str, name: str) -> Target:
    if kind is None:
        raise CallerError(f"no kind {kind_name} in {api_version} on this cluster")
    if kind.namespaced and not namespace:
        raise CallerError(f"{kind_name} {name}: metadata.namespace is not set")
    return Target(kind, namespace if kind.namespaced else "", name)


def _applied(target: Target, stored: Stored, document: Document) -> Document:
    """Return the object as `apply` would leave it: the three-way patch on what there is."""
    current: dict[str, Any] = msgspec.json.decode(stored.json)
    if target.is_custom:
        return patches.Patch(patches.MERGE_PATCH, last_applied.merge_patch(current, document), "").apply(current)
    patch = last_applied.strategic_patch(current, document)
    definition = schema.definition_of_kind(target.kind)
    return patches.Patch(patches.STRATEGIC_MERGE_PATCH, patch, definition).apply(current)


def _bare(document: Document) -> Document:
    """Return a document without what the server stamps and without status."""
    metadata = {name: value for name, value in document["metadata"].items() if name not in differences.BOOKKEEPING}
    return {**{name: value for name, value in document.items() if name != "status"}, "metadata": metadata}


def _frozen(kind: Kind, error: InvalidError) -> str:
    """Return which fields keep an object from becoming what is wanted, though a new one can; "" for other errors."""
    if kind in NEVER_REPLACED or not error.causes:
        return ""
    if not all(any(word in message for word in _FROZEN_WORDS) for _, message in error.causes):
        return ""
    return "; ".join(f"{field}: {message.rpartition(': ')[2]}" for field, message in error.causes)


@contextlib.contextmanager
def _named(target: Target) -> Iterator[None]:
    """Let what refuses a write say which object it was."""
    try:
        yield
    except CallerError as error:
        what = f"{target.kind.resource}/{target.name}"
        if target.name not in str(error):
            error.args = (f"{what}: {error}",)
        raise
