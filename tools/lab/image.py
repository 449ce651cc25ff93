"""An image made by hand from a static busybox: no registry needed, and the same image id on every machine."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = {
    # Process 1 of a container has no default signal actions: without a trap a stop waits its whole grace period.
    "bin/hold": "#!/bin/sh\ntrap 'exit 0' TERM INT\nsleep 1000000 & wait\n",
    "bin/serve": "#!/bin/sh\ntrap 'exit 0' TERM INT\nhttpd -f -p ${PORT:-80} -h /www & wait\n",
}
PATH = "/usr/local/bin:/bin"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Recipe:
    """What an image says of the containers that are made of it."""

    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ("serve",)


def build_image(tags: dict[str, str]) -> bytes:
    """Return a `docker save` archive. `tags` maps each tag to its value of the environment variable V.

    Raises FileNotFoundError where no static busybox is installed.
    """
    return archive({tag: Recipe(env=(f"V={version}",)) for tag, version in tags.items()})


def archive(recipes: dict[str, Recipe], *layers: bytes) -> bytes:
    """Return a `docker save` archive of one image for each tag, all of busybox with `layers` (tar files) over it."""
    named = {hashlib.sha256(layer).hexdigest(): layer for layer in (_busybox(), *layers)}
    paths = [f"{digest}/layer.tar" for digest in named]
    manifest = []
    saved = io.BytesIO()
    with tarfile.open(fileobj=saved, mode="w") as tar:
        for path, layer in zip(paths, named.values(), strict=True):
            add(tar, path, layer)
        for tag, recipe in recipes.items():
            config = _config(recipe, list(named))
            config_name = hashlib.sha256(config).hexdigest() + ".json"
            add(tar, config_name, config)
            manifest.append({"Config": config_name, "RepoTags": [tag], "Layers": paths})
        add(tar, "manifest.json", json.dumps(manifest).encode())
    return saved.getvalue()


def _config(recipe: Recipe, layer_digests: list[str]) -> bytes:
    entry = {"created": "2024-01-01T00:00:00Z", "created_by": "swarmlet"}
    return json.dumps(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": "2024-01-01T00:00:00Z",
            "config": {"Env": [f"PATH={PATH}", *recipe.env], "Cmd": list(recipe.cmd), "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in layer_digests]},
            "history": [entry] * len(layer_digests),
        }
    ).encode()


def _busybox() -> bytes:
    busybox = shutil.which("busybox")
    if busybox is None:
        raise FileNotFoundError("no busybox: apt-get install busybox-static")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for folder in ("bin", "etc", "root", "www"):
            add_folder(tar, folder, 0o755)
        add_folder(tar, "tmp", 0o1777)
        add(tar, "bin/busybox", Path(busybox).read_bytes(), mode=0o755)
        for applet in applets:
            if applet != "busybox":
                add_link(tar, f"bin/{applet}", "busybox")
        add(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
        add(tar, "etc/group", b"root:x:0:\nnogroup:x:65534:\n")
        add(tar, "www/index.html", b"swarmlet\n")
        for name, script in SCRIPTS.items():
            add(tar, name, script.encode(), mode=0o755)
    return layer.getvalue()


def add(tar: tarfile.TarFile, name: str, data: bytes, *, mode: int = 0o644) -> None:
    """Put a file into a layer; root owns it."""
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, len(data)
    tar.addfile(entry, io.BytesIO(data))


def add_folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    """Put a folder into a layer."""
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type = mode, tarfile.DIRTYPE
    tar.addfile(entry)


def add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    """Put a symbolic link into a layer."""
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type, entry.linkname = 0o777, tarfile.SYMTYPE, target
    tar.addfile(entry)
