"""The discovery documents: which groups, versions and kinds there are, plain and aggregated.

Source: k8s.io/apimachinery meta/v1 APIGroup and APIResource, apidiscovery/v2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swarmlet.api import targets
from swarmlet.model import kinds
from swarmlet.model.kinds import Kind

Document = dict[str, Any]
Kinds = Sequence[Kind]
Groups = Mapping[str, Kinds]
"""The kinds of each group in order; "" is the core group."""

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_VERBS_OF_VIRTUAL = ("get", "list")
_VERBS_OF_REVIEWS = ("create",)
_VERBS_OF: dict[str, tuple[str, ...]] = {
    "log": ("get",),
    "binding": ("create",),
    "finalize": ("update",),
    "eviction": ("create",),
    "token": ("create",),
}
_VERBS_OF |= dict.fromkeys(targets.STREAMS, ("create", "get"))
_KIND_OF = {
    "scale": ("autoscaling", "v1", "Scale"),
    "binding": ("", "v1", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "exec": ("", "v1", "PodExecOptions"),
    "attach": ("", "v1", "PodAttachOptions"),
    "portforward": ("", "v1", "PodPortForwardOptions"),
}


def core_versions() -> Document:
    """Return what /api answers."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
    }


def group_list(groups: Groups) -> Document:
    """Return what /apis answers."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(groups, name) for name in groups if name]}


def group(groups: Groups, name: str) -> Document:
    """Return what /apis/GROUP answers."""
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(groups, name)


def _group(groups: Groups, name: str) -> Document:
    versions = [
        {"groupVersion": api_version, "version": api_version.rpartition("/")[2]}
        for api_version in dict.fromkeys(kind.api_version for kind in groups[name])
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(api_version: str, served: Kinds) -> Document:
    """Return what /api/VERSION or /apis/GROUP/VERSION answers."""
    resources = [entry for kind in served for entry in (_resource(kind), *_parts(kind))]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": resources}


def _resource(kind: Kind) -> Document:
    return {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": _verbs_of_kind(kind),
    } | _names(kind)


def _verbs_of_kind(kind: Kind) -> tuple[str, ...]:
    if kind in kinds.REVIEWS:
        return _VERBS_OF_REVIEWS
    return _VERBS_OF_VIRTUAL if kind in kinds.VIRTUAL else _VERBS


def _names(kind: Kind) -> Document:
    named = {"shortNames": kind.short_names, "categories": kind.categories}
    return {name: words for name, words in named.items() if words}


def _parts(kind: Kind) -> Iterable[Document]:
    for name in kind.subresources:
        group, version, part_kind = _KIND_OF.get(name, (kind.group, kind.version, kind.kind))
        where = {"group": group, "version": version} if name in _KIND_OF else {}
        yield {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": part_kind,
            "verbs": _verbs_of(name),
        } | where


def _verbs_of(subresource: str) -> tuple[str, ...]:
    return _VERBS_OF.get(subresource, ("get", "patch", "update"))


def aggregated(groups: Groups, root: str, version: str) -> Document:
    """Return what /api or /apis (`root`) answers who asks for all at once, in a version of apidiscovery.k8s.io."""
    names = [""] if root == "api" else [name for name in groups if name]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [_aggregated_group(name, groups[name]) for name in names],
    }


def _aggregated_group(name: str, members: Kinds) -> Document:
    versions: dict[str, list[Kind]] = {}
    for kind in members:
        versions.setdefault(kind.version, []).append(kind)
    return {
        "metadata": {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None},
        "versions": [
            {
                "version": version,
                "freshness": "Current",
                "resources": [_aggregated_resource(kind) for kind in served],
            }
            for version, served in versions.items()
        ],
    }


def _aggregated_resource(kind: Kind) -> Document:
    entry = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": _verbs_of_kind(kind),
        "subresources": [_aggregated_part(kind, name) for name in kind.subresources],
    }
    return entry | _names(kind)


def _aggregated_part(kind: Kind, name: str) -> Document:
    group, version, part_kind = _KIND_OF.get(name, (kind.group, kind.version, kind.kind))
    return {
        "subresource": name,
        "responseKind": {"group": group, "version": version, "kind": part_kind},
        "verbs": _verbs_of(name),
    }
