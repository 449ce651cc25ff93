"""A Compose project on the cluster: whose objects they are, and what of it has left the file.

All objects of a project bear its name as a label. Their own names are those that the services have for each other, so
two projects of one namespace could take each other's: that is refused before anything is changed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swarmlet.cli import exits
from swarmlet.cli.session import Session
from swarmlet.errors import ConflictError, NotFoundError
from swarmlet.manifests.documents import Manifest
from swarmlet.manifests.reading import Place

if TYPE_CHECKING:
    from swarmlet.cli.files import Found
    from swarmlet.client.discovery import Catalogue, Resource

WORKLOADS = ("deployments.apps", "daemonsets.apps", "jobs.batch", "services", "networkpolicies.networking.k8s.io")
FILES = ("configmaps", "secrets")
"""Made anew under another name when what is in them changes."""
USERS = (
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "controllerrevisions.apps",
    "jobs.batch",
    "cronjobs.batch",
    "pods",
)
"""What may still need a file of before: workloads, their earlier versions, and what runs of them."""
CLAIM = "PersistentVolumeClaim"


@dataclass(frozen=True, slots=True)
class Member:
    """One object of a project."""

    resource: Resource
    name: str
    service: str

    def __str__(self) -> str:
        return f"{self.resource.full_name}/{self.name}"


async def check_owner(
    session: Session, catalogue: Catalogue, project: str, manifests: Sequence[Manifest]
) -> list[Member]:
    """Return the objects that cannot become what they are to be, and must go first.

    That is a Service that loses its last port and becomes headless: an address cannot be taken away. One that gets its
    first port stays headless, and is found as before.
    Raises `ConflictError` where an object of the project's names is another's.
    """
    from swarmlet.manifests.compose.conversion.draft import PROJECT_LABEL

    replaced: list[Member] = []
    for manifest in manifests:
        resource = catalogue.of_kind(manifest.api_version, manifest.kind)
        if resource is None or manifest.document["metadata"].get("labels", {}).get(PROJECT_LABEL) is None:
            continue
        wanted = manifest.document["metadata"]["labels"][PROJECT_LABEL]
        namespace = manifest.namespace or session.namespace
        current = await session.api.find(resource, manifest.name, namespace=namespace)
        if current is None:
            continue
        found = (current["metadata"].get("labels") or {}).get(PROJECT_LABEL)
        if found != wanted:
            whose = f"the Compose project {found}" if found else "no Compose project"
            raise ConflictError(
                f"{resource.full_name}/{manifest.name} in namespace {namespace} belongs to {whose}, not to {project}; "
                "put each project into a namespace of its own with -n"
            )
        if manifest.kind == "Service" and _is_headless(manifest.document) and not _is_headless(current):
            replaced.append(Member(resource, manifest.name, _service(current)))
    return replaced


def is_converted(manifest: Manifest) -> bool:
    """Whether a manifest was made of a Compose file."""
    from swarmlet.manifests.compose.conversion.draft import PROJECT_LABEL

    return PROJECT_LABEL in (manifest.document["metadata"].get("labels") or {})


async def with_namespace(session: Session, catalogue: Catalogue, manifests: list[Manifest]) -> list[Manifest]:
    """Return the manifests, and the namespace that they go to where there is none yet: a project wants its own."""
    if await session.api.find(catalogue.find("namespaces"), session.namespace) is not None:
        return manifests
    named = [each for each in manifests if (each.kind, each.name) == ("Namespace", session.namespace)]
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": session.namespace}}
    return manifests if named else [Manifest(Place("-n", 1, 1), document), *manifests]


async def left_over(
    session: Session, catalogue: Catalogue, found: Found, manifests: Sequence[Manifest]
) -> tuple[list[Member], list[Member]]:
    """Return the objects of services that have left the file, and what was replaced and nobody needs any more.

    A service of a profile that is not active has not left the file: what there is of it is let be, as with Docker.
    """
    kept = {(each.kind, each.name) for each in manifests}
    services = {_service(each.document) for each in manifests}
    listed = await members(session, catalogue, found.project)
    rest = [each for each in listed if (each.resource.kind, each.name) not in kept]
    orphans = [each for each in rest if each.service and each.service not in services | found.inactive]
    replaced = [each for each in rest if each.service and each.service in services]
    unused = [each for each in rest if not each.service]
    if unused:
        needed = await _needed(session, catalogue, unused)
        unused = [each for each in unused if each.name not in needed]
    return orphans, [*replaced, *unused]


async def members(session: Session, catalogue: Catalogue, project: str) -> list[Member]:
    """Return all objects of a project but its claims: they hold data."""
    return await _members(session, catalogue, project, (*WORKLOADS, *FILES))


async def whole(session: Session, catalogue: Catalogue, found: Found, *, volumes: bool) -> list[Member]:
    """Return all that deleting a project deletes, as far as it is there; say which claims stay."""
    gone = await members(session, catalogue, found.project)
    for each in found.manifests:
        if each.kind != CLAIM or not is_converted(each):
            continue
        if not volumes:
            exits.say(f"persistentvolumeclaim/{each.name} kept: it holds data; --volumes deletes it too")
            continue
        resource = catalogue.find("persistentvolumeclaims")
        if await session.api.find(resource, each.name, namespace=session.namespace) is not None:
            gone.append(Member(resource, each.name, ""))
    return gone


async def remove(session: Session, gone: Sequence[Member]) -> None:
    """Delete objects, and say so."""
    for each in gone:
        options = {"kind": "DeleteOptions", "propagationPolicy": "Background"}
        try:
            await session.api.delete(each.resource, each.name, namespace=session.namespace, options=options)
        except NotFoundError:
            continue
        print(f"{each} deleted", flush=True)


async def tidy(
    session: Session, catalogue: Catalogue, found: Found, manifests: Sequence[Manifest], *, remove_orphans: bool
) -> None:
    """After an apply: remove what was replaced, and what has left the file where that is asked for; else name it."""
    orphans, replaced = await left_over(session, catalogue, found, manifests)
    await remove(session, replaced)
    if remove_orphans:
        await remove(session, orphans)
    elif orphans:
        exits.say(warning_of(orphans))


def warning_of(orphans: Sequence[Member]) -> str:
    """Return the line that names what has left the file and is left alone."""
    told = ", ".join(map(str, orphans))
    return f"Warning: {told}: of services that are not in the file any more; --remove-orphans deletes them"


async def _members(session: Session, catalogue: Catalogue, project: str, names: Sequence[str]) -> list[Member]:
    from swarmlet.client.client import Scope
    from swarmlet.manifests.compose.conversion.draft import PROJECT_LABEL, SERVICE_LABEL, label_text

    scope = Scope(namespace=session.namespace, labels=f"{PROJECT_LABEL}={label_text(project)}")
    found = []
    for resource in _resources(catalogue, names):
        listed = await session.api.list(resource, scope)
        for item in listed.get("items") or ():
            metadata = item["metadata"]
            if metadata.get("ownerReferences") or metadata.get("deletionTimestamp"):
                continue
            found.append(Member(resource, metadata["name"], metadata["labels"].get(SERVICE_LABEL, "")))
    return found


async def _needed(session: Session, catalogue: Catalogue, files: Sequence[Member]) -> set[str]:
    """Return the names of the files that something in the namespace names still."""
    from swarmlet.client.client import Scope

    texts = []
    for resource in _resources(catalogue, USERS):
        listed = await session.api.list(resource, Scope(namespace=session.namespace))
        texts += [json.dumps(item) for item in listed.get("items") or ()]
    return {each.name for each in files if any(f'"{each.name}"' in text for text in texts)}


def _is_headless(service: dict[str, Any]) -> bool:
    return (service.get("spec") or {}).get("clusterIP") == "None"


def _resources(catalogue: Catalogue, names: Sequence[str]) -> list[Resource]:
    return [catalogue.find(name) for name in names]


def _service(document: dict[str, Any]) -> str:
    from swarmlet.manifests.compose.conversion.draft import SERVICE_LABEL

    return str((document["metadata"].get("labels") or {}).get(SERVICE_LABEL, ""))
