"""What a conversion gathers: documents, warnings with their places, and the names and labels that all parts share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from swarmlet.manifests.compose.model.project import Loaded, Project
from swarmlet.manifests.compose.model.services import Service
from swarmlet.manifests.reading import ManifestError
from swarmlet.model import names, syntax

Document = dict[str, Any]

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
"""The labels that Docker Compose puts on what it makes, with the same meaning: people and tools look for them."""
PART_OF_LABEL = "app.kubernetes.io/part-of"
NAME_LABEL = "app.kubernetes.io/name"

LABEL_LENGTH_MAX = 63

_NOT_IN_A_LABEL = re.compile(r"[^a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class FileBeside:
    """A file that lies with the project: `mode` has its permission bits."""

    content: bytes
    mode: int = 0o644


FindFiles = Callable[[str], Mapping[str, FileBeside] | None]
"""Gives what lies with the project at an absolute path, by the path below it: "" is the path itself, where it is a
file. None where nothing of the project is there, or too much to go along."""


@dataclass(slots=True)
class Draft:
    """One conversion under way. `names` has what each service is called here, by its key in the project."""

    loaded: Loaded
    names: Mapping[str, str]
    files: FindFiles
    documents: list[Document] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def project(self) -> Project:
        return self.loaded.project

    def warn(self, path: str, message: str) -> None:
        """Say of a key what happens instead; once."""
        line = self.loaded.warning(path, message)
        if line not in self.warnings:
            self.warnings.append(line)

    def refusal(self, path: str, message: str) -> ManifestError:
        """Return the error for what would be something else than was asked for, and could do harm."""
        return ManifestError(self.loaded.warning(path, message))

    def labels(self, service: str = "") -> dict[str, str]:
        """Return the labels of all that belongs to the project, or to one of its services."""
        labels = {PART_OF_LABEL: label_text(self.project.name), PROJECT_LABEL: label_text(self.project.name)}
        if service:
            labels |= {NAME_LABEL: self.names[service], SERVICE_LABEL: label_text(service)}
        return labels

    def selector(self, service: str) -> dict[str, str]:
        """Return the labels by which the Pods of a service are found."""
        labels = self.labels(service)
        return {key: labels[key] for key in (PROJECT_LABEL, SERVICE_LABEL)}


@dataclass(frozen=True, slots=True)
class ServiceDraft:
    """One service in a conversion: `key` is its name in the project, `name` its name here."""

    draft: Draft
    key: str
    service: Service

    @property
    def name(self) -> str:
        return self.draft.names[self.key]

    def path(self, key: str) -> str:
        """Return the path of one of the service's keys."""
        return f"services.{self.key}.{key}"

    def warn(self, key: str, message: str) -> None:
        """Say of one of the service's keys what happens instead."""
        self.draft.warn(self.path(key), message)

    def refusal(self, key: str, message: str) -> ManifestError:
        """Return the error for one of the service's keys."""
        return self.draft.refusal(self.path(key), message)


def object_name(text: str) -> str:
    """Return a text as the name of an object: a DNS label; one that is too long ends in a hash."""
    name = _NOT_IN_A_LABEL.sub("-", text.lower()).strip("-")
    if not name:
        return f"x-{names.hashed(text.encode())}"
    if len(name) > LABEL_LENGTH_MAX:
        name = f"{name[: LABEL_LENGTH_MAX - names.HASH_LENGTH - 1].rstrip('-')}-{names.hashed(text.encode())}"
    return name


def service_name(text: str) -> str:
    """Return a service's name here: one that a Service may have, so it begins with a letter."""
    name = object_name(text)
    return name if name[0].isalpha() else object_name(f"s-{name}")


def label_text(text: str) -> str:
    """Return a text as the value of a label: as it is, where it may be one."""
    return text if not syntax.label_value(text) else object_name(text)


def with_labels(
    document: Document, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None
) -> Document:
    """Return an object's document with labels and annotations, where there are any."""
    metadata = {**document["metadata"], "labels": dict(labels)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {**document, "metadata": metadata}


def without_empty(document: Mapping[str, Any]) -> Document:
    """Return a mapping without the keys that say nothing: None, and empty text and containers."""
    return {key: value for key, value in document.items() if value is not None and value not in ("", {}, [], ())}
