"""What `describe` tells of ResourceQuotas and LimitRanges beyond what it tells of all. Source: kubectl pkg/describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swarmlet.cli.session import Session

Document = Mapping[str, Any]
Lines = list[tuple[str, Any]]

NONE = "<none>"
GAP = 2
NOT_GIVEN = "-"
_AMOUNTS = (
    ("Min", "min"),
    ("Max", "max"),
    ("Default Request", "defaultRequest"),
    ("Default Limit", "default"),
    ("Max Limit/Request Ratio", "maxLimitRequestRatio"),
)


def resource_quota(document: Document) -> Lines:
    """Return the lines of a ResourceQuota: its scopes, and what is used of what."""
    spec, status = document.get("spec") or {}, document.get("status") or {}
    lines: Lines = []
    if scopes := spec.get("scopes"):
        lines.append(("Scopes", ", ".join(sorted(scopes))))
    if selector := spec.get("scopeSelector"):
        lines.append(("Scope Selector", [_requirement(each) for each in selector.get("matchExpressions") or ()]))
    used = status.get("used") or {}
    rows = [(name, used.get(name, "0"), most) for name, most in sorted((status.get("hard") or {}).items())]
    return [*lines, ("Resources", _table(("Resource", "Used", "Hard"), rows))]


def limit_range(document: Document) -> Lines:
    """Return the lines of a LimitRange: a row for each type and resource."""
    rows: list[tuple[str, ...]] = []
    for item in (document.get("spec") or {}).get("limits") or ():
        given = [item.get(key) or {} for _, key in _AMOUNTS]
        rows += [
            (item.get("type", ""), name, *(str(each.get(name, NOT_GIVEN)) for each in given))
            for name in sorted(set().union(*given))
        ]
    return [("Limits", _table(("Type", "Resource", *(label for label, _ in _AMOUNTS)), rows))]


async def of_namespace(session: Session, document: Document) -> Lines:
    """Return the ResourceQuotas and LimitRanges of a namespace."""
    from swarmlet.client.client import Scope

    lines: Lines = []
    for label, plural, tell in (
        ("Resource Quotas", "resourcequotas", resource_quota),
        ("Resource Limits", "limitranges", limit_range),
    ):
        resource = (await session.catalogue()).find(plural)
        listed = await session.api.list(resource, Scope(namespace=document["metadata"]["name"]))
        told = [(each["metadata"]["name"], tell(each)) for each in listed.get("items") or ()]
        lines.append((label, told or NONE))
    return lines


def _requirement(each: Document) -> str:
    values = f" [{' '.join(each['values'])}]" if each.get("values") else ""
    return f"{each.get('scopeName', '')} {each.get('operator', '')}{values}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, its columns aligned."""
    everything = [head, *rows]
    widths = [max(len(row[column]) for row in everything) + GAP for column in range(len(head))]
    return ["".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in everything]
