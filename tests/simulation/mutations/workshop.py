"""A copy of the package with one bug in it, and a process that runs seeds on that copy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.mutations.mutation import Mutation, World

ROOT = Path(__file__).parents[3]
SECONDS_MAX = 600


class BrokenError(Exception):
    """A trial ended in a way that says nothing about the bug."""


@dataclass(frozen=True, slots=True)
class Found:
    """`seed` is the first that found something, None where none did."""

    seed: int | None
    finding: str


def try_seeds(world: World, seeds: Iterable[int], *, folder: Path, mutation: Mutation | None = None) -> Found:
    """Run seeds in turn until one finds something; `folder` is empty, and the caller's to remove."""
    _copy(folder, mutation)
    words = [world.value, ",".join(map(str, seeds)), mutation.test if mutation else ""]
    command = [sys.executable, "-m", "tests.simulation.mutations.trial", *words]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONHASHSEED": "0"}
    name = f"mutation {mutation.name}" if mutation else "the code as it is"
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BrokenError(f"{name}: no end within {SECONDS_MAX} s") from error
    if ended.returncode:
        raise BrokenError(f"{name}: {ended.stderr.strip()[-2000:]}")
    result = json.loads(ended.stdout.splitlines()[-1])
    return Found(result["seed"], result["finding"])


def _copy(folder: Path, mutation: Mutation | None) -> None:
    """Lay the package and a link to the tests into the folder, the bug in its file; byte code of the others is kept."""
    package = folder / "swarmlet"
    shutil.copytree(ROOT / "swarmlet", package)
    for name in ("tests", "tools", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    if mutation is None:
        return
    path = package / mutation.file
    text = mutation.edit(path.read_text(encoding="utf-8"))
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()
    path.write_text(text, encoding="utf-8")
