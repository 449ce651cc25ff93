"""OpenAPI: the types of each group for `kubectl explain`, and the operations by which `apply` picks its patch.

A document is made when it is first asked for, in a thread, and its encoded bytes are kept. A v3 document's hash is part
of its address, so clients keep it for ever; the one of v2 is all of them in one (`openapi_v2`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from swarmlet import __version__
from swarmlet.api import targets
from swarmlet.api.discovery import custom as custom_openapi
from swarmlet.api.discovery import openapi_v2
from swarmlet.api.discovery.kept import FOR_EVER, REVALIDATED, Kept
from swarmlet.api.discovery.lists import CATCH_UP_SECONDS, KUBERNETES, custom_kinds
from swarmlet.api.writing import patches
from swarmlet.clock import Clock
from swarmlet.errors import NotFoundError, PeerError
from swarmlet.model import kinds, schema
from swarmlet.model.custom import CustomKind
from swarmlet.model.kinds import Kind
from swarmlet.protobuf import openapi_v2 as openapi_v2_protobuf
from swarmlet.store.catalogue import Catalogue
from swarmlet.store.replica import Replica

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
OCTETS = "application/octet-stream"
"""What is answered for it: what stands after the @ in its name breaks the parser of client-go."""

PUBLISHED = kinds.SERVED + kinds.OTHER_VERSIONS + kinds.REVIEWS

LIST_PARAMETERS = {
    "allowWatchBookmarks": "boolean",
    "continue": "string",
    "fieldSelector": "string",
    "labelSelector": "string",
    "limit": "integer",
    "resourceVersion": "string",
    "resourceVersionMatch": "string",
    "sendInitialEvents": "boolean",
    "timeoutSeconds": "integer",
    "watch": "boolean",
}
"""What a list or a watch takes, and of what type."""

Document = dict[str, Any]


class OpenApi:
    """The documents and their hashes."""

    def __init__(self, replica: Replica, clock: Clock) -> None:
        self._clock = clock
        self._catalogue = Catalogue(replica.view)
        self._replica = replica
        self._stamp: object = None
        self._static: dict[str, Kept] = {}
        self._documents: dict[str, Kept] = {}
        self._index = Kept(b"")
        self._v2: tuple[Kept, Kept] | None = None  # in JSON and in protobuf
        self._loading = asyncio.Lock()

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the paths that this answers."""
        return (
            web.get("/openapi/v2", self._get_v2),
            web.get("/openapi/v3", self._get_index),
            web.get("/openapi/v3/api/{version}", self._get_document),
            web.get("/openapi/v3/apis/{group}/{version}", self._get_document),
        )

    async def _get_v2(self, request: web.Request) -> web.Response:
        await self._load()
        in_json, in_protobuf = self._v2 or await self._load_v2()
        wanted = in_protobuf if V2_PROTOBUF in request.headers.get("Accept", "") else in_json
        return await wanted.answer(request)

    async def _get_index(self, request: web.Request) -> web.Response:
        await self._load()
        return await self._index.answer(request)

    async def _get_document(self, request: web.Request) -> web.Response:
        await self._load()
        group, version = request.match_info.get("group", ""), request.match_info["version"]
        api_version = f"{group}/{version}" if group else version
        kept = self._documents.get(api_version)
        if kept is None:
            raise NotFoundError(targets.NO_SUCH_RESOURCE)
        return await kept.answer(request, FOR_EVER if request.query.get("hash") == kept.digest else REVALIDATED)

    async def _load(self) -> None:
        """Make what is not made yet, and what is of kinds that users brought anew where one came, went or changed."""
        with contextlib.suppress(PeerError):
            await self._replica.linearize(timeout_seconds=CATCH_UP_SECONDS)
        if self._is_current():
            return
        async with self._loading:
            if self._is_current():
                return
            stamp = self._catalogue.stamp()
            self._static = self._static or await asyncio.to_thread(_encode_all)
            brought = await custom_kinds(self._catalogue, self._clock)
            custom = await asyncio.to_thread(_encode_custom, brought)
            self._documents, self._stamp, self._v2 = {**self._static, **custom}, stamp, None
            self._index = _index(self._documents)

    def _is_current(self) -> bool:
        return bool(self._documents) and self._catalogue.stamp() == self._stamp

    async def _load_v2(self) -> tuple[Kept, Kept]:
        async with self._loading:
            if self._v2 is None:
                self._v2 = await asyncio.to_thread(_encode_v2, list(self._documents.values()))
            return self._v2


def _index(documents: Mapping[str, Kept]) -> Kept:
    paths = {
        _place(version): {"serverRelativeURL": f"/openapi/v3/{_place(version)}?hash={kept.digest}"}
        for version, kept in documents.items()
    }
    return Kept(msgspec.json.encode({"paths": paths}))


def _encode_v2(parts: Sequence[Kept]) -> tuple[Kept, Kept]:
    whole = openapi_v2.document(msgspec.json.decode(part.body) for part in parts)
    return Kept(msgspec.json.encode(whole)), Kept(openapi_v2_protobuf.encode(whole), OCTETS)


def _encode_all() -> dict[str, Kept]:
    versions = dict.fromkeys(kind.api_version for kind in PUBLISHED)
    return {version: Kept(msgspec.json.encode(document(version))) for version in versions}


def _encode_custom(kinds_there: Sequence[CustomKind]) -> dict[str, Kept]:
    found: dict[str, list[CustomKind]] = {}
    for kind in kinds_there:
        found.setdefault(kind.api_version, []).append(kind)
    return {
        version: Kept(msgspec.json.encode(_document(members, custom_openapi.schemas(members))))
        for version, members in found.items()
    }


def document(api_version: str) -> Document:
    """Return the OpenAPI document of one group and version."""
    served = [kind for kind in PUBLISHED if kind.api_version == api_version]
    return _document(served, schema.openapi_v3_schemas(api_version))


def _document(served: Iterable[Kind], schemas: Mapping[str, Any]) -> Document:
    paths = {path: item for kind in served for path, item in _paths(kind)}
    return {
        "openapi": "3.0.0",
        "info": {"title": "swarmlet", "version": _version()},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _version() -> str:
    return f"v{KUBERNETES[0]}.{KUBERNETES[1]}.0+swarmlet-{__version__}"


def _place(api_version: str) -> str:
    return f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"


def _paths(kind: Kind) -> Iterable[tuple[str, Document]]:
    root = f"/{_place(kind.api_version)}" + ("/namespaces/{namespace}" if kind.namespaced else "")
    collection = f"{root}/{kind.plural}"
    namespace = [_in_path("namespace")] if kind.namespaced else []
    placed = {"parameters": namespace} if namespace else {}
    made = _operation(kind, "post", body=("application/json",))
    if kind in kinds.REVIEWS:
        yield collection, {"post": made, **placed}
        return
    yield collection, {"get": _operation(kind, "list"), "post": made, **placed}
    yield (
        f"{collection}/{{name}}",
        {
            "parameters": [_in_path("name"), *namespace],
            "get": _operation(kind, "get"),
            "put": _operation(kind, "put", body=("application/json",)),
            "patch": _operation(kind, "patch", body=(*patches.types_of(kind), patches.APPLY_PATCH)),
            "delete": _operation(kind, "delete"),
        },
    )


def _operation(kind: Kind, action: str, body: tuple[str, ...] = ()) -> Document:
    reference = {"$ref": f"#/components/schemas/{schema.definition_of_kind(kind)}"}
    answered = {"list": f"{reference['$ref']}List", "delete": f"#/components/schemas/{schema.META}Status"}
    content = {"application/json": {"schema": {"$ref": answered.get(action, reference["$ref"])}}}
    operation: Document = {
        "tags": [f"{kind.group or 'core'}_{kind.version}"],
        "operationId": f"{action}{kind.kind}",
        "responses": {
            code: {"description": description, "content": content}
            for code, description in (("200", "OK"), *((("201", "Created"),) if action == "post" else ()))
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
    }
    if action == "list":
        operation["parameters"] = [_parameter(name, kind=type_) for name, type_ in LIST_PARAMETERS.items()]
    if body:
        bodies = {media: {"schema": reference if action != "patch" else {"type": "object"}} for media in body}
        operation["requestBody"] = {"content": bodies, "required": True}
        operation["parameters"] = [_parameter(name) for name in ("dryRun", "fieldManager", "fieldValidation")]
    if action == "patch":
        operation["parameters"].append(_parameter("force", kind="boolean"))
    return operation


def _parameter(name: str, kind: str = "string") -> Document:
    return {"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": True}}


def _in_path(name: str) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}
