"""get and list: linearizable by default, in the form that the client asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aiohttp import web

from swarmlet import slices
from swarmlet.api import answers, queries
from swarmlet.api.queries import ListOptions
from swarmlet.api.reading import documents, history, leases, selection, versions
from swarmlet.api.reading.history import Continuation
from swarmlet.api.reading.joined import Joined
from swarmlet.api.reading.media import Accepted, Form, accepted
from swarmlet.api.status import TooLargeRevisionError
from swarmlet.api.tables import table
from swarmlet.api.targets import Target
from swarmlet.clock import Clock
from swarmlet.errors import ExpiredError, NotFoundError
from swarmlet.store.replica import Replica, Stored


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, all of one revision."""

    items: Sequence[Stored]
    revision: int
    continue_token: str = ""
    remaining: int | None = None

    def metadata(self) -> bytes:
        return documents.list_metadata(self.revision, self.continue_token, self.remaining)


class Reader:
    """Reads the local replica, once it has caught up with what the request may expect."""

    def __init__(self, *, replica: Replica, clock: Clock, lease_source: leases.LeaseSource) -> None:
        self._replica = replica
        self._clock = clock
        self._lease_source = lease_source

    async def get(self, request: web.Request, target: Target) -> web.Response:
        """Answer a GET of one object."""
        await self.catch_up(queries.revision(request.query.get("resourceVersion", "")))
        return self.shown(request, target, await self.find(target))

    def shown(self, request: web.Request, target: Target, stored: Stored) -> web.Response:
        """Return the response that shows one object in the form that is asked for."""
        wanted = accepted(request.headers.get("Accept", ""))
        if wanted.form is Form.TABLE:
            metadata = documents.list_metadata(stored.revision)
            return answers.json(self.renderer(request, target, wanted).table(metadata, [stored]))
        if wanted.form is Form.METADATA:
            return answers.json(documents.partial(stored, wanted.version))
        return answers.json(stored.json)

    async def list(self, request: web.Request, target: Target) -> web.Response:
        """Answer a GET of a collection."""
        options = queries.list_options(request.query)
        chosen = selection.of(target, options)
        page = await self.page(target, options, chosen)
        return answers.joined(self._listed(request, target, page), self._clock)

    def _listed(self, request: web.Request, target: Target, page: Page) -> Joined:
        """Return the document that shows a page in the form that is asked for."""
        wanted = accepted(request.headers.get("Accept", ""))
        if wanted.form is Form.TABLE:
            return self.renderer(request, target, wanted).document(page.metadata(), page.items)
        if wanted.form is Form.METADATA_LIST:
            return documents.partial_list(page.metadata(), page.items, wanted.version)
        return documents.object_list(target.kind, page.metadata(), page.items)

    async def find(self, target: Target) -> Stored:
        """Return the target as it is here; raise `NotFoundError` where it is not."""
        stored = self._replica.view.get(target.key)
        if stored is None and leases.concerns(target.kind.resource, target.namespace):
            stored = next((lease for lease in await self._node_leases() if lease.key.name == target.name), None)
        if stored is None:
            raise NotFoundError(f"{target.qualified} not found")
        return versions.shown(target.kind, stored)

    async def page(self, target: Target, options: ListOptions, chosen: selection.Selection) -> Page:
        """Return the objects that a list asks for; with `limit`, the first of them and where to go on."""
        continuation = Continuation.decode(options.continue_token) if options.continue_token else None
        objects, revision = await self._moment(target, options, continuation)
        if leases.concerns(target.kind.resource, target.namespace):
            objects = await self._with_node_leases(objects)
        if continuation:
            objects = history.rest(objects, continuation)
        if not chosen.everything:
            objects = await self._selected(objects, chosen, options.limit)
        is_all = not options.limit or len(objects) <= options.limit
        shown = objects if is_all else objects[: options.limit]
        items = [versions.shown(target.kind, stored) for stored in shown] if target.is_converted else shown
        if is_all:
            return Page(items, revision)
        last = items[-1].key
        return Page(
            items=items,
            revision=revision,
            continue_token=Continuation(revision, last.namespace, last.name).encode(),
            remaining=len(objects) - options.limit if chosen.everything else None,
        )

    async def _selected(self, objects: Sequence[Stored], chosen: selection.Selection, limit: int) -> Sequence[Stored]:
        """Return the objects that are selected; not all of them where they are more than `limit`, which is not 0."""
        found: list[Stored] = []

        def look() -> Iterator[None]:
            for stored in objects:
                if chosen.matches(stored):
                    found.append(stored)
                if limit and len(found) > limit:
                    return
                yield

        await slices.work_through(look(), self._clock)
        return found

    async def catch_up(self, revision: int | None) -> None:
        """Wait until the local state is as new as asked for: None linearizable, 0 whatever, N at least N."""
        view = self._replica.view
        if revision is not None and revision <= view.revision:
            return
        await self._replica.linearize()
        if revision is not None and revision > view.revision:
            raise TooLargeRevisionError(f"Too large resource version: {revision}, current: {view.revision}")

    def renderer(self, request: web.Request, target: Target, wanted: Accepted) -> table.Renderer:
        """Return what makes Tables for this request."""
        include = table.include_of(request.query.get("includeObject", ""))
        return table.Renderer(target.kind, self._clock.now(), wanted.version, include)

    async def _node_leases(self) -> Sequence[Stored]:
        return [leases.as_stored(lease) for lease in await self._lease_source.leases()]

    async def _with_node_leases(self, objects: Sequence[Stored]) -> Sequence[Stored]:
        """Return the stored leases and the virtual ones, in order; a stored one of the same name goes before."""
        taken = {stored.key for stored in objects}
        virtual = (lease for lease in await self._node_leases() if lease.key not in taken)
        return sorted([*objects, *virtual], key=history.position)

    async def _moment(
        self, target: Target, options: ListOptions, continuation: Continuation | None
    ) -> tuple[Sequence[Stored], int]:
        """Return the collection and the revision at which it was so."""
        view, resource, namespace = self._replica.view, target.kind.resource, target.namespace
        if continuation:
            await self.catch_up(continuation.revision)
            return history.paged(view, resource, namespace, continuation), continuation.revision
        await self.catch_up(options.resource_version)
        if options.resource_version_match == "Exact" and options.resource_version is not None:
            try:
                return history.list_at(view, resource, namespace, options.resource_version), options.resource_version
            except ExpiredError as error:
                raise ExpiredError(f"The resourceVersion for the provided list is too old: {error}") from error
        return view.list(resource, namespace), view.revision
