"""Who may do what: the rules that hold for groups whatever happens (`identity.access`), and the roles in the store.

Bindings are found by their subjects, and what their roles say is kept as it was read; both until one changes.
Source: kubernetes plugin/pkg/auth/authorizer/rbac, pkg/registry/rbac/validation.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from swarmlet.errors import ForbiddenError
from swarmlet.identity import access
from swarmlet.identity.access import Attributes, Rule
from swarmlet.identity.account_tokens import USER_PREFIX
from swarmlet.identity.users import User
from swarmlet.model import kinds, rbac
from swarmlet.model.rbac import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, View

KINDS = (kinds.ROLE, kinds.CLUSTER_ROLE, kinds.ROLE_BINDING, kinds.CLUSTER_ROLE_BINDING)
_RESOURCES = frozenset(kind.resource for kind in KINDS)

GIVEN_MAX = 10_000
"""Permissions, each one verb on one resource or path, that are given in one write by who has to hold them all."""

Who = tuple[str, str]
"""("user", name) or ("group", name)."""
Given = tuple[str, RoleRef]
"""A role and the namespace in which it is given; "" for everywhere."""


class Authorizer:
    """One for a daemon; `view` is its replica's."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._given: dict[Who, list[Given]] | None = None
        self._rules: dict[Given, tuple[Rule, ...]] = {}
        view.subscribe(self._note)

    def authorize(self, user: User, asked: Attributes) -> None:
        """Raise `ForbiddenError`, in Kubernetes' words, unless the user may do this."""
        if not self.allowed(user, asked):
            raise access.forbidden(user, asked)

    def allowed(self, user: User, asked: Attributes) -> bool:
        """Whether the user may do this."""
        if access.allowed(user, asked):
            return True
        namespace = asked.namespace if asked.resource else ""
        return any(rule.allows(asked) for rule in self._of_roles(user, namespace))

    def rules(self, user: User, namespace: str) -> list[Rule]:
        """Return all that the user may do in a namespace, "" for what holds everywhere."""
        always = (rule for group in user.groups for rule in access.RULES.get(group, ()))
        return [*always, *self._of_roles(user, namespace)]

    def rules_of(self, reference: RoleRef, namespace: str) -> tuple[Rule, ...]:
        """Return what a role says; nothing of one that is not there."""
        given = (namespace, reference)
        if given not in self._rules:
            self._rules[given] = tuple(map(rule, policy_rules(self._view, reference, namespace) or ()))
        return self._rules[given]

    def check_escalation(self, user: User, rules: Iterable[PolicyRule], namespace: str, what: str) -> None:
        """Raise `ForbiddenError` where somebody would give more than they have. `what` begins the message."""
        rules = tuple(rules)
        if sum(map(_count, rules)) > GIVEN_MAX:
            raise ForbiddenError(
                f"{what} is forbidden: gives over {GIVEN_MAX} permissions, and each is to be looked at"
            )
        held = self.rules(user, namespace)
        missing = [each for each in rules if not covers(held, each)]
        if missing:
            told = "\n".join(_told(each) for each in missing)
            groups = _quoted(user.groups)
            raise ForbiddenError(
                f'{what} is forbidden: user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions '
                f"not currently held:\n{told}"
            )

    def _of_roles(self, user: User, namespace: str) -> Iterator[Rule]:
        by_subject = self._given if self._given is not None else self._indexed()
        for who in _names(user):
            for where, reference in by_subject.get(who, ()):
                if where in ("", namespace):
                    yield from self.rules_of(reference, where)

    def _indexed(self) -> dict[Who, list[Given]]:
        found: dict[Who, list[Given]] = defaultdict(list)
        for stored in self._view.list(kinds.CLUSTER_ROLE_BINDING.resource):
            everywhere = cast("ClusterRoleBinding", stored.object)
            for subject in everywhere.subjects:
                found[_who(subject, "")].append(("", everywhere.role_ref))
        for stored in self._view.list(kinds.ROLE_BINDING.resource):
            binding, namespace = cast("RoleBinding", stored.object), stored.key.namespace
            for subject in binding.subjects:
                found[_who(subject, namespace)].append((namespace, binding.role_ref))
        self._given = dict(found)
        return self._given

    def _note(self, changes: Sequence[Change]) -> None:
        if not changes or any(change.key.resource in _RESOURCES for change in changes):
            self._given = None
            self._rules = {}


def rule(said: PolicyRule) -> Rule:
    """Return a rule as requests are judged by it."""
    return Rule(
        verbs=said.verbs,
        api_groups=said.api_groups,
        resources=said.resources,
        paths=said.non_resource_urls,
        names=said.resource_names,
    )


def policy_rules(view: View, reference: RoleRef, namespace: str) -> tuple[PolicyRule, ...] | None:
    """Return the rules of the role that a binding in a namespace ("" for everywhere) names; None where it is gone."""
    if reference.kind == rbac.CLUSTER_ROLE:
        key = Key(kinds.CLUSTER_ROLE.resource, "", reference.name)
    else:
        key = Key(kinds.ROLE.resource, namespace, reference.name)
    stored = view.get(key)
    return cast("Role | ClusterRole", stored.object).rules if stored else None


def covers(held: Sequence[Rule], wanted: PolicyRule) -> bool:
    """Whether all that a rule allows is allowed by others, taken one verb, group, resource and name at a time.

    Source: component-helpers auth/rbac/validation (Covers).
    """
    return all(any(_covers_one(each, one) for each in held) for one in _broken_down(wanted))


def _broken_down(said: PolicyRule) -> Iterator[Rule]:
    parts = itertools.product(said.verbs, said.api_groups, said.resources, said.resource_names or ("",))
    for verb, group, resource, name in parts:
        names = (name,) if name else ()
        yield Rule(verbs=(verb,), api_groups=(group,), resources=(resource,), names=names)
    for verb, path in itertools.product(said.verbs, said.non_resource_urls):
        yield Rule(verbs=(verb,), paths=(path,))


def _count(said: PolicyRule) -> int:
    """Return into how many rules `_broken_down` breaks one."""
    objects_ = len(said.api_groups) * len(said.resources) * max(len(said.resource_names), 1)
    return len(said.verbs) * (objects_ + len(said.non_resource_urls))


def _covers_one(held: Rule, wanted: Rule) -> bool:
    """Whether a rule allows another of one verb and one object or path; "*" is covered by "*" alone."""
    (verb,) = wanted.verbs
    if wanted.paths:
        return held.allows(Attributes(verb=verb, path=wanted.paths[0]))
    asked = Attributes(
        verb=verb, api_group=wanted.api_groups[0], resource=wanted.resources[0], name="".join(wanted.names)
    )
    return held.allows(asked)


def _who(subject: Subject, namespace: str) -> Who:
    if subject.kind == rbac.SERVICE_ACCOUNT:
        return "user", f"{USER_PREFIX}{subject.namespace or namespace}:{subject.name}"
    return ("group" if subject.kind == rbac.GROUP_SUBJECT else "user"), subject.name


def _names(user: User) -> Iterator[Who]:
    yield "user", user.name
    for group in user.groups:
        yield "group", group


def _told(said: PolicyRule) -> str:
    """Tell a rule as Kubernetes does."""
    parts = (
        ("APIGroups", said.api_groups),
        ("Resources", said.resources),
        ("ResourceNames", said.resource_names),
        ("NonResourceURLs", said.non_resource_urls),
        ("Verbs", said.verbs),
    )
    words = [f"{name}:[{_quoted(values)}]" for name, values in parts if values]
    return "{" + ", ".join(words) + "}"


def _quoted(words: Iterable[str]) -> str:
    return " ".join(f'"{word}"' for word in words)
