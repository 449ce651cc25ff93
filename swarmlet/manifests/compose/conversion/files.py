"""Configs and secrets: ConfigMaps and Secrets, mounted file by file.

What is in one is part of its object's name, so a change makes another object, and the Pods that mount it start anew;
going back to an earlier version of a service finds the earlier content.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from swarmlet.manifests.compose.conversion.draft import (
    Document,
    Draft,
    ServiceDraft,
    object_name,
    with_labels,
    without_empty,
)
from swarmlet.manifests.compose.conversion.storage import PodVolumes
from swarmlet.manifests.compose.model.storage import FileGrant, FileObject
from swarmlet.model import names

DEFAULT_MODE = 0o444
SECRET_FOLDER = "/run/secrets"  # noqa: S105  a path
NAME_ROOM = 52
"""What a config's own name may take of its object's, which ends in a hash."""

_NOT_OF_A_KEY = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(slots=True)
class Files:
    """The configs and secrets of a project that services use, each made once."""

    draft: Draft
    _made: set[tuple[bool, str]] = field(default_factory=set)

    def grant(self, it: ServiceDraft, found: PodVolumes, grant: FileGrant, *, is_secret: bool) -> None:
        """Mount one file of a config or secret."""
        word = "secrets" if is_secret else "configs"
        if grant.uid not in {"", "0"} or grant.gid not in {"", "0"}:
            it.warn(word, f"uid and gid of {grant.source} are ignored: it is root's, and its mode says who may read it")
        section = self.draft.project.secrets if is_secret else self.draft.project.configs
        stored = section[grant.source]
        key = file_key(grant.source if not stored.external else stored.name or grant.source)
        name = self._object(grant.source, stored, is_secret=is_secret)
        mode = DEFAULT_MODE if grant.mode is None else grant.mode
        item = {"key": key, "path": key, "mode": mode}
        source = (
            {"secret": {"secretName": name, "items": [item]}}
            if is_secret
            else {"configMap": {"name": name, "items": [item]}}
        )
        volume = object_name(f"{word.removesuffix('s')}-{len(found.volumes)}-{grant.source}")
        found.add(volume, source, {"mountPath": _target(grant, is_secret=is_secret), "subPath": key, "readOnly": True})

    def of_contents(self, name: str, contents: Mapping[str, bytes], *, is_secret: bool) -> str:
        """Return the name of the object that holds contents under their keys; it is made where there is none yet."""
        whole = object_name(f"{object_name(name)[:NAME_ROOM]}-{_hash(contents)}")
        if (is_secret, whole) not in self._made:
            self._made.add((is_secret, whole))
            self.draft.documents.append(
                with_labels(_document(whole, contents, is_secret=is_secret), self.draft.labels())
            )
        return whole

    def _object(self, key: str, stored: FileObject, *, is_secret: bool) -> str:
        if stored.external:
            return object_name(stored.name or key)
        path = f"{'secrets' if is_secret else 'configs'}.{key}"
        for option in ("driver", "driver_opts", "template_driver"):
            if getattr(stored, option):
                self.draft.warn(f"{path}.{option}", "ignored: what is in it is taken as it is")
        if stored.labels:
            self.draft.warn(f"{path}.labels", "ignored: it bears the project's")
        content = (self.draft.loaded.secrets if is_secret else self.draft.loaded.configs)[key]
        return self.of_contents(stored.name or key, {file_key(key): content}, is_secret=is_secret)


def file_key(key: str) -> str:
    """Return a config's name as a key of a ConfigMap; the specification's names are such keys."""
    text = _NOT_OF_A_KEY.sub("-", key)
    return f"-{text}" if text.startswith("..") else text


def _document(name: str, contents: Mapping[str, bytes], *, is_secret: bool) -> Document:
    kind = "Secret" if is_secret else "ConfigMap"
    document: Document = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "immutable": True}
    if is_secret:
        return document | {"type": "Opaque", "data": {key: _encoded(each) for key, each in contents.items()}}
    texts = {key: text for key, each in contents.items() if (text := _text(each)) is not None}
    rest = {key: _encoded(each) for key, each in contents.items() if key not in texts}
    return document | without_empty({"data": texts, "binaryData": rest})


def _hash(contents: Mapping[str, bytes]) -> str:
    parts = [(key, hashlib.sha256(content).hexdigest()) for key, content in sorted(contents.items())]
    return names.hashed(json.dumps(parts).encode())


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _text(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _target(grant: FileGrant, *, is_secret: bool) -> str:
    if grant.target:
        return grant.target if grant.target.startswith("/") else f"{SECRET_FOLDER if is_secret else ''}/{grant.target}"
    return f"{SECRET_FOLDER}/{grant.source}" if is_secret else f"/{grant.source}"
