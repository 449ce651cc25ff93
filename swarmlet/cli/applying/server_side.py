"""`apply --server-side`: the server merges, and knows who owns what (docs/decisions/0038)."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from swarmlet.cli.applying.objects import Applied, Applier, check_named
from swarmlet.cli.session import Session
from swarmlet.client.client import APPLY_PATCH, MERGE_PATCH, WriteOptions
from swarmlet.client.discovery import Catalogue, Resource
from swarmlet.errors import ConflictError
from swarmlet.manifests.documents import Document, Manifest
from swarmlet.model.meta import ManagedFieldsEntry
from swarmlet.ownership import entries, upgrading

FIELD_MANAGER = "kubectl"
"""The name that kubectl applies under, so that both may be used on the same objects in turn."""
WAYS_OUT = (
    "others manage these fields: take them with --force-conflicts, leave them out of the manifest, or give them the "
    "values that they have"
)


class ServerSideApplier(Applier):
    """Applies manifests in the name of a field manager; with `force` it takes from others what they own."""

    def __init__(
        self, session: Session, catalogue: Catalogue, *, dry_run: str, validation: str, field_manager: str, force: bool
    ) -> None:
        super().__init__(session, catalogue, dry_run=dry_run, validation=validation)
        self._options = dataclasses.replace(self._options, field_manager=field_manager, force=force)

    async def apply(self, manifest: Manifest) -> Applied:
        """Ask for what a manifest says, and for no more of what it said before."""
        resource, document = self.placed(manifest)
        check_named(manifest)
        namespace = document["metadata"].get("namespace") or ""
        if not self._options.dry_run:
            await self._take_over(resource, manifest.name, namespace)
        after = await self._asked(resource, document, self._options)
        return Applied(resource, namespace, manifest.name, "serverside-applied", after)

    async def tried(self, manifest: Manifest) -> tuple[Resource, Document | None, Document]:
        """Return the kind of a manifest, the object as it is, and as the server would merge it; nothing is kept."""
        resource, document = self.placed(manifest)
        check_named(manifest)
        current = await self._api.find(resource, manifest.name, namespace=document["metadata"].get("namespace") or "")
        return (
            resource,
            current,
            await self._asked(resource, document, dataclasses.replace(self._options, dry_run=True)),
        )

    async def _asked(self, resource: Resource, document: Document, options: WriteOptions) -> Document:
        """Return the object after the server merged what is asked for into it."""
        metadata = document["metadata"]
        namespace = metadata.get("namespace") or ""
        try:
            return await self._api.patch(
                resource,
                metadata["name"],
                document,
                namespace=namespace,
                content_type=APPLY_PATCH,
                options=options,
            )
        except ConflictError as error:
            error.args = (f"{error}; {WAYS_OUT}",)
            raise

    async def _take_over(self, resource: Resource, name: str, namespace: str) -> None:
        """Own what was applied on the client's side, so that what has left the manifest since goes."""
        current = await self._api.find(resource, name, namespace=namespace)
        if current is None:
            return
        stored = msgspec.convert(_raw(current["metadata"].get("managedFields", [])), tuple[ManagedFieldsEntry, ...])
        who = entries.manager(entries.APPLY, self._options.field_manager, resource.api_version)
        owned = upgrading.upgraded(stored, who)
        if owned is not None:
            metadata = {"managedFields": owned, "resourceVersion": current["metadata"]["resourceVersion"]}
            await self._api.patch(resource, name, {"metadata": metadata}, namespace=namespace, content_type=MERGE_PATCH)


def _raw(found: list[Document]) -> list[dict[str, Any]]:
    """Return entries as the model keeps them: what is owned as the JSON that it is."""
    return [{**each, "fieldsV1": msgspec.Raw(msgspec.json.encode(each.get("fieldsV1", {})))} for each in found]
