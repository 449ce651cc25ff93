"""`swarmlet get --at`: objects as they were asked for at a moment, without what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from swarmlet.cli import documents, exits, tables
from swarmlet.cli.past import history, moments
from swarmlet.cli.session import Session
from swarmlet.model.histories import PastObjects

if TYPE_CHECKING:
    from swarmlet.cli.selection import Selection
    from swarmlet.client.discovery import Resource

HEADER = ("NAME", "REPLICAS", "IMAGES")
_TEMPLATES = (("spec", "template", "spec"), ("spec", "jobTemplate", "spec", "template", "spec"), ("spec",))
Document = Mapping[str, Any]


async def show(session: Session, selected: Selection, at: str, *, all_namespaces: bool, output: str) -> None:
    """Print what was asked for at a moment: a table of a kind, whole documents of named objects."""
    moment = moments.moment(at, session.clock.now(), "--at")
    found: list[tuple[Resource, Document]] = []
    for kind, name in _asked(selected):
        words = [kind.full_name, name] if name else [kind.full_name]
        query = await history.scope(session, words, all_namespaces=all_namespaces and not name)
        page = await history.ask(session, "/at", query | {"at": moment}, PastObjects)
        for note in page.notes:
            exits.say(f"Warning: {note}")
        found += [(kind, item) for item in page.items]
    if output == "name":
        for kind, item in found:
            print(f"{kind.full_name}/{item['metadata']['name']}")
    elif output in documents.TABLES and not selected.named:
        _print_table(found, spaces=all_namespaces)
    elif len(selected.named) == 1:
        documents.show(output or "yaml", found[0][1])
    else:
        documents.show(output or "yaml", documents.as_list(item for _, item in found))


def _asked(selected: Selection) -> Iterator[tuple[Resource, str]]:
    yield from ((kind, "") for kind in selected.kinds)
    yield from ((each.resource, each.name) for each in selected.named)


def _print_table(found: list[tuple[Resource, Document]], *, spaces: bool) -> None:
    several = len({kind for kind, _ in found}) > 1
    rows = []
    for kind, item in found:
        name = f"{kind.full_name}/{item['metadata']['name']}" if several else item["metadata"]["name"]
        namespace = [item["metadata"].get("namespace") or ""] * spaces
        rows.append([*namespace, name, _replicas(item), ",".join(_images(item))])
    for line in tables.Columns().lines(["NAMESPACE"] * spaces + list(HEADER), rows, headers=bool(rows)):
        print(line.rstrip())
    if not rows:
        exits.say("Nothing of that kind was there.")


def _replicas(item: Document) -> str:
    spec = item.get("spec")
    count = spec.get("replicas") if isinstance(spec, dict) else None
    return "-" if count is None else str(count)


def _images(item: Document) -> list[str]:
    for path in _TEMPLATES:
        value: Any = item
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        containers = value.get("containers") if isinstance(value, dict) else None
        if isinstance(containers, list):
            return [str(each.get("image", "")) for each in containers if isinstance(each, dict)]
    return ["-"]
