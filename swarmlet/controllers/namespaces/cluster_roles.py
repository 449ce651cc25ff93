"""The ClusterRoles that every cluster has, and those that are made of others.

Source: kubernetes pkg/controller/clusterroleaggregation.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
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
        elif key.resource == ROLES and (rule := _role(stored).aggregation_rule) is not None:
            matches = [selectors.from_labels(each) for each in rule.cluster_role_selectors]
            parts = [
                _role(each)
                for each in view.list(ROLES)
                if each.key != key and any(match(each.object.metadata.labels) for match in matches)
            ]
            drafts.update(stored, msgspec.structs.replace(_role(stored), rules=_rules_of(parts)))
        return Reconciliation(drafts.operations())


def _rules_of(parts: list[ClusterRole]) -> tuple[PolicyRule, ...]:
    """Return the rules of all parts, each once, in the order of the parts' names."""
    found: list[PolicyRule] = []
    for part in sorted(parts, key=lambda each: each.metadata.name):
        found += [each for each in part.rules if each not in found]
    return tuple(found)


def _role(stored: Stored) -> ClusterRole:
    return cast("ClusterRole", stored.object)
