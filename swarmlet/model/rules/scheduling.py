"""Rules of what a Pod says to the scheduler beside where it may go: its gates.

Source: kubernetes pkg/apis/core/validation (validateSchedulingGates, validateOnlyDeletedSchedulingGates,
validateNodeAffinityMutation).
"""

from __future__ import annotations

import msgspec

from swarmlet.model import affinity, syntax
from swarmlet.model import pod as model
from swarmlet.model.affinity import NodeSelectorTerm
from swarmlet.model.problems import Place


def gates(spec: model.PodSpec, place: Place) -> None:
    """Check a spec's gates."""
    seen: set[str] = set()
    for inner, gate in place.field("schedulingGates").each(spec.scheduling_gates):
        inner.invalid_each(gate.name, syntax.label_key(gate.name))
        if gate.name in seen:
            inner.duplicate(gate.name)
        seen.add(gate.name)
    if spec.scheduling_gates and spec.node_name:
        place.field("nodeName").forbidden("cannot be set until all schedulingGates have been cleared")


def gates_update(new: model.PodSpec, old: model.PodSpec, place: Place) -> model.PodSpec:
    """Check what a gated Pod's update changes; return `new` with all that may change as it was in `old`.

    Gates only go. While there is one, the nodes that the Pod may go to may become fewer.
    """
    before = {gate.name for gate in old.scheduling_gates}
    for inner, gate in place.field("schedulingGates").each(new.scheduling_gates):
        if gate.name not in before:
            inner.field("name").forbidden(f"only deletion is allowed, but found new scheduling gate '{gate.name}'")
    kept = msgspec.structs.replace(new, scheduling_gates=old.scheduling_gates)
    if not old.scheduling_gates:
        return kept
    if not old.node_selector.items() <= new.node_selector.items():
        why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        place.field("nodeSelector").invalid(new.node_selector, why)
    _affinity_update(new.affinity, old.affinity, place.field("affinity"))
    return msgspec.structs.replace(
        kept, node_selector=old.node_selector, affinity=_with_node_affinity_of(new.affinity, old.affinity)
    )


def _affinity_update(new: affinity.Affinity | None, old: affinity.Affinity | None, place: Place) -> None:
    before, after = affinity.required_nodes(old), affinity.required_nodes(new)
    if before is None or not before.node_selector_terms:
        return
    terms = (
        place.field("nodeAffinity").field("requiredDuringSchedulingIgnoredDuringExecution").field("nodeSelectorTerms")
    )
    found = after.node_selector_terms if after else ()
    if len(found) != len(before.node_selector_terms):
        terms.invalid(found, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")
        return
    for (inner, term), was in zip(terms.each(found), before.node_selector_terms, strict=True):
        if not _only_added(term, was):
            inner.invalid(term, "only additions are allowed (no mutations or deletions)")


def _only_added(new: NodeSelectorTerm, old: NodeSelectorTerm) -> bool:
    """Whether a term asks for all it did. An empty one matches nothing; so does none, with more in it."""
    if not (old.match_expressions or old.match_fields):
        return new == old
    expressions, fields = len(old.match_expressions), len(old.match_fields)
    return (
        new.match_expressions[:expressions] == old.match_expressions and new.match_fields[:fields] == old.match_fields
    )


def _with_node_affinity_of(new: affinity.Affinity | None, old: affinity.Affinity | None) -> affinity.Affinity | None:
    wanted = old.node_affinity if old else None
    if new is None:
        return None if wanted is None else affinity.Affinity(node_affinity=wanted)
    munged = msgspec.structs.replace(new, node_affinity=wanted)
    return None if old is None and munged == affinity.Affinity() else munged
