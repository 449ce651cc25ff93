"""What TYPE, TYPE/NAME and NAME on a command line refer to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarmlet.cli.exits import UsageError
from swarmlet.client.discovery import Catalogue, Resource

if TYPE_CHECKING:
    from swarmlet.cli.session import Session


@dataclass(frozen=True, slots=True)
class Reference:
    """One named object; `namespace` is "" where it is the command's."""

    resource: Resource
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.resource.full_name}/{self.name}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Either whole kinds, or objects by name."""

    kinds: tuple[Resource, ...] = ()
    named: tuple[Reference, ...] = ()


def select(words: Sequence[str], catalogue: Catalogue) -> Selection:
    """Return what the words of a command refer to.

    "pods", "deploy,rs" and "all" are whole kinds; "pod web-1 web-2" and "deploy/web pod/web-1" are objects.
    Raises `UsageError` where they mean nothing together.
    """
    if not words:
        raise UsageError("name a type, as in `pods`, or an object, as in `deployment/web`")
    if any("/" in word for word in words):
        return Selection(named=tuple(_reference(word, catalogue) for word in words))
    kinds = tuple(catalogue.find_all(words[0]))
    if len(words) == 1:
        return Selection(kinds=kinds)
    return Selection(named=tuple(Reference(kind, name) for kind in kinds for name in words[1:]))


async def meant(session: Session, words: Sequence[str], files: Sequence[str] | None, *, recursive: bool) -> Selection:
    """Return what the words of a command refer to, or the objects that its -f files are of."""
    if not files:
        return select(words, await session.catalogue())
    if words:
        raise UsageError("-f names the objects: types and names exclude it")
    return of_files(files, await session.catalogue(), recursive=recursive)


def of_files(names: Sequence[str], catalogue: Catalogue, *, recursive: bool) -> Selection:
    """Return the objects that manifests are of."""
    from swarmlet.cli import files
    from swarmlet.manifests import documents

    manifests = files.manifests(names, recursive=recursive)
    documents.check_kinds(manifests, [(each.api_version, each.kind) for each in catalogue.resources])
    found = [(catalogue.of_kind(each.api_version, each.kind), each) for each in manifests]
    return Selection(named=tuple(Reference(kind, each.name, each.namespace) for kind, each in found if kind))


def one(words: Sequence[str], catalogue: Catalogue) -> Reference:
    """Return the one object that the words refer to."""
    named = select(words, catalogue).named
    if len(named) != 1:
        raise UsageError(f"name one object, as in `deployment/web`; found: {' '.join(words)}")
    return named[0]


def scalable(words: Sequence[str], catalogue: Catalogue) -> tuple[Reference, ...]:
    """Return the objects that the words name; raise `UsageError` where one is of a kind that has no replicas."""
    selected = select(words, catalogue)
    meant = [(str(each), each.resource) for each in selected.named] + [(each.plural, each) for each in selected.kinds]
    for told, resource in meant:
        if "scale" not in resource.subresources:
            known = ", ".join(each.plural for each in catalogue.resources if "scale" in each.subresources)
            raise UsageError(f"{told} has no number of replicas to set; found in: {known}")
    return selected.named


def _reference(word: str, catalogue: Catalogue) -> Reference:
    kind, slash, name = word.partition("/")
    if not slash or not kind or not name or "/" in name:
        raise UsageError(f"{word}: every object is named TYPE/NAME when one is")
    return Reference(catalogue.find(kind), name)
