"""An image made by hand from a static busybox: no registry needed, and the same image id on every machine."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

SCRIPTS = {
    # Process 1 of a container has no default signal actions: without a trap a stop waits its whole grace period.
    "bin/hold": "#!/bin/sh\ntrap 'exit 0' TERM INT\nsleep 1000000 & wait\n",
    "bin/serve": "#!/bin/sh\ntrap 'exit 0' TERM INT\nhttpd -f -p ${PORT:-80} -h /www & wait\n",
}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def build_image(tags: dict[str, str]) -> bytes:
    """Return a `docker save` archive. `tags` maps each tag to its value of the environment variable V.

    Raises FileNotFoundError where no static busybox is installed.
    """
    layer = _layer()
    layer_digest = hashlib.sha256(layer).hexdigest()
    manifest = []
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        _add(tar, f"{layer_digest}/layer.tar", layer)
        for tag, version in tags.items():
            config = _config(version, layer_digest)
            config_name = hashlib.sha256(config).hexdigest() + ".json"
            _add(tar, config_name, config)
            manifest.append({"Config": config_name, "RepoTags": [tag], "Layers": [f"{layer_digest}/layer.tar"]})
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    return archive.getvalue()


def _config(version: str, layer_digest: str) -> bytes:
    return json.dumps(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": "2024-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/bin", f"V={version}"], "Cmd": ["serve"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + layer_digest]},
            "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "swarmlet"}],
        }
    ).encode()


def _layer() -> bytes:
    busybox = shutil.which("busybox")
    if busybox is None:
        raise FileNotFoundError("no busybox: apt-get install busybox-static")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for folder in ("bin", "etc", "root", "www"):
            _add_folder(tar, folder, 0o755)
        _add_folder(tar, "tmp", 0o1777)
        _add(tar, "bin/busybox", Path(busybox).read_bytes(), mode=0o755)
        for applet in applets:
            if applet != "busybox":
                _add_link(tar, f"bin/{applet}", "busybox")
        _add(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
        _add(tar, "etc/group", b"root:x:0:\nnogroup:x:65534:\n")
        _add(tar, "www/index.html", b"swarmlet\n")
        for name, script in SCRIPTS.items():
            _add(tar, name, script.encode(), mode=0o755)
    return layer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, *, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, len(data)
    tar.addfile(entry, io.BytesIO(data))


def _add_folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type = mode, tarfile.DIRTYPE
    tar.addfile(entry)


def _add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type, entry.linkname = 0o777, tarfile.SYMTYPE, target
    tar.addfile(entry)
