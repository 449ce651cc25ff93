"""Authorization: a short table of rules in the shape of RBAC's PolicyRule, and who each holds for."""

from __future__ import annotations

from dataclasses import dataclass

from swarmlet.errors import ForbiddenError
from swarmlet.identity.authority import NODES_GROUP
from swarmlet.identity.users import AUTHENTICATED, MASTERS, UNAUTHENTICATED, User

ALL = ("*",)
READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """One request. A resource request names `resource` ("pods", "pods/log"), any other has only its `path`.

    `verb` is Kubernetes' (get, list, watch, create, update, patch, delete, deletecollection) or, without a
    resource, the HTTP method in lower case.
    """

    verb: str
    path: str = ""
    resource: str = ""
    api_group: str = ""
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is allowed: verbs on resources of groups, or verbs on paths. "*" is all, and a path may end with it.

    A resource may be "*/scale": that part of any. With `names`, only the objects of these names.
    """

    verbs: tuple[str, ...]
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def allows(self, asked: Attributes) -> bool:
        """Whether this rule covers the request."""
        if not _in(asked.verb, self.verbs):
            return False
        if asked.resource:
            if self.names and asked.name not in self.names:
                return False
            return _in(asked.api_group, self.api_groups) and _resource_in(asked.resource, self.resources)
        return any(_path_matches(asked.path, pattern) for pattern in self.paths)


CA_PATH = "/swarmlet/v1/ca"
JOIN_PATH = "/swarmlet/v1/join"
NODES_PATH = "/swarmlet/v1/nodes"
BACKUP_PATH = "/swarmlet/v1/backup"
PLANS_PATH = "/swarmlet/v1/plans"
WHY_PATH = "/swarmlet/v1/why"
HISTORY_PATH = "/swarmlet/v1/history"
PUBLIC_PATHS = ("/version", "/version/", "/healthz", "/readyz", "/livez", CA_PATH)
DISCOVERY_PATHS = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/status", "/metrics", "/")
ISSUER_PATHS = ("/.well-known/openid-configuration", "/openid/v1/jwks")

_PUBLIC = (
    Rule(verbs=("get", "head"), paths=PUBLIC_PATHS),
    Rule(verbs=("post",), paths=(JOIN_PATH,)),
)
_DISCOVERY = (
    Rule(verbs=("get", "head"), paths=DISCOVERY_PATHS),
    Rule(verbs=("post",), paths=(PLANS_PATH, PLANS_PATH + "/*")),  # the handler asks for each object what is allowed
    Rule(verbs=("get",), paths=(WHY_PATH,)),  # the handler tells each only of what they may read
    Rule(verbs=("get", "post"), paths=(HISTORY_PATH, HISTORY_PATH + "/*")),  # as do these; an undo is a plan
    Rule(
        verbs=("create",),
        api_groups=("authorization.k8s.io", "authentication.k8s.io"),
        resources=("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"),
    ),
    Rule(verbs=("get", "head"), paths=ISSUER_PATHS),
)
_NODES = (
    Rule(
        verbs=READ,
        api_groups=ALL,
        resources=("nodes", "pods", "pods/log", "secrets", "configmaps", "namespaces", "leases", "events"),
    ),
    Rule(
        verbs=WRITE,
        api_groups=ALL,
        resources=("nodes", "nodes/status", "pods", "pods/status", "events", "leases"),
    ),
    Rule(  # what one node's daemon is asked to do in a Pod on another, it asks that one's daemon for
        verbs=("create",), api_groups=ALL, resources=("pods/exec", "pods/attach", "pods/portforward")
    ),
    Rule(verbs=("delete",), paths=(NODES_PATH + "/*",)),  # a machine that leaves; the handler allows it only itself
)
_EVERYTHING = (Rule(verbs=ALL, api_groups=ALL, resources=ALL), Rule(verbs=ALL, paths=ALL))

RULES: dict[str, tuple[Rule, ...]] = {
    MASTERS: _EVERYTHING,
    NODES_GROUP: _NODES,
    AUTHENTICATED: _PUBLIC + _DISCOVERY,
    UNAUTHENTICATED: _PUBLIC,
}


def allowed(user: User, asked: Attributes) -> bool:
    """Whether any group of the user may do this, whatever roles there are."""
    return any(rule.allows(asked) for group in user.groups for rule in RULES.get(group, ()))


def authorize(user: User, asked: Attributes) -> None:
    """Raise `ForbiddenError` unless the user may do this, whatever roles there are."""
    if not allowed(user, asked):
        raise forbidden(user, asked)


def forbidden(user: User, asked: Attributes) -> ForbiddenError:
    """Return the refusal of a request, in Kubernetes' words."""
    return ForbiddenError(_refusal(user, asked))


def _refusal(user: User, asked: Attributes) -> str:
    if not asked.resource:
        return f'forbidden: User "{user.name}" cannot {asked.verb} path "{asked.path}"'
    what = asked.resource.partition("/")[0] + (f".{asked.api_group}" if asked.api_group else "")
    which = f' "{asked.name}"' if asked.name else ""
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    return (
        f'{what}{which} is forbidden: User "{user.name}" cannot {asked.verb} resource "{asked.resource}" '
        f'in API group "{asked.api_group}"{where}'
    )


def _in(value: str, values: tuple[str, ...]) -> bool:
    return "*" in values or value in values


def _resource_in(resource: str, resources: tuple[str, ...]) -> bool:
    if _in(resource, resources):
        return True
    _, slash, part = resource.partition("/")
    return bool(slash) and f"*/{part}" in resources


def _path_matches(path: str, pattern: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
