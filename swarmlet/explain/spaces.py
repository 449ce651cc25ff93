"""Why a Namespace does not go away, and what a ResourceQuota has left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from swarmlet.explain.case import Case, about, by_condition, listed, plural
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding, severity_of, worst_first
from swarmlet.model import amounts, conditions, kinds, objects
from swarmlet.model.core import Namespace
from swarmlet.model.meta import Object
from swarmlet.model.quotas import ResourceQuota

REMAINING = "NamespaceContentRemaining"
HELD = "NamespaceFinalizersRemaining"


def explain_namespace(case: Case, value: Object) -> list[Finding]:
    """Return how a namespace is; of one that is being deleted, what is left in it and what holds that."""
    namespace = cast("Namespace", value)
    name = namespace.metadata.name
    if not objects.is_terminating(namespace):
        count = sum(len(case.view.list(kind.resource, name)) for kind in kinds.SERVED if kind.namespaced)
        return [
            Finding(
                text=f"namespace {name} is active and has {plural(count, 'object')}",
                about=about(namespace),
                source="now",
            )
        ]
    found = list(_remaining(case, namespace))
    return [
        Finding(
            text=f"namespace {name} is being deleted",
            severity=severity_of(found),
            since=namespace.metadata.deletion_timestamp,
            about=about(namespace),
            source="metadata.deletionTimestamp",
            causes=worst_first(found),
        )
    ]


def explain_quota(case: Case, value: Object) -> list[Finding]:  # noqa: ARG001  the shape of an explainer
    """Return what a quota has left, what is used up first."""
    quota = cast("ResourceQuota", value)
    used, hard = amounts.parsed(quota.status.used), amounts.parsed(quota.spec.hard)
    found = []
    for name, most in hard.items():
        taken = used.get(name)
        if taken is None:
            continue
        full = taken.nano >= most.nano
        text = f"{name}: {taken} of {most} {'are used: nothing more is made that counts here' if full else 'are used'}"
        severity = ERROR if full else INFO
        found.append(Finding(text=text, severity=severity, about=about(quota), source="status.used"))
    full_names = [name for name, most in hard.items() if name in used and used[name].nano >= most.nano]
    text = f"quota {quota.metadata.name} of namespace {quota.metadata.namespace} "
    text += f"is used up for {listed(full_names, 5)}" if full_names else "has room"
    severity = WARNING if full_names else INFO
    return [Finding(text=text, severity=severity, about=about(quota), source="status.used", causes=worst_first(found))]


def _remaining(case: Case, namespace: Namespace) -> Iterator[Finding]:
    for type_, severity in ((REMAINING, WARNING), (HELD, ERROR)):
        told = conditions.get(namespace.status.conditions, type_)
        if told is not None and told.status == "True":
            yield by_condition(namespace, told, told.message, severity)
    held = [
        f"{kind.singular}/{stored.key.name}"
        for kind in kinds.SERVED
        if kind.namespaced
        for stored in case.view.list(kind.resource, namespace.metadata.name)
        if stored.object.metadata.finalizers and objects.is_terminating(stored.object)
    ]
    if held:
        text = f"held by finalizers: {listed(held, 5)}"
        advice = "whoever set a finalizer takes it off when its work is done"
        yield Finding(text=text, severity=ERROR, about=about(namespace), source="now", advice=advice)
    if namespace.spec.finalizers and not case.view.list(kinds.POD.resource, namespace.metadata.name) and not held:
        text = f"its own finalizers are left: {', '.join(namespace.spec.finalizers)}"
        yield Finding(text=text, severity=WARNING, about=about(namespace), source="spec.finalizers")
