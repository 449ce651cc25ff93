"""What a service finds in its file system: mounts, and the volumes, configs and secrets behind them."""

from __future__ import annotations

from typing import Literal

from swarmlet.manifests.compose.model.base import ComposeStruct, Mode, Size

BIND = "bind"
VOLUME = "volume"
TMPFS = "tmpfs"


class BindOptions(ComposeStruct, frozen=True, kw_only=True):
    """`create_host_path`: make the folder where there is none; the short form says so."""

    propagation: str = ""
    create_host_path: bool | None = None
    recursive: Literal["", "enabled", "disabled", "writable", "readonly"] = ""
    selinux: Literal["", "z", "Z"] = ""


class VolumeOptions(ComposeStruct, frozen=True, kw_only=True):
    """`nocopy`: what the image holds there is not copied into a new volume."""

    labels: dict[str, str] = {}
    nocopy: bool = False
    subpath: str = ""


class TmpfsOptions(ComposeStruct, frozen=True, kw_only=True):
    size: Size | None = None
    mode: Mode | None = None


class ImageOptions(ComposeStruct, frozen=True, kw_only=True):
    subpath: str = ""


class Mount(ComposeStruct, frozen=True, kw_only=True):
    """One entry of a service's `volumes`.

    `source` is an absolute path for a bind, a key of the project's volumes for a volume ("" when it is anonymous), an
    image for an image, "" for a tmpfs.
    """

    type: Literal["bind", "volume", "tmpfs", "cluster", "npipe", "image"]
    source: str = ""
    target: str = ""
    read_only: bool = False
    consistency: str = ""
    bind: BindOptions | None = None
    volume: VolumeOptions | None = None
    tmpfs: TmpfsOptions | None = None
    image: ImageOptions | None = None


class Volume(ComposeStruct, frozen=True, kw_only=True):
    """A named volume; `name` is "<project>_<key>" where nothing else was said, the key when external."""

    name: str = ""
    driver: str = ""
    driver_opts: dict[str, str] = {}
    external: bool = False
    labels: dict[str, str] = {}


class FileGrant(ComposeStruct, frozen=True, kw_only=True):
    """A config or secret in a service: `source` is its key in the project, `target` an absolute path.

    `uid` and `gid` are numbers as text, "" for the user that the container runs as; `mode` None is 0444.
    """

    source: str
    target: str = ""
    uid: str = ""
    gid: str = ""
    mode: Mode | None = None


class FileObject(ComposeStruct, frozen=True, kw_only=True):
    """A config or secret: exactly one of `file`, `environment`, `content` and `external` says what is in it.

    What is in it stands beside the project, in `Loaded.configs` and `Loaded.secrets`: a project may be printed.
    """

    name: str = ""
    file: str = ""
    environment: str = ""
    content: str | None = None
    external: bool = False
    labels: dict[str, str] = {}
    driver: str = ""
    driver_opts: dict[str, str] = {}
    template_driver: str = ""
