"""What of a request is judged only while it is answered: what else it does, and that nobody gives more than they have.

Who asks is a context variable, as in `origins`: what writes objects does not know it otherwise.
Source: kubernetes pkg/registry/rbac (escalation_check.go), policybased storage of roles and bindings.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import cast

from aiohttp import web

from swarmlet.api import targets
from swarmlet.api.access.authorization import Authorizer, policy_rules
from swarmlet.api.middleware import USER, Handler
from swarmlet.api.targets import Target
from swarmlet.errors import NotFoundError
from swarmlet.identity.access import Attributes
from swarmlet.identity.users import User
from swarmlet.model import kinds, objects
from swarmlet.model.meta import Object
from swarmlet.model.rbac import EVERYTHING, ClusterRole, ClusterRoleBinding, Role, RoleBinding
from swarmlet.store.replica import View

ROLES = (kinds.ROLE, kinds.CLUSTER_ROLE)
BINDINGS = (kinds.ROLE_BINDING, kinds.CLUSTER_ROLE_BINDING)

_asking: ContextVar[tuple[Authorizer, User] | None] = ContextVar("asking", default=None)


class Asking:
    """Says, while a request is answered, who asks and what they may."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Carry out one request (an aiohttp middleware)."""
        user = request.get(USER)
        token = _asking.set((self._authorizer, user) if user else None)
        try:
            return await handler(request)
        finally:
            _asking.reset(token)


def check_also(target: Target, verb: str) -> None:
    """Raise `ForbiddenError` unless whoever asks may do this, too, to which their request has come."""
    asking = _asking.get()
    if asking is not None:
        authorizer, user = asking
        authorizer.authorize(user, targets.attributes(target, verb, ""))


def check(view: View, target: Target, new: Object, old: Object | None = None) -> None:
    """Raise `ForbiddenError` where whoever asks would give more than they have by this write.

    One that is about owners and finalizers alone gives nothing: a label may make a role part of others, and so may what
    they select. The verbs `escalate` and `bind` allow it all.
    """
    asking = _asking.get()
    if asking is None or target.kind not in (*ROLES, *BINDINGS) or _gives_nothing(new, old):
        return
    authorizer, user = asking
    what = f'{target.kind.resource} "{new.metadata.name}"'
    if target.kind in ROLES:
        _check_role(authorizer, user, target, new, what)
        return
    reference = cast("RoleBinding | ClusterRoleBinding", new).role_ref
    plural = next(kind.plural for kind in ROLES if kind.kind == reference.kind)
    asked = Attributes(
        verb="bind",
        api_group=kinds.ROLE.group,
        resource=plural,
        namespace=target.namespace,
        name=reference.name,
    )
    if not authorizer.allowed(user, asked):
        rules = policy_rules(view, reference, target.namespace)
        if rules is None:  # whoever makes it later would give it to those that are bound to it now
            raise NotFoundError(f'{plural}.{kinds.ROLE.group} "{reference.name}" not found')
        authorizer.check_escalation(user, rules, target.namespace, what)


def _gives_nothing(new: Object, old: Object | None) -> bool:
    """Whether a write changes nothing but what garbage collection goes by."""
    if old is None:
        return False
    given = new.metadata
    changes = {name: getattr(given, name) for name in ("owner_references", "finalizers", "managed_fields")}
    return objects.with_metadata(old, **changes) == new


def _check_role(authorizer: Authorizer, user: User, target: Target, new: Object, what: str) -> None:
    asked = Attributes(
        verb="escalate",
        api_group=target.kind.group,
        resource=target.kind.plural,
        namespace=target.namespace,
        name=new.metadata.name,
    )
    if authorizer.allowed(user, asked):
        return
    role = cast("Role | ClusterRole", new)
    authorizer.check_escalation(user, role.rules, target.namespace, what)
    if isinstance(role, ClusterRole) and role.aggregation_rule is not None:
        authorizer.check_escalation(user, EVERYTHING, "", what)
