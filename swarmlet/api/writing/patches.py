"""The bodies of PATCH: which kind of patch it is, and how it applies to a document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from swarmlet.api import bodies
from swarmlet.api.bodies import Document
from swarmlet.api.status import UnsupportedMediaTypeError
from swarmlet.errors import CallerError
from swarmlet.model import json_patch, schema
from swarmlet.model import patch as model_patch
from swarmlet.model.custom import CustomKind
from swarmlet.model.kinds import Kind

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
"""Which asks for more than a patch does: `applies` answers it."""
TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch. `definition` names the schema type whose lists a strategic merge looks into."""

    content_type: str
    body: Any
    definition: str

    def apply(self, document: Document) -> Document:
        """Return the patched document."""
        if self.content_type == JSON_PATCH:
            return json_patch.apply(document, self.body)
        if self.content_type == MERGE_PATCH:
            return bodies.mapping(model_patch.merge(document, self.body))
        return model_patch.strategic_merge(document, self.body, self.definition)


async def read(request: web.Request, kind: Kind) -> Patch:
    """Return the patch in a request's body, of an object of `kind`; raise where it is of a type that is not served."""
    content_type = request.content_type
    types = types_of(kind)
    if content_type not in types:
        accepted = ", ".join((*types, APPLY_PATCH))
        told = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        raise UnsupportedMediaTypeError(told)
    body = await bodies.value(request)
    wanted = list if content_type == JSON_PATCH else dict
    if not isinstance(body, wanted):
        raise CallerError(f"a body of type {content_type} is {'a list' if wanted is list else 'an object'}")
    return Patch(content_type, body, schema.definition_of_kind(kind))


def types_of(kind: Kind) -> tuple[str, ...]:
    """Return the types of patches of a kind: how lists merge strategically, only Kubernetes' own types say."""
    return (JSON_PATCH, MERGE_PATCH) if isinstance(kind, CustomKind) else TYPES
