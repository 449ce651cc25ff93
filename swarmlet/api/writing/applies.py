"""PATCH with `application/apply-patch+yaml`: server-side apply, of an object, its status or its scale."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from aiohttp import web

from swarmlet.api import answers, bodies, queries
from swarmlet.api.access import escalation
from swarmlet.api.bodies import Document
from swarmlet.api.queries import WriteOptions
from swarmlet.api.targets import Target
from swarmlet.api.writing import admission, owners, patches, subresources
from swarmlet.api.writing.writes import Writer, Written
from swarmlet.clock import Clock
from swarmlet.errors import AlreadyExistsError, CallerError, ConflictError, NotFoundError
from swarmlet.model import decode, objects
from swarmlet.model.apps import Scale
from swarmlet.model.meta import Object
from swarmlet.model.versions import conversion
from swarmlet.ownership import applying, configuration, tracking
from swarmlet.store.replica import Stored

ATTEMPTS_MAX = 4
"""Of an apply that finds the object there, then gone, then there."""


def is_apply(request: web.Request) -> bool:
    """Whether a request is a server-side apply."""
    return request.method == "PATCH" and request.content_type == patches.APPLY_PATCH


class Applies:
    """Carries them out: an object that is not there is made, any other one changed."""

    def __init__(self, *, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    async def apply(self, request: web.Request, target: Target) -> web.Response:
        """Answer an apply of a whole object or its status."""
        document = bodies.mapping(await bodies.value(request))
        return (await self._written(request, target, document)).response()

    async def apply_scale(self, request: web.Request, target: Target) -> web.Response:
        """Answer an apply of `/scale`: of the object's number of replicas."""
        document = bodies.mapping(await bodies.value(request))
        scale = cast("Scale", decode.decode_as(Scale, document).object)
        asked = {"apiVersion": target.kind.api_version, "kind": target.kind.kind, "metadata": {"name": target.name}}
        content = subresources.scale_content(target.kind, scale.spec.replicas)
        written = await self._written(request, target, {**asked, **content})
        value = objects.from_json(target.kind, written.json)
        return answers.json(objects.to_json(subresources.scale_of(target.kind, value)))

    async def _written(self, request: web.Request, target: Target, document: Document) -> Written:
        """Apply what a document asks for."""
        options = queries.apply_options(request.query)
        apart, warnings = bodies.is_large(request), request[answers.WARNINGS]
        asked = await bodies.looked_through(apart, _asked, target, document, options, warnings)

        def changed(stored: Stored) -> Object:
            return _changed(target, stored.object, asked, options, self._clock.now())

        for _ in range(ATTEMPTS_MAX):
            try:
                return await self._writer.change(target, changed, options, apart=apart)
            except NotFoundError:
                if target.subresource:
                    raise
            escalation.check_also(target, "create")
            try:
                new = await bodies.looked_through(apart, _new, target, asked, options, self._clock.now())
                return await self._writer.make(target, new, options, apart=apart)
            except AlreadyExistsError:
                continue
        raise admission.changed_meanwhile(target)


def _asked(target: Target, document: Document, options: WriteOptions, warnings: list[str]) -> Document:
    """Return what a body asks for; raise where it is not of the object that the path names."""
    for name in ("apiVersion", "kind"):
        if not document.get(name):
            raise CallerError(f"error decoding patch: Object '{name[0].upper()}{name[1:]}' is missing")
    value = admission.accepted(decode.decode(target.kind, document), options, warnings)
    if value.metadata.managed_fields:
        raise CallerError("metadata.managedFields must be nil")
    if value.metadata.name not in ("", target.name):
        raise CallerError(
            f"the name of the object ({value.metadata.name}) does not match the name on the URL ({target.name})"
        )
    has_status = admission.has_status(target.kind)
    asked = configuration.of(document, value, has_status=has_status, subresource=target.subresource)
    asked = conversion.stored(target.kind, asked)
    return {**asked, "metadata": {**asked["metadata"], "name": target.name}}


def _changed(target: Target, old: Object, asked: Document, options: WriteOptions, now: datetime) -> Object:
    who = owners.manager(target, options)
    applied = applying.apply(target.kind.stored, old, asked, who, now, force=options.force)
    change = admission.with_status if target.subresource == "status" else admission.updated
    return tracking.with_managers(change(target, old, applied.object), applied.managers)


def _new(target: Target, asked: Document, options: WriteOptions, now: datetime) -> Object:
    metadata = asked["metadata"]
    if metadata.get("uid"):
        raise ConflictError(
            f"Operation cannot be fulfilled on {target.qualified}: uid mismatch: the provided object specified uid "
            f"{metadata['uid']}, and no existing object was found"
        )
    if metadata.get("resourceVersion"):
        raise admission.changed_meanwhile(target)
    applied = applying.apply(target.kind.stored, None, asked, owners.manager(target, options), now)
    return tracking.with_managers(applied.object, applied.managers)
