"""Images of this machine's own programs: what a Dockerfile's FROM names, where no registry can be reached.

An image is busybox, the programs with the libraries that they load, and, for Python, the standard library and chosen
packages of the interpreter that runs this. pip is among them, so that a Dockerfile's `RUN pip install` finds what it
wants there already.
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.lab import image

PACKAGES = "/opt/packages"
"""Where the packages of an image of Python lie; its PYTHONPATH."""
_LIBRARY = re.compile(r"(/\S+) \(0x")
_NOT_IN_IMAGES = ("site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip")
_NEVER = re.compile(r"/((__pycache__|config-[^/]*|locale/(?!en/)[^/]*)/|lib-dynload/(_tkinter|_test))")


def of_program(*names: str) -> bytes:
    """Return a layer with programs of this machine in /usr/local/bin, and their libraries.

    Raises FileNotFoundError for one that is not installed.
    """
    files: dict[str, Path] = {}
    for name in names:
        found = shutil.which(name)
        if found is None:
            raise FileNotFoundError(f"{name} is not installed: make engine")
        files[f"/usr/local/bin/{name}"] = Path(found).resolve()
        files |= _libraries([Path(found)])
    return _layer(files, {})


def of_python(*distributions: str) -> bytes:
    """Return a layer with this interpreter, its standard library, and distributions that are installed beside it."""
    binary = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    files = {str(path): path for path in _standard_library(library)}
    for each in distributions:
        files |= _distribution(each)
    files |= _libraries([binary, *(path for path in files.values() if path.suffix == ".so")])
    files[str(binary)] = binary
    links = {f"/usr/local/bin/{name}": str(binary) for name in ("python", "python3")}
    scripts = {f"/usr/local/bin/{name}": _script(name, module) for name, module in _SCRIPTS.items()}
    return _layer(files, links, scripts)


def python_image(tag: str, *distributions: str) -> bytes:
    """Return an archive with one image of Python."""
    env = (f"PYTHONPATH={PACKAGES}", "PYTHONDONTWRITEBYTECODE=1")
    return image.archive({tag: image.Recipe(env=env, cmd=("python3",))}, of_python("pip", *distributions))


_SCRIPTS = {"pip": "pip._internal.cli.main:main", "gunicorn": "gunicorn.app.wsgiapp:run"}


def _script(name: str, entry: str) -> bytes:
    module, _, function = entry.partition(":")
    return (
        f"#!/usr/local/bin/python3\nimport sys\nfrom {module} import {function}\n"
        f'sys.argv[0] = "{name}"\nsys.exit({function}())\n'
    ).encode()


def _standard_library(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        first = path.relative_to(folder).parts[0]
        if first not in _NOT_IN_IMAGES and path.is_file() and not _NEVER.search(str(path)):
            yield path


def _distribution(name: str) -> dict[str, Path]:
    found = importlib.metadata.distribution(name)
    listed = [(each, Path(str(found.locate_file(each)))) for each in found.files or ()]
    return {
        f"{PACKAGES}/{each}": path
        for each, path in listed
        if not str(each).startswith("..") and path.is_file() and not _NEVER.search(f"/{each}")
    }


def _libraries(binaries: Iterable[Path]) -> dict[str, Path]:
    """Return the shared libraries that programs load, where they look for them."""
    done = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False)
    return {path: Path(path).resolve() for path in _LIBRARY.findall(done.stdout)}


def _layer(files: dict[str, Path], links: dict[str, str], scripts: dict[str, bytes] | None = None) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for folder in sorted({str(parent) for name in [*files, *links] for parent in Path(name).parents} - {"/"}):
            image.add_folder(tar, folder.lstrip("/"), 0o755)
        for name, path in sorted(files.items()):
            image.add(tar, name.lstrip("/"), path.read_bytes(), mode=0o755 if os.access(path, os.X_OK) else 0o644)
        for name, target in links.items():
            image.add_link(tar, name.lstrip("/"), target)
        for name, script in (scripts or {}).items():
            image.add(tar, name.lstrip("/"), script, mode=0o755)
    return data.getvalue()
