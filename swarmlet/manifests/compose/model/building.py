"""What makes an image and what watches sources: read whole, so that what cannot be done is said by name.

Source: compose-spec/build.md and develop.md.
"""

from __future__ import annotations

from typing import Literal

from swarmlet.manifests.compose.model.base import ComposeStruct, Size
from swarmlet.manifests.compose.model.devices import Ulimit
from swarmlet.manifests.compose.model.lifecycle import Hook
from swarmlet.manifests.compose.model.storage import FileGrant


class Build(ComposeStruct, frozen=True, kw_only=True):
    """`context` is an absolute folder or a URL. `args` with no value have None."""

    context: str = ""
    dockerfile: str = ""
    dockerfile_inline: str = ""
    args: dict[str, str | None] = {}
    ssh: dict[str, str | None] = {}
    labels: dict[str, str] = {}
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    no_cache: bool = False
    no_cache_filter: tuple[str, ...] = ()
    additional_contexts: dict[str, str] = {}
    network: str = ""
    provenance: str = ""
    sbom: str = ""
    pull: bool = False
    target: str = ""
    shm_size: Size | None = None
    extra_hosts: dict[str, tuple[str, ...]] = {}
    isolation: str = ""
    privileged: bool = False
    secrets: tuple[FileGrant, ...] = ()
    tags: tuple[str, ...] = ()
    ulimits: dict[str, Ulimit] = {}
    platforms: tuple[str, ...] = ()
    entitlements: tuple[str, ...] = ()


class Watch(ComposeStruct, frozen=True, kw_only=True):
    path: str
    action: Literal["rebuild", "sync", "restart", "sync+restart", "sync+exec"]
    target: str = ""
    ignore: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    initial_sync: bool = False
    exec: Hook | None = None


class Develop(ComposeStruct, frozen=True, kw_only=True):
    watch: tuple[Watch, ...] = ()
