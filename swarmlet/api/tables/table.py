"""The Table form of lists, objects and watch events (meta.k8s.io Table), joined from rows of bytes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from swarmlet.api.reading import documents, versions
from swarmlet.api.reading.joined import Joined
from swarmlet.api.tables import columns
from swarmlet.api.tables.shapes import Columns
from swarmlet.errors import CallerError
from swarmlet.model.kinds import Kind
from swarmlet.model.pod import Pod
from swarmlet.store.replica import Stored

INCLUDE = ("Metadata", "Object", "None")

_encoder = msgspec.json.Encoder()
_COMPLETED = {
    "Succeeded": b',"conditions":[{"type":"Completed","status":"True","reason":"Succeeded",'
    b'"message":"The pod has completed successfully."}]',
    "Failed": b',"conditions":[{"type":"Completed","status":"True","reason":"Failed","message":"The pod failed."}]',
}


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders objects of one kind for one request. `include`: what of each object goes with its row."""

    kind: Kind
    now: datetime
    version: str = "v1"
    include: str = "Metadata"

    def table(self, metadata: bytes, items: Sequence[Stored], *, with_columns: bool = True) -> bytes:
        """Return the Table of a few objects; `with_columns` False for the later events of a watch."""
        return self.document(metadata, items, with_columns=with_columns).whole()

    def document(self, metadata: bytes, items: Sequence[Stored], *, with_columns: bool = True) -> Joined:
        """Return the Table of many objects; a row is made when its turn comes."""
        definitions = columns.definitions(self.kind) if with_columns else b"null"
        head = f'{{"kind":"Table","apiVersion":"meta.k8s.io/{self.version}","metadata":'.encode()
        before = b"".join((head, metadata, b',"columnDefinitions":', definitions, b',"rows":['))
        return Joined(before, items, b"]}", functools.partial(self._row, columns.of(self.kind)))

    def _row(self, shape: Columns, stored: Stored) -> bytes:
        cells = _encoder.encode(shape.cells(stored.object, self.now))
        conditions = _COMPLETED.get(stored.object.status.phase, b"") if isinstance(stored.object, Pod) else b""
        return b'{"cells":%b%b,"object":%b}' % (cells, conditions, self._object(stored))

    def _object(self, stored: Stored) -> bytes:
        if self.include == "Object":
            return versions.shown_json(self.kind, stored.json)
        return b"null" if self.include == "None" else documents.partial(stored, self.version)


def include_of(value: str) -> str:
    """Read the `includeObject` parameter."""
    if value and value not in INCLUDE:
        raise CallerError(f'includeObject: "{value}" is not one of {", ".join(INCLUDE)}')
    return value or "Metadata"
