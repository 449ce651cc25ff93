"""Projects from texts in memory: what a test says in one line."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from swarmlet.manifests.compose import loading
from swarmlet.manifests.compose.model.project import Loaded
from swarmlet.manifests.compose.model.services import Service

FOLDER = "/srv/app"
HOME = {"HOME": "/users/me"}


def load(
    *texts: str,
    files: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> Loaded:
    """Load the texts as compose.yaml, compose.1.yaml ...; `files` are others, relative to the folder."""
    names = ["compose.yaml", *(f"compose.{number}.yaml" for number in range(1, len(texts)))]
    others = {f"{FOLDER}/{name}": textwrap.dedent(text) for name, text in (files or {}).items()}

    def read(path: str) -> bytes:
        if path not in others:
            raise FileNotFoundError(path)
        return others[path].encode()

    sources = [(name, textwrap.dedent(text)) for name, text in zip(names, texts, strict=True)]
    return loading.load(sources, read, environment or HOME, loading.Options(folder=FOLDER, **options))


def service(keys: str, *, top: str = "", **arguments: Any) -> Service:
    """Return the one service that has an image and the keys, written as YAML; `top` stands beside `services`."""
    body = textwrap.indent(textwrap.dedent(keys), "    ")
    text = f"services:\n  web:\n    image: busybox\n{body}\n{top}"
    return load(text, **arguments).project.services["web"]
