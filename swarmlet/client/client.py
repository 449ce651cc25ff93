"""The API's verbs as methods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from swarmlet.client import discovery
from swarmlet.client.connection import JSON, Connection, Request
from swarmlet.client.discovery import Catalogue, Resource
from swarmlet.errors import NotFoundError

PAGE_SIZE = 500
PAGES_MAX = 10_000
WHOLE_OBJECTS = {"includeObject": "Object"}

TABLE = f"{JSON};as=Table;v=v1;g=meta.k8s.io,{JSON}"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which objects of a kind: "" is every namespace, and every label or field."""

    namespace: str = ""
    labels: str = ""
    fields: str = ""

    def query(self) -> dict[str, str]:
        return {"labelSelector": self.labels, "fieldSelector": self.fields}


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """How a write is to be taken; `field_validation` is "Strict", "Warn" or "Ignore", `force` for an apply alone."""

    dry_run: bool = False
    field_manager: str = "swarmlet"
    field_validation: str = ""
    force: bool = False

    def query(self) -> dict[str, str]:
        return {
            "dryRun": "All" if self.dry_run else "",
            "fieldManager": self.field_manager,
            "fieldValidation": self.field_validation,
            "force": "true" if self.force else "",
        }


EVERYTHING = Scope()
PLAIN_WRITE = WriteOptions()


class Client:
    """The verbs, on a connection that its owner opens and closes."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    # Reading.

    async def discover(self) -> Catalogue:
        """Ask what kinds there are: two requests, or one a group version where the server does not aggregate."""
        core, groups = await asyncio.gather(self._discovery("/api"), self._discovery("/apis"))
        if groups.get("kind") == "APIGroupDiscoveryList":
            return Catalogue(discovery.from_aggregated(core) + discovery.from_aggregated(groups))
        paths = [f"/api/{version}" for version in core.get("versions") or ()]
        paths += [f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups.get("groups") or ()]
        lists = await asyncio.gather(*(self._discovery(path) for path in paths))
        return Catalogue(resource for each in lists for resource in discovery.from_resource_list(each))

    async def _discovery(self, path: str) -> Document:
        return await self.connection.json(Request(method="GET", path=path, accept=discovery.AGGREGATED))

    async def get(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str = "",
        subresource: str = "",
        accept: str = JSON,
        whole_objects: bool = False,
    ) -> Document:
        """Return one object; raise `NotFoundError` where it does not exist. `whole_objects`: see `list`."""
        path = resource.path(namespace=namespace, name=name, subresource=subresource)
        query = WHOLE_OBJECTS if whole_objects else {}
        return await self.connection.json(Request(method="GET", path=path, query=query, accept=accept))

    async def find(self, resource: Resource, name: str, *, namespace: str = "") -> Document | None:
        """Return one object, or None where it does not exist."""
        try:
            return await self.get(resource, name, namespace=namespace)
        except NotFoundError:
            return None

    async def list(
        self,
        resource: Resource,
        scope: Scope = EVERYTHING,
        *,
        accept: str = JSON,
        whole_objects: bool = False,
        page_size: int = PAGE_SIZE,
    ) -> Document:
        """Return the whole list (or Table, by `accept`), however many pages it takes, all of one revision.

        A Table's rows hold their objects' metadata, or with `whole_objects` all of them. A `page_size` of 0 asks for
        everything at once.
        """
        whole: Document = {}
        going_on = ""
        shown = WHOLE_OBJECTS if whole_objects else {}
        for _ in range(PAGES_MAX):
            further = {**shown, "limit": str(page_size or ""), "continue": going_on}
            page = await self._page(resource, scope, further, accept)
            part = "rows" if page.get("kind") == "Table" else "items"
            if whole:
                whole[part] = [*(whole.get(part) or ()), *(page.get(part) or ())]
            else:
                whole = page
            going_on = (page.get("metadata") or {}).get("continue") or ""
            if not going_on:
                break
        return whole

    async def _page(self, resource: Resource, scope: Scope, further: Mapping[str, str], accept: str) -> Document:
        path = resource.path(namespace=scope.namespace)
        query = {**scope.query(), **further}
        return await self.connection.json(Request(method="GET", path=path, query=query, accept=accept))

    async def raw(self, path: str) -> Document:
        """Return the JSON object at a path that is no resource, such as "/version" or "/status"."""
        return await self.connection.json(Request(method="GET", path=path))

    def logs(
        self, pods: Resource, name: str, *, namespace: str, query: Mapping[str, str]
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a container's log: pieces as they arrive. A silent log is a good one, so silence has no limit."""
        path = pods.path(namespace=namespace, name=name, subresource="log")
        return self.connection.stream(
            Request(method="GET", path=path, query=query, accept="text/plain, */*"), quiet_seconds=None
        )

    # Writing.

    async def create(
        self, resource: Resource, document: Document, *, namespace: str = "", options: WriteOptions = PLAIN_WRITE
    ) -> Document:
        """Create an object; raise `AlreadyExistsError` where it exists."""
        path = resource.path(namespace=namespace)
        return await self.connection.json(Request(method="POST", path=path, query=options.query(), body=document))

    async def update(
        self,
        resource: Resource,
        document: Document,
        *,
        namespace: str = "",
        subresource: str = "",
        options: WriteOptions = PLAIN_WRITE,
    ) -> Document:
        """Replace an object; raise `ConflictError` where its resourceVersion is no longer the stored one."""
        path = resource.path(namespace=namespace, name=document["metadata"]["name"], subresource=subresource)
        return await self.connection.json(Request(method="PUT", path=path, query=options.query(), body=document))

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Document | Sequence[Document],
        *,
        namespace: str = "",
        subresource: str = "",
        content_type: str = MERGE_PATCH,
        options: WriteOptions = PLAIN_WRITE,
    ) -> Document:
        """Change a part of an object and return the whole."""
        path = resource.path(namespace=namespace, name=name, subresource=subresource)
        query = options.query()
        return await self.connection.json(
            Request(method="PATCH", path=path, query=query, body=patch, content_type=content_type)
        )

    async def delete(
        self, resource: Resource, name: str, *, namespace: str = "", options: Document | None = None
    ) -> Document:
        """Ask for an object's deletion with DeleteOptions; return the Status, or the object while it terminates."""
        path = resource.path(namespace=namespace, name=name)
        return await self.connection.json(Request(method="DELETE", path=path, body=options or {}))

    async def evict(
        self, pods: Resource, name: str, *, namespace: str = "", options: Document | None = None
    ) -> Document:
        """Delete a Pod as its disruption budget allows; raise `DisruptionBudgetError` where that is not now."""
        path = pods.path(namespace=namespace, name=name, subresource="eviction")
        metadata = {"name": name, "namespace": namespace}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata, "deleteOptions": options or {}}
        return await self.connection.json(Request(method="POST", path=path, body=body))
