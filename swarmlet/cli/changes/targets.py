"""Which objects a command changes: by name, by selector, all of a type, or those of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swarmlet.cli import exits, selection
from swarmlet.client.client import MERGE_PATCH, Document, Scope
from swarmlet.client.discovery import Resource

if TYPE_CHECKING:
    from swarmlet.cli.changes.outcomes import Outcome
    from swarmlet.cli.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was said besides types and names; `files` are None where there is no -f."""

    files: Sequence[str] | None = None
    recursive: bool = False
    labels: str = ""
    fields: str = ""
    every: bool = False
    all_namespaces: bool = False
    local: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """An object as it was found."""

    resource: Resource
    document: Document

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.document["metadata"].get("namespace") or "")

    def __str__(self) -> str:
        return f"{self.resource.full_name}/{self.name}"

    async def patch(
        self,
        session: Session,
        patch: Document | Sequence[Document],
        outcome: Outcome,
        *,
        content_type: str = MERGE_PATCH,
        subresource: str = "",
    ) -> Document:
        """Change a part of the object, or only try to, as `outcome` says; return it as it is then."""
        return await session.api.patch(
            self.resource,
            self.name,
            patch,
            namespace=self.namespace,
            subresource=subresource,
            content_type=content_type,
            options=outcome.write_options(),
        )


async def find(session: Session, words: Sequence[str], wish: Wish) -> list[Target]:
    """Return the objects that are meant, as they are now.

    Raises:
        NotFoundError: one that was named is not there.
        UsageError: the words and flags do not say which objects are meant.
    """
    if wish.local:
        return _of_files(words, wish)
    selected = await selection.meant(session, words, wish.files, recursive=wish.recursive)
    if selected.named:
        if wish.labels or wish.fields or wish.every or wish.all_namespaces:
            raise exits.UsageError("a name excludes --all, -A and selectors")
        return [await _named(session, each) for each in selected.named]
    if not (wish.labels or wish.fields or wish.every):
        raise exits.UsageError("name the objects, select them with -l, or say --all")
    scope = Scope(namespace="" if wish.all_namespaces else session.namespace, labels=wish.labels, fields=wish.fields)
    return [each for kind in selected.kinds for each in await _of_kind(session, kind, scope)]


def _of_files(words: Sequence[str], wish: Wish) -> list[Target]:
    """Return the objects as the files have them."""
    if words or not wish.files:
        raise exits.UsageError("--local takes objects of files: name them with -f, and no others")
    from swarmlet.cli import files

    return [
        Target(_kind_of(each.api_version, each.kind), each.document)
        for each in files.manifests(wish.files, recursive=wish.recursive)
    ]


def _kind_of(api_version: str, kind: str) -> Resource:
    """Return a kind as far as a manifest tells of it, which is enough to call it by its name."""
    group, _, version = api_version.rpartition("/")
    singular = kind.lower()
    return Resource(group=group, version=version, kind=kind, plural=f"{singular}s", singular=singular, namespaced=True)


async def _named(session: Session, reference: selection.Reference) -> Target:
    namespace = reference.namespace or session.namespace
    return Target(reference.resource, await session.api.get(reference.resource, reference.name, namespace=namespace))


async def _of_kind(session: Session, resource: Resource, scope: Scope) -> list[Target]:
    listed = await session.api.list(resource, scope)
    header: dict[str, Any] = {"apiVersion": resource.api_version, "kind": resource.kind}
    return [Target(resource, {**header, **item}) for item in listed.get("items") or ()]
