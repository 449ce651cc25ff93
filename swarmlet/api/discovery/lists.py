"""Which groups, versions and kinds there are: /version, /api, /apis and their lists, plain and aggregated.

Each document is encoded and compressed once, and again when a user's kind comes or goes.
Source: k8s.io/apimachinery/pkg/version, meta/v1 APIGroup and APIResource, apidiscovery/v2.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from aiohttp import web

from swarmlet import __version__, slices
from swarmlet.api import answers, targets
from swarmlet.api.bodies import JSON
from swarmlet.api.discovery import shapes
from swarmlet.api.discovery.kept import Kept
from swarmlet.api.reading.media import Form, accepted
from swarmlet.clock import Clock
from swarmlet.errors import NotFoundError, PeerError
from swarmlet.model import custom, kinds
from swarmlet.model.custom import CustomKind
from swarmlet.model.kinds import Kind
from swarmlet.store.catalogue import Catalogue
from swarmlet.store.replica import Replica

KUBERNETES = (1, 36)
"""The API version spoken. Clients warn when theirs is more than one minor away: 1.36 is quiet from 1.35 to 1.37."""


CATCH_UP_SECONDS = 1.0
"""For which who asks waits until this machine knows of kinds that came a moment ago."""

_AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


def version_document() -> shapes.Document:
    """Return what `kubectl version` prints of the server."""
    major, minor = KUBERNETES
    return {
        "major": str(major),
        "minor": str(minor),
        "gitVersion": f"v{major}.{minor}.0+swarmlet-{__version__}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }


class Discovery:
    """The discovery documents, ready to send."""

    def __init__(self, replica: Replica, clock: Clock) -> None:
        self._version = msgspec.json.encode(version_document())
        self._api = _kept(shapes.core_versions())
        self._replica = replica
        self._clock = clock
        self._catalogue = Catalogue(replica.view)
        self._known: _Documents | None = None
        self._making = asyncio.Lock()

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the paths that this answers."""
        return (
            web.get("/version", self._get_version),
            web.get("/version/", self._get_version),
            web.get("/api", self._get_api),
            web.get("/api/", self._get_api),
            web.get("/apis", self._get_groups),
            web.get("/apis/", self._get_groups),
            web.get("/api/{version}", self._get_resources),
            web.get("/apis/{group}", self._get_group),
            web.get("/apis/{group}/{version}", self._get_resources),
        )

    async def _get_version(self, _request: web.Request) -> web.Response:
        return answers.json(self._version)

    async def _get_api(self, request: web.Request) -> web.Response:
        aggregated = (await self._documents()).aggregated_as(request, "api")
        return await (aggregated or self._api).answer(request)

    async def _get_groups(self, request: web.Request) -> web.Response:
        documents = await self._documents()
        aggregated = documents.aggregated_as(request, "apis")
        return await (aggregated or documents.groups).answer(request)

    async def _get_group(self, request: web.Request) -> web.Response:
        return await _found((await self._documents()).group, request.match_info["group"]).answer(request)

    async def _get_resources(self, request: web.Request) -> web.Response:
        group, version = request.match_info.get("group", ""), request.match_info["version"]
        documents = await self._documents()
        return await _found(documents.resources, f"{group}/{version}" if group else version).answer(request)

    async def _documents(self) -> _Documents:
        """Return the documents as they are now; where nobody says what is newest, those of what is known here."""
        with contextlib.suppress(PeerError):
            await self._replica.linearize(timeout_seconds=CATCH_UP_SECONDS)
        return self._current() or await self._make()

    def _current(self) -> _Documents | None:
        known = self._known
        return known if known is not None and known.stamp == self._catalogue.stamp() else None

    async def _make(self) -> _Documents:
        """Make the documents anew, once for all who ask at once."""
        async with self._making:
            known = self._current()
            if known is None:
                stamp, brought = self._catalogue.stamp(), await custom_kinds(self._catalogue, self._clock)
                known = self._known = await asyncio.to_thread(_Documents, stamp, brought)
            return known


async def custom_kinds(catalogue: Catalogue, clock: Clock) -> list[CustomKind]:
    """Return the kinds that users brought; a definition that was never read before takes some milliseconds."""
    found: list[CustomKind] = []

    def look() -> Iterator[None]:
        for kind in catalogue.custom():
            found.append(kind)
            yield

    await slices.work_through(look(), clock)
    return found


class _Documents:
    """Those that tell of kinds, encoded, as of one moment."""

    def __init__(self, stamp: object, brought: Sequence[CustomKind]) -> None:
        self.stamp = stamp
        api = (*kinds.IN_API, *sorted(brought, key=_by_version, reverse=True))
        groups, versions = _parted(api, "group"), _parted(api, "api_version")
        self.groups = _kept(shapes.group_list(groups))
        self.group = {name: _kept(shapes.group(groups, name)) for name in groups if name}
        self.resources = {name: _kept(shapes.resource_list(name, served)) for name, served in versions.items()}
        self._aggregated = {
            (root, version): _kept(shapes.aggregated(groups, root, version), _AGGREGATED_TYPE.format(version))
            for root in ("api", "apis")
            for version in ("v2", "v2beta1")
        }

    def aggregated_as(self, request: web.Request, root: str) -> Kept | None:
        """Return the aggregated document that a client asks for below `root`; None where it wants a plain one."""
        wanted = accepted(request.headers.get("Accept", ""))
        return self._aggregated[root, wanted.version] if wanted.form is Form.DISCOVERY else None


def _kept(document: shapes.Document, content_type: str = JSON) -> Kept:
    return Kept(msgspec.json.encode(document), content_type)


def _found(documents: Mapping[str, Kept], name: str) -> Kept:
    if name not in documents:
        raise NotFoundError(targets.NO_SUCH_RESOURCE)
    return documents[name]


def _parted(api: Iterable[Kind], by: str) -> dict[str, list[Kind]]:
    found: dict[str, list[Kind]] = {}
    for kind in api:
        found.setdefault(getattr(kind, by), []).append(kind)
    return found


def _by_version(kind: Kind) -> tuple[int, int, int, str]:
    return custom.priority(kind.version)
