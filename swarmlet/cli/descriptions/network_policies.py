"""What `describe` tells of NetworkPolicies beyond what it tells of all.

Source: kubectl pkg/describe (describeNetworkPolicySpec), whose words these are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

Document = Mapping[str, Any]
Lines = list[tuple[str, Any]]

NONE = "<none>"
BETWEEN = "----------"


def network_policy(document: Document) -> Lines:
    """Return the lines of a NetworkPolicy."""
    spec = document["spec"]
    types = spec.get("policyTypes") or ()
    chosen = _selector(spec.get("podSelector") or {})
    if chosen == NONE:
        chosen = f"{NONE} (Allowing the specific traffic to all pods in this namespace)"
    lines: Lines = [("PodSelector", chosen)]
    for kind, key, word, by in (("Ingress", "from", "From", "source"), ("Egress", "to", "To", "destination")):
        direction = kind.lower()
        if kind in types:
            told = list(_rules(spec.get(direction) or (), key, word, by))
            isolated = f"{NONE} (Selected pods are isolated for {direction} connectivity)"
            lines.append((f"Allowing {direction} traffic", told or [isolated]))
        else:
            lines.append((f"{kind} traffic", "not affected"))
    return [("Spec", [*lines, ("Policy Types", ", ".join(types))])]


def _rules(rules: Sequence[Document], key: str, word: str, by: str) -> Iterator[str]:
    for number, rule in enumerate(rules):
        if number:
            yield BETWEEN
        for port in rule.get("ports") or ():
            yield f"To Port: {_port(port)}"
        if not rule.get("ports"):
            yield "To Port: <any> (traffic allowed to all ports)"
        for peer in rule.get(key) or ():
            yield f"{word}:"
            yield from (f"  {line}" for line in _peer(peer))
        if not rule.get(key):
            yield f"{word}: <any> (traffic not restricted by {by})"


def _port(port: Document) -> str:
    number = port.get("port", "<any>")
    until = f"-{port['endPort']}" if "endPort" in port else ""
    return f"{number}{until}/{port.get('protocol', 'TCP')}"


def _peer(peer: Document) -> Iterator[str]:
    if "namespaceSelector" in peer:
        yield f"NamespaceSelector: {_selector(peer['namespaceSelector'])}"
    if "podSelector" in peer:
        yield f"PodSelector: {_selector(peer['podSelector'])}"
    if "ipBlock" in peer:
        yield from ("IPBlock:", f"  CIDR: {peer['ipBlock']['cidr']}")
        yield f"  Except: {', '.join(peer['ipBlock'].get('except') or ())}".rstrip()


def _selector(selector: Document) -> str:
    from swarmlet.model import selectors
    from swarmlet.model.meta import LabelSelector

    return selectors.to_text(msgspec.convert(selector, LabelSelector)) or NONE
