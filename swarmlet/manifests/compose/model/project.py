"""The project as a whole, and what reading one gives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from swarmlet.manifests.compose.model.base import ComposeStruct
from swarmlet.manifests.compose.model.networking import Model, Network
from swarmlet.manifests.compose.model.services import Service
from swarmlet.manifests.compose.model.storage import FileObject, Volume

_LAST = re.compile(r"(\.|^)[^.\[]*$|\[[0-9]+\]$")
"""The last part of a path: a key, or a place in a list."""


class Project(ComposeStruct, frozen=True, kw_only=True):
    """The services whose profiles are active, and of everything else what those name."""

    name: str
    services: dict[str, Service] = {}
    networks: dict[str, Network] = {}
    volumes: dict[str, Volume] = {}
    configs: dict[str, FileObject] = {}
    secrets: dict[str, FileObject] = {}
    models: dict[str, Model] = {}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A project and what belongs to it but is not to be printed.

    `configs` and `secrets` hold what is in each that is not external, by its key. `warnings` are whole lines, with
    their places. `places` says where a key was written ("compose.yaml:12"), by its path ("services.web.ports").
    `inactive` names the services whose profiles are not active.
    """

    project: Project
    warnings: tuple[str, ...] = ()
    inactive: tuple[str, ...] = ()
    configs: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    places: Mapping[str, str] = field(default_factory=dict, repr=False)

    def warning(self, path: str, message: str) -> str:
        """Return a line of warning about a key, or about the nearest key above it that was written."""
        above = path
        while above and above not in self.places:
            above = _LAST.sub("", above)
        place = self.places.get(above, "")
        return f"{place}: {path}: {message}" if place else f"{path}: {message}"
