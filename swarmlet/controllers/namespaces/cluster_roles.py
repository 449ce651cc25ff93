"""The ClusterRoles that every cluster has, and those that are made of others.

Source: kubernetes pkg/controller/clusterroleaggregation.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import cluster_roles, kinds, names, objects, selectors
from swarmlet.model.base import clock_time
from swarmlet.model.meta import Object
from swarmlet.model.rbac import ClusterRole, PolicyRule
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

ROLES = kinds.CLUSTER_ROLE.resource
BINDINGS = kinds.CLUSTER_ROLE_BINDING.resource
ALWAYS: dict[Key, Object] = {
    **{Key(ROLES, "", each.metadata.name): each for each in cluster_roles.ROLES},
    **{Key(BINDINGS, "", each.metadata.name): each for each in cluster_roles.BINDINGS},
}


class ClusterRoles:
    """The reconciler. What every cluster has is made where it is missing, and is else as users have changed it."""

    name: ClassVar[str] = "cluster-roles"
    watches: ClassVar[frozenset[str]] = frozenset({ROLES, BINDINGS})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the object itself, and every role that may be made of it."""
        made = [stored.key for stored in view.list(ROLES) if _role(stored).aggregation_rule is not None]
        return {change.key, *made} if change.key.resource == ROLES else (change.key,)

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return what always is, and every role."""
        return {*ALWAYS, *(stored.key for stored in view.list(ROLES))}

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the making of what is missing, or the rules of a role that is made of others."""
        stored = view.get(key)
        drafts = Drafts()
        if stored is None:
            if key not in ALWAYS:
                return NOTHING
            made = objects.with_metadata(ALWAYS[key], uid=names.new_uid(self._rng), creation_timestamp=clock_time(now))
            drafts.create(kinds.BY_RESOURCE[key.resource], made)
        elif key.resource == ROLES and _role(stored).aggregation_rule is not None:
            drafts.update(stored, msgspec.structs.replace(_role(stored), rules=_rules_of(_parts(view, stored))))
        return Reconciliation(drafts.operations())


def _parts(view: View, made: Stored) -> list[ClusterRole]:
    """Return the roles that bear rules of their own and that a role is made of, at first or at second hand, by name.

    What is itself made of others is looked through: two roles that are made of each other would hand their rules to
    and fro without end.
    """
    roles = view.list(ROLES)
    known = {made.key}
    pending = [made]
    found: list[Stored] = []
    while pending:
        for each in _selected(_role(pending.pop()), roles):
            if each.key not in known:
                known.add(each.key)
                (found if _role(each).aggregation_rule is None else pending).append(each)
    return [_role(each) for each in sorted(found, key=lambda each: each.key.name)]


def _selected(role: ClusterRole, roles: Sequence[Stored]) -> Iterator[Stored]:
    """Yield the roles that one is made of at first hand."""
    assert role.aggregation_rule is not None
    matches = [selectors.from_labels(each) for each in role.aggregation_rule.cluster_role_selectors]
    return (each for each in roles if any(match(each.object.metadata.labels) for match in matches))


def _rules_of(parts: Iterable[ClusterRole]) -> tuple[PolicyRule, ...]:
    """Return the rules of all parts, each once."""
    return tuple(dict.fromkeys(rule for part in parts for rule in part.rules))


def _role(stored: Stored) -> ClusterRole:
    return cast("ClusterRole", stored.object)
