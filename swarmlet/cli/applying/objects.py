"""Making one object as its manifest says: create it, or send the three-way patch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from swarmlet.cli.session import Session
from swarmlet.client.client import MERGE_PATCH, STRATEGIC_MERGE_PATCH, WriteOptions
from swarmlet.client.discovery import Catalogue, Resource
from swarmlet.errors import AlreadyExistsError, BugError, CallerError
from swarmlet.manifests import last_applied
from swarmlet.manifests.documents import Document, Manifest
from swarmlet.model import patch, schema

FIELD_MANAGER = "kubectl-client-side-apply"
"""The name that kubectl writes under, so that both own the same fields."""


@dataclass(frozen=True, slots=True)
class Applied:
    """An object after its manifest was applied, and what it is then; `verb`: "created", "configured", "unchanged"."""

    resource: Resource
    namespace: str
    name: str
    verb: str
    document: Document = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.resource.full_name}/{self.name}"


class Applier:
    """Applies manifests; `dry_run` is "none", "client" (nothing is sent) or "server" (nothing is kept)."""

    def __init__(self, session: Session, catalogue: Catalogue, *, dry_run: str, validation: str) -> None:
        self._api = session.api
        self._namespace = session.namespace
        self._catalogue = catalogue
        self._only_say = dry_run == "client"
        self._options = WriteOptions(
            dry_run=dry_run == "server", field_manager=FIELD_MANAGER, field_validation=validation
        )

    async def apply(self, manifest: Manifest) -> Applied:
        """Bring one object to what its manifest says."""
        resource, document = self.placed(manifest)
        check_named(manifest)
        namespace = document["metadata"].get("namespace") or ""
        current = await self._api.find(resource, manifest.name, namespace=namespace)
        if current is None:
            try:
                verb, after = await self._create(resource, document, namespace)
            except AlreadyExistsError:  # somebody was quicker
                current = await self._api.get(resource, manifest.name, namespace=namespace)
        if current is not None:
            verb, after = await self._change(resource, current, document, namespace)
        return Applied(resource, namespace, manifest.name, verb, after)

    def placed(self, manifest: Manifest) -> tuple[Resource, Document]:
        """Return the kind of a manifest, and its document with the namespace that it goes to."""
        resource = self._catalogue.of_kind(manifest.api_version, manifest.kind)
        assert resource is not None, "check_kinds has run"
        document = dict(manifest.document)
        if resource.namespaced:
            namespace = manifest.namespace or self._namespace
            document["metadata"] = {**document["metadata"], "namespace": namespace}
        return resource, document

    async def tried(self, manifest: Manifest) -> tuple[Resource, Document | None, Document]:
        """Return the kind of a manifest, the object as it is, and as the server would make it; nothing is kept."""
        resource, document = self.placed(manifest)
        check_named(manifest)
        namespace = document["metadata"].get("namespace") or ""
        current = await self._api.find(resource, manifest.name, namespace=namespace)
        trying = replace(self._options, dry_run=True)
        if current is None:
            return resource, None, await self._api.create(resource, document, namespace=namespace, options=trying)
        changes, content_type, _ = _patch(current, document)
        after = await self._api.patch(
            resource, manifest.name, changes, namespace=namespace, content_type=content_type, options=trying
        )
        return resource, current, after

    async def _create(self, resource: Resource, document: Document, namespace: str) -> tuple[str, Document]:
        whole = last_applied.annotated(document)
        if self._only_say:
            return "created", whole
        return "created", await self._api.create(resource, whole, namespace=namespace, options=self._options)

    async def _change(
        self, resource: Resource, current: Document, document: Document, namespace: str
    ) -> tuple[str, Document]:
        changes, content_type, merged = _patch(current, document)
        if merged == current:
            return "unchanged", current
        if self._only_say:
            return "configured", merged
        after = await self._api.patch(
            resource,
            document["metadata"]["name"],
            changes,
            namespace=namespace,
            content_type=content_type,
            options=self._options,
        )
        same = _says_the_same(current, after) if self._options.dry_run else _is_same(current, after)
        return "unchanged" if same else "configured", after


def selected(manifests: Sequence[Manifest], labels: str) -> list[Manifest]:
    """Return the manifests that have the labels that -l asks for."""
    if not labels:
        return list(manifests)
    from swarmlet.model import selectors

    matches = selectors.parse_labels(labels)
    return [each for each in manifests if matches(each.document["metadata"].get("labels") or {})]


def check_named(manifest: Manifest) -> None:
    """Raise `CallerError` where a manifest does not say which object it is."""
    if not manifest.name:
        raise CallerError(f"{manifest}: generateName makes a new object each time; it cannot be applied")


def _patch(current: Document, document: Document) -> tuple[Document, str, Any]:
    """Return the patch, its content type, and what it makes of `current`."""
    try:
        definition = schema.definition_of(document["apiVersion"], document["kind"])
    except BugError:  # a kind that the server knows and we do not: a newer server
        changes = last_applied.merge_patch(current, document)
        return changes, MERGE_PATCH, patch.merge(current, changes)
    changes = last_applied.strategic_patch(current, document)
    return changes, STRATEGIC_MERGE_PATCH, patch.strategic_merge(current, changes, definition)


def _is_same(before: Document, after: Document) -> bool:
    return bool(before["metadata"].get("resourceVersion") == after["metadata"].get("resourceVersion"))


def _says_the_same(before: Document, after: Document) -> bool:
    """Compare what a dry run would have made: it is never stored, and so has no revision of its own."""
    stamps = ("resourceVersion", "generation", "managedFields")
    bare = [
        {**each, "metadata": {k: v for k, v in each["metadata"].items() if k not in stamps}} for each in (before, after)
    ]
    return bare[0] == bare[1]
