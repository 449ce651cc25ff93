"""Content negotiation: whole objects, a Table of printed columns, or metadata alone. The encoding is always JSON.

Clients that prefer protobuf accept JSON answers too, so nothing is ever refused for its `Accept`.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass

ACCEPT_LENGTH_MAX = 1_024
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
    """Return the first form in an `Accept` header that this server writes; plain objects where there is none."""
    for clause in header[:ACCEPT_LENGTH_MAX].split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        if media not in ("application/json", "application/*", "*/*"):
            continue
        named = dict(parameter.partition("=")[::2] for parameter in parameters)
        found = _form(named)
        if found is not None:
            return found
    return Accepted()


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
