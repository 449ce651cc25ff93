"""What a request is about: its path, taken apart into kind, namespace, name and subresource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote

from swarmlet.api.queries import flag
from swarmlet.api.status import MethodNotAllowedError
from swarmlet.errors import NotFoundError
from swarmlet.identity.access import Attributes
from swarmlet.model import kinds, selectors
from swarmlet.model.custom import CustomKind
from swarmlet.model.kinds import Kind
from swarmlet.store.catalogue import Catalogue
from swarmlet.store.commands import Key

STREAMS = ("exec", "attach", "portforward")
"""Subresources of Pods that are connections: who opens one must be allowed to create it, also by a websocket's GET."""
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}
NO_SUCH_RESOURCE = "the server could not find the requested resource"


@dataclass(frozen=True, slots=True)
class Target:
    """One collection (`name` ""), object or subresource of the API."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        return Key(self.kind.resource, self.namespace, self.name)

    @property
    def is_custom(self) -> bool:
        """Whether the kind is one that a user brought."""
        return isinstance(self.kind, CustomKind)

    @property
    def is_converted(self) -> bool:
        """Whether what is stored may be of another version than what is shown."""
        return self.is_custom or self.kind.stored_as is not None

    @property
    def qualified(self) -> str:
        """The object as error messages name it."""
        return f'{self.kind.resource} "{self.name}"'


def is_resource_path(path: str) -> bool:
    """Whether `path` lies below a group and version, where resources are."""
    parts = path.strip("/").split("/")
    return (parts[0] == "api" and len(parts) > 2) or (parts[0] == "apis" and len(parts) > 3)


def may_be_custom(path: str) -> bool:
    """Whether a path may name a kind that a user brought: one of a group that has a domain."""
    parts = path.strip("/").split("/")
    return parts[0] == "apis" and "." in parts[1]


def parse(raw_path: str, catalogue: Catalogue) -> Target:
    """Return what a path (still percent-encoded) names; raise `NotFoundError` for what is not served."""
    parts = [unquote(part) for part in raw_path.strip("/").split("/")]
    group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and catalogue.find(group, version, rest[2]):
        namespace, rest = rest[1], rest[2:]
    kind = catalogue.find(group, version, rest[0])
    if kind is None or len(rest) > 3 or not all(rest) or (bool(namespace) and not kind.namespaced):
        raise NotFoundError(NO_SUCH_RESOURCE)
    name, subresource = (*rest[1:], "", "")[:2]
    if (subresource and subresource not in kind.subresources) or (name and kind.namespaced and not namespace):
        raise NotFoundError(NO_SUCH_RESOURCE)
    return Target(kind, namespace, name, subresource)


def verb_of(target: Target, method: str, query: Mapping[str, str]) -> str:
    """Return Kubernetes' verb for a request; raise `MethodNotAllowedError` for a method that has none."""
    if target.subresource in STREAMS and method in ("GET", "POST"):
        return "create"
    verb = _VERBS.get(method)
    if verb is None:
        raise MethodNotAllowedError(f"the server does not allow this method on the requested resource: {method}")
    if verb == "get" and not target.name:
        return "watch" if flag(query, "watch") else "list"
    if verb == "delete" and not target.name:
        return "deletecollection"
    return verb


def selected(target: Target, verb: str, query: Mapping[str, str]) -> Target:
    """Return what a request is judged by: a list or watch of one object alone, by its name, is of that object."""
    if verb not in ("list", "watch") or target.name:
        return target
    return replace(target, name=selectors.pinned_name(query.get("fieldSelector", "")))


def attributes(target: Target, verb: str, path: str) -> Attributes:
    """Return what authorization asks about. A Namespace is in itself: roles there say who may read it."""
    resource = f"{target.kind.plural}/{target.subresource}" if target.subresource else target.kind.plural
    return Attributes(
        verb=verb,
        path=path,
        resource=resource,
        api_group=target.kind.group,
        namespace=target.name if target.kind is kinds.NAMESPACE else target.namespace,
        name=target.name,
    )
