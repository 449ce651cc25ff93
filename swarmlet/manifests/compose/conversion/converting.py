"""A whole project at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from swarmlet.manifests.compose.conversion import networking, ordering, ports, sharing, storage, unsupported
from swarmlet.manifests.compose.conversion.draft import (
    Document,
    Draft,
    FindFiles,
    ServiceDraft,
    label_text,
    service_name,
)
from swarmlet.manifests.compose.conversion.files import Files
from swarmlet.manifests.compose.conversion.workloads import Made, Workloads
from swarmlet.manifests.compose.model.project import Loaded
from swarmlet.manifests.compose.model.services import Service
from swarmlet.manifests.reading import ManifestError


@dataclass(frozen=True, slots=True)
class Converted:
    """The manifests of a project, what others need first, and a line for each key that means something else here.

    `inactive` are the services of profiles that are not active, as the label of a service would say them.
    """

    project: str
    documents: tuple[Document, ...]
    warnings: tuple[str, ...]
    inactive: frozenset[str] = frozenset()


def convert(loaded: Loaded, files: FindFiles = lambda _: None) -> Converted:
    """Return what the project is here.

    Args:
        loaded: the project.
        files: gives what lies with the project.

    Raises:
        ManifestError: a key that cannot be had, and without which the service would be another.
    """
    draft = Draft(loaded, _names(loaded), files)
    ports.check_published(draft)
    draft.documents += networking.networks(draft)  # before the Pods that they hold
    storage.claims(draft)
    workloads = Workloads(Files(draft), ordering.awaited(draft))
    made: dict[str, Made] = {}
    whole: dict[str, Service] = {}
    for key in ordering.in_order(draft):
        whole[key] = sharing.with_shared_volumes(draft, key, whole)
        it = ServiceDraft(draft, key, whole[key])
        unsupported.check_service(it)
        made[key] = workloads.make(it, made)
        if made[key].kind != "job" or it.service.ports or it.service.expose:  # what runs to its end serves nobody
            draft.documents += networking.services(it, is_alone=made[key].is_alone)
    _check_names(draft)
    inactive = frozenset(map(label_text, loaded.inactive))
    return Converted(loaded.project.name, tuple(draft.documents), (*loaded.warnings, *draft.warnings), inactive)


def _names(loaded: Loaded) -> dict[str, str]:
    names: dict[str, str] = {}
    for key in loaded.project.services:
        name = service_name(key)
        if other := next((before for before, taken in names.items() if taken == name), ""):
            raise ManifestError(loaded.warning(f"services.{key}", f"would be called {name}, as {other} is; rename one"))
        names[key] = name
    return names


def _check_names(draft: Draft) -> None:
    """Say where a name differs, for others look for it; refuse two objects of one name."""
    for key, name in draft.names.items():
        if key != name:
            draft.warn(f"services.{key}", f"is called {name} here, and others find it by that name")
    counts = Counter((document["kind"], document["metadata"]["name"]) for document in draft.documents)
    for (kind, name), count in counts.items():
        if count > 1:
            raise ManifestError(f"{draft.project.name}: two things would be the {kind} {name}; rename one of them")
