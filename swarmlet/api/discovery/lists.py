"""Which groups, versions and kinds there are: /version, /api, /apis and their lists, plain and aggregated.

Each document is encoded and compressed once, and again when a user's kind comes or goes.
Source: k8s.io/apimachinery/pkg/version, meta/v1 APIGroup and APIResource, apidiscovery/v2.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from swarmlet import __version__
from swarmlet.api import answers, targets
from swarmlet.api.bodies import JSON
from swarmlet.api.discovery.kept import Kept
from swarmlet.api.reading.media import Form, accepted
from swarmlet.errors import NotFoundError, PeerError
from swarmlet.model import custom, kinds
from swarmlet.model.kinds import Kind
from swarmlet.store.catalogue import Catalogue
from swarmlet.store.replica import Replica

KUBERNETES = (1, 36)
"""The API version spoken. Clients warn when theirs is more than one minor away: 1.36 is quiet from 1.35 to 1.37."""

Document = dict[str, Any]
Kinds = Sequence[Kind]

CATCH_UP_SECONDS = 1.0
"""For which who asks waits until this machine knows of kinds that came a moment ago."""

_AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_VERBS_OF_VIRTUAL = ("get", "list")
_VERBS_OF_REVIEWS = ("create",)
_VERBS_OF: dict[str, tuple[str, ...]] = {
    "log": ("get",),
    "binding": ("create",),
    "finalize": ("update",),
    "eviction": ("create",),
    "token": ("create",),
}
_VERBS_OF |= dict.fromkeys(targets.STREAMS, ("create", "get"))
_KIND_OF = {
    "scale": ("autoscaling", "v1", "Scale"),
    "binding": ("", "v1", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "exec": ("", "v1", "PodExecOptions"),
    "attach": ("", "v1", "PodAttachOptions"),
    "portforward": ("", "v1", "PodPortForwardOptions"),
}


def version_document() -> Document:
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

    def __init__(self, replica: Replica) -> None:
        self._version = msgspec.json.encode(version_document())
        self._api = _kept(_core_versions())
        self._replica = replica
        self._catalogue = Catalogue(replica.view)
        self._known = _Documents(self._catalogue)

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
        if self._known.stamp != self._catalogue.stamp():
            self._known = _Documents(self._catalogue)
        return self._known


class _Documents:
    """Those that tell of kinds, encoded, as of one moment."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.stamp = catalogue.stamp()
        api = (*kinds.IN_API, *sorted(catalogue.custom(), key=_by_version, reverse=True))
        self.groups = _kept(_group_list(api))
        self.group = {name: _kept(_group(api, name)) for name in _groups(api) if name}
        self.resources = {version: _kept(_resource_list(api, version)) for version in _api_versions(api)}
        self._aggregated = {
            (root, version): _kept(_aggregated(api, root, version), _AGGREGATED_TYPE.format(version))
            for root in ("api", "apis")
            for version in ("v2", "v2beta1")
        }

    def aggregated_as(self, request: web.Request, root: str) -> Kept | None:
        """Return the aggregated document that a client asks for below `root`; None where it wants a plain one."""
        wanted = accepted(request.headers.get("Accept", ""))
        return self._aggregated[root, wanted.version] if wanted.form is Form.DISCOVERY else None


def _kept(document: Document, content_type: str = JSON) -> Kept:
    return Kept(msgspec.json.encode(document), content_type)


def _found(documents: Mapping[str, Kept], name: str) -> Kept:
    if name not in documents:
        raise NotFoundError(targets.NO_SUCH_RESOURCE)
    return documents[name]


def _by_version(kind: Kind) -> tuple[int, int, int, str]:
    return custom.priority(kind.version)


def _groups(api: Kinds) -> list[str]:
    return list(dict.fromkeys(kind.group for kind in api))


def _api_versions(api: Kinds) -> list[str]:
    return list(dict.fromkeys(kind.api_version for kind in api))


def _core_versions() -> Document:
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
    }


def _group_list(api: Kinds) -> Document:
    groups = [_group_body(api, name) for name in _groups(api) if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _group(api: Kinds, name: str) -> Document:
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group_body(api, name)


def _group_body(api: Kinds, name: str) -> Document:
    versions = [
        {"groupVersion": api_version, "version": api_version.rpartition("/")[2]}
        for api_version in _api_versions(api)
        if api_version.rpartition("/")[0] == name
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _resource_list(api: Kinds, api_version: str) -> Document:
    resources = [entry for kind in api if kind.api_version == api_version for entry in (_resource(kind), *_parts(kind))]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": resources}


def _resource(kind: Kind) -> Document:
    return {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": _verbs_of_kind(kind),
    } | _names(kind)


def _verbs_of_kind(kind: Kind) -> tuple[str, ...]:
    if kind in kinds.REVIEWS:
        return _VERBS_OF_REVIEWS
    return _VERBS_OF_VIRTUAL if kind in kinds.VIRTUAL else _VERBS


def _names(kind: Kind) -> Document:
    named = {"shortNames": kind.short_names, "categories": kind.categories}
    return {name: words for name, words in named.items() if words}


def _parts(kind: Kind) -> Iterable[Document]:
    for name in kind.subresources:
        group, version, part_kind = _KIND_OF.get(name, (kind.group, kind.version, kind.kind))
        where = {"group": group, "version": version} if name in _KIND_OF else {}
        yield {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": part_kind,
            "verbs": _verbs_of(name),
        } | where


def _verbs_of(subresource: str) -> tuple[str, ...]:
    return _VERBS_OF.get(subresource, ("get", "patch", "update"))


def _aggregated(api: Kinds, root: str, version: str) -> Document:
    groups = [""] if root == "api" else [name for name in _groups(api) if name]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [_aggregated_group(api, name) for name in groups],
    }


def _aggregated_group(api: Kinds, name: str) -> Document:
    versions = list(dict.fromkeys(kind.version for kind in api if kind.group == name))
    return {
        "metadata": {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None},
        "versions": [
            {
                "version": version,
                "freshness": "Current",
                "resources": [
                    _aggregated_resource(kind) for kind in api if (kind.group, kind.version) == (name, version)
                ],
            }
            for version in versions
        ],
    }


def _aggregated_resource(kind: Kind) -> Document:
    entry = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": _verbs_of_kind(kind),
        "subresources": [_aggregated_part(kind, name) for name in kind.subresources],
    }
    return entry | _names(kind)


def _aggregated_part(kind: Kind, name: str) -> Document:
    group, version, part_kind = _KIND_OF.get(name, (kind.group, kind.version, kind.kind))
    return {
        "subresource": name,
        "responseKind": {"group": group, "version": version, "kind": part_kind},
        "verbs": _verbs_of(name),
    }
