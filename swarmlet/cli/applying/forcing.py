"""`apply --force`: what cannot be changed to what its manifest says is deleted and made anew.

Source: kubernetes/kubectl/pkg/cmd/apply/patcher.go (deleteAndCreate).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarmlet.cli.applying.objects import Applier
from swarmlet.errors import ConflictError, InvalidError, SwarmletError

if TYPE_CHECKING:
    from swarmlet.cli.session import Session
    from swarmlet.client.discovery import Catalogue, Resource
    from swarmlet.manifests.documents import Document

STAMPED = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
"""What an object that is made anew gets from the server."""


class ForcingApplier(Applier):
    """Applies manifests; what the server does not let change it deletes with the DeleteOptions `deleting`."""

    def __init__(self, session: Session, catalogue: Catalogue, *, validation: str, deleting: Document) -> None:
        super().__init__(session, catalogue, dry_run="none", validation=validation)
        self._session = session
        self._deleting = deleting

    async def _change(
        self, resource: Resource, current: Document, document: Document, namespace: str
    ) -> tuple[str, Document]:
        try:
            return await super()._change(resource, current, document, namespace)
        except (ConflictError, InvalidError):
            return "configured", await self._made_anew(resource, current, document, namespace)

    async def _made_anew(self, resource: Resource, current: Document, document: Document, namespace: str) -> Document:
        """Delete an object, wait until it is gone, and create it; what cannot be created is put back as it was."""
        from swarmlet.cli import delete

        name, uid = current["metadata"]["name"], current["metadata"]["uid"]
        body = {"kind": "DeleteOptions", "preconditions": {"uid": uid}, **self._deleting}
        await self._api.delete(resource, name, namespace=namespace, options=body)
        await delete.until_gone(
            self._session, [delete.Target(resource, namespace, name, uid)], delete.UNLIMITED_SECONDS
        )
        try:
            _, after = await self._create(resource, document, namespace)
        except InvalidError as error:
            metadata = {key: value for key, value in current["metadata"].items() if key not in STAMPED}
            try:
                await self._api.create(resource, {**current, "metadata": metadata}, namespace=namespace)
            except SwarmletError as lost:
                error.args = (f"{error}; and the object that was there could not be put back: {lost}",)
            raise
        return after
