"""Content negotiation: whole objects, a Table of printed columns, or metadata alone. The encoding is always JSON.

Clients that prefer protobuf accept JSON, too; one that does not is refused.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass

from swarmlet.api.status import NotAcceptableError

ACCEPT_LENGTH_MAX = 1_024
WRITTEN = ("application/json", "application/yaml", "application/*", "*/*")
"""JSON is YAML, too."""
META_VERSIONS = ("v1", "v1beta1")


class Form(enum.Enum):
    OBJECT = ""
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"
    DISCOVERY = "APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The form to answer in, and the version of meta.k8s.io (or of discovery) that was asked for."""

    form: Form = Form.OBJECT
    version: str = "v1"


@functools.lru_cache(maxsize=64)
def accepted(header: str) -> Accepted:
    """Return the first form in an `Accept` header that this server writes; plain objects where there is no header.

    Raises `NotAcceptableError` for a header that names none.
    """
    if not header.strip():
        return Accepted()
    for clause in header[:ACCEPT_LENGTH_MAX].split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        if media not in WRITTEN:
            continue
        named = dict(parameter.partition("=")[::2] for parameter in parameters)
        found = _form(named)
        if found is not None:
            return found
    raise NotAcceptableError(f"only the following media types are accepted: {', '.join(WRITTEN[:2])}")


def _form(named: dict[str, str]) -> Accepted | None:
    wanted = named.get("as", "")
    version = named.get("v", "v1")
    if not wanted:
        return Accepted()
    if wanted == Form.DISCOVERY.value and named.get("g") == "apidiscovery.k8s.io":
        return Accepted(Form.DISCOVERY, version) if version in ("v2", "v2beta1") else None
    if wanted in (Form.TABLE.value, Form.METADATA.value, Form.METADATA_LIST.value) and version in META_VERSIONS:
        return Accepted(Form(wanted), version)
    return None
