"""Which handler answers which verb on which resource or subresource: one table, and no logic beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from swarmlet.api import answers
from swarmlet.api.access.account_tokens import AccountTokenApi
from swarmlet.api.access.reviews import Reviews
from swarmlet.api.logs import LogApi
from swarmlet.api.middleware import TARGET, VERB
from swarmlet.api.reading.metrics_api import MetricsApi
from swarmlet.api.reading.reads import Reader
from swarmlet.api.reading.streams import Streamer
from swarmlet.api.status import MethodNotAllowedError
from swarmlet.api.streaming.serving import StreamApi
from swarmlet.api.targets import Target
from swarmlet.api.writing.applies import Applies, is_apply
from swarmlet.api.writing.eviction import Evictions
from swarmlet.api.writing.subresources import Subresources
from swarmlet.api.writing.writes import Writer
from swarmlet.model import kinds
from swarmlet.model.custom import CustomKind
from swarmlet.model.kinds import Kind

Handler = Callable[[web.Request, Target], Awaitable[web.StreamResponse]]


class Resources:
    """The handlers by (subresource, verb); of what is not stored, others."""

    def __init__(  # noqa: PLR0913  a composition takes what it composes, each by keyword
        self,
        *,
        reader: Reader,
        writer: Writer,
        applies: Applies,
        streamer: Streamer,
        parts: Subresources,
        evictions: Evictions,
        logs: LogApi,
        streams: StreamApi,
        metrics: MetricsApi,
        tokens: AccountTokenApi,
        reviews: Reviews,
    ) -> None:
        self._virtual: dict[tuple[str, str], Handler] = {("", "get"): metrics.get, ("", "list"): metrics.list}
        self._reviews: dict[tuple[str, str], Handler] = {("", "create"): reviews.create}
        self._handlers: dict[tuple[str, str], Handler] = {
            ("", "get"): reader.get,
            ("", "list"): reader.list,
            ("", "watch"): streamer.watch,
            ("", "create"): writer.create,
            ("", "update"): writer.update,
            ("", "patch"): _patch(writer.patch, applies.apply),
            ("", "delete"): writer.delete,
            ("", "deletecollection"): writer.delete_collection,
            ("status", "get"): reader.get,
            ("status", "update"): parts.write_status,
            ("status", "patch"): _patch(parts.write_status, applies.apply),
            ("scale", "get"): parts.get_scale,
            ("scale", "update"): parts.write_scale,
            ("scale", "patch"): _patch(parts.write_scale, applies.apply_scale),
            ("binding", "create"): parts.bind,
            ("finalize", "update"): parts.finalize,
            ("eviction", "create"): evictions.create,
            ("log", "get"): logs.get,
            ("exec", "create"): streams.exec,
            ("attach", "create"): streams.attach,
            ("portforward", "create"): streams.port_forward,
            ("token", "create"): tokens.create,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request that the middleware has read and allowed."""
        target, verb = request[TARGET], request[VERB]
        handler = self._handlers_of(target.kind).get((target.subresource, verb))
        if handler is None or not _fits(target, verb):
            raise MethodNotAllowedError(
                f"the server does not allow this method on the requested resource: {request.method} {request.path}"
            )
        if isinstance(target.kind, CustomKind) and target.kind.deprecation:
            request[answers.WARNINGS].append(target.kind.deprecation)
        return await handler(request, target)

    def _handlers_of(self, kind: Kind) -> Mapping[tuple[str, str], Handler]:
        if kind in kinds.VIRTUAL:
            return self._virtual
        return self._reviews if kind in kinds.REVIEWS else self._handlers


def _patch(patch: Handler, apply: Handler) -> Handler:
    """Return what answers a PATCH: a server-side apply goes its own way."""

    async def answer(request: web.Request, target: Target) -> web.StreamResponse:
        return await (apply if is_apply(request) else patch)(request, target)

    return answer


def _fits(target: Target, verb: str) -> bool:
    """Whether the verb is meant for what the path names: objects are created in collections, changed by name."""
    if target.subresource or verb in ("get", "list", "watch", "delete", "deletecollection"):
        return True
    if verb == "create":
        return not target.name and (bool(target.namespace) or not target.kind.namespaced)
    return bool(target.name)
