"""Deployments as somebody applies them, in part or whole, and what two managers make of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from swarmlet.model import decode, defaults, kinds, objects
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object
from swarmlet.ownership import applying, configuration, entries, tracking
from swarmlet.ownership.entries import APPLY, UPDATE

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 4, 0, 0, tzinfo=UTC)

Document = dict[str, Any]


def deployment(*containers: Document, labels: dict[str, str] | None = None, **spec: Any) -> Document:
    """A Deployment that says no more than it is told."""
    document: Document = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": dict(spec),
    }
    if labels is not None:
        document["metadata"]["labels"] = labels
    if containers:
        document["spec"]["template"] = {"spec": {"containers": list(containers)}}
    return document


def container(name: str = "web", **fields: Any) -> Document:
    return {"name": name, **fields}


def config_map(**data: str) -> Document:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": data}


class World:
    """One object, and those who write it one after the other."""

    def __init__(self, kind: Kind = kinds.DEPLOYMENT) -> None:
        self.kind = kind
        self.object: Object | None = None

    def apply(self, who: str, document: Document, *, force: bool = False, at: datetime = NOW) -> World:
        decoded = decode.decode(self.kind, document).object
        config = configuration.of(document, decoded, has_status="status" in self.kind.subresources)
        manager = entries.manager(APPLY, who, self.kind.api_version)
        applied = applying.apply(self.kind, self.object, config, manager, at, force=force)
        self.object = tracking.with_managers(defaults.fill(applied.object), applied.managers)
        return self

    def create(self, who: str, document: Document, at: datetime = NOW) -> World:
        value = defaults.fill(decode.decode(self.kind, document).object)
        manager = entries.manager(UPDATE, who, self.kind.api_version)
        self.object = tracking.created(value, manager, at) if who else value
        return self

    def update(self, who: str, document: Document, *, subresource: str = "", at: datetime = NOW) -> World:
        """Write the object as a PUT does: what the document says is all there is."""
        assert self.object is not None
        new = defaults.fill(decode.decode(self.kind, document).object)
        new = objects.with_metadata(new, managed_fields=self.object.metadata.managed_fields)
        manager = entries.manager(UPDATE, who, self.kind.api_version, subresource)
        self.object = tracking.updated(self.object, new, manager, at)
        return self

    @property
    def document(self) -> Document:
        assert self.object is not None
        return objects.to_document(self.object)

    @property
    def bare(self) -> Document:
        """The document without its entries, for a PUT."""
        document = self.document
        document["metadata"].pop("managedFields", None)
        return document

    @property
    def containers(self) -> list[Document]:
        return self.document["spec"]["template"]["spec"]["containers"]

    def owned(self, who: str, operation: str = APPLY, subresource: str = "") -> Document:
        """The fieldsV1 of one manager; {} where it has no entry."""
        assert self.object is not None
        for entry in self.object.metadata.managed_fields:
            if (entry.manager, entry.operation, entry.subresource) == (who, operation, subresource):
                return msgspec.json.decode(bytes(entry.fields_v1))
        return {}
