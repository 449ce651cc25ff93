"""What `describe` tells of roles, who has them, and ServiceAccounts. Source: kubectl pkg/describe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from swarmlet.cli import tables

Document = Mapping[str, Any]
Lines = list[tuple[str, Any]]

NONE = "<none>"
RULES = ("Resources", "Non-Resource URLs", "Resource Names", "Verbs")
SUBJECTS = ("Kind", "Name", "Namespace")


def role(document: Document) -> Lines:
    """Return the lines of a Role or ClusterRole."""
    lines: Lines = []
    if selectors := (document.get("aggregationRule") or {}).get("clusterRoleSelectors"):
        told = [
            ",".join(f"{key}={value}" for key, value in (each.get("matchLabels") or {}).items()) for each in selectors
        ]
        lines.append(("Aggregated From", told))
    rows = [row for rule in document.get("rules") or () for row in _rule(rule)]
    return [*lines, ("PolicyRule", tables.Columns().lines(RULES, sorted(rows)) if rows else NONE)]


def binding(document: Document) -> Lines:
    """Return the lines of a RoleBinding or ClusterRoleBinding."""
    given = document["roleRef"]
    rows = [[each["kind"], each["name"], each.get("namespace") or ""] for each in document.get("subjects") or ()]
    return [
        ("Role", [("Kind", given["kind"]), ("Name", given["name"])]),
        ("Subjects", tables.Columns().lines(SUBJECTS, rows) if rows else NONE),
    ]


def service_account(document: Document) -> Lines:
    """Return the lines of a ServiceAccount."""
    automatic = document.get("automountServiceAccountToken", True)
    return [
        ("Image pull secrets", _names(document.get("imagePullSecrets") or ())),
        ("Mountable secrets", _names(document.get("secrets") or ())),
        ("Mount its token", str(bool(automatic)).lower()),
    ]


def _names(references: Sequence[Document]) -> list[str] | str:
    return [str(each["name"]) for each in references] or NONE


def _rule(rule: Document) -> Iterator[list[str]]:
    """Yield a row for each kind and path that a rule is about."""
    verbs, names = _bracketed(rule.get("verbs") or ()), _bracketed(rule.get("resourceNames") or ())
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            yield [f"{resource}.{group}".rstrip("."), "[]", names, verbs]
    for url in rule.get("nonResourceURLs") or ():
        yield ["", _bracketed([url]), names, verbs]


def _bracketed(words: Sequence[str]) -> str:
    return f"[{' '.join(words)}]"
