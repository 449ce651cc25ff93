"""Folders that Pods have filled are measured and removed, whatever Pods have made in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarmlet import trees
from swarmlet.agent.volumes import empty_dirs

LEVELS = 1_500
NAME = "folder"
"""1,500 of them are more than a path can name, and more than Python calls itself."""


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    root = tmp_path / "volume"
    root.mkdir()
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(LEVELS):
        os.mkdir(NAME, dir_fd=descriptor)
        inner = os.open(NAME, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    return root


def test_a_folder_of_any_depth_is_removed(deep: Path) -> None:
    trees.remove(deep)
    assert not deep.exists()


def test_a_folder_of_any_depth_is_measured(deep: Path) -> None:
    assert empty_dirs.used_bytes(deep) > 0
    trees.remove(deep)  # pytest itself could not


def test_a_folder_that_becomes_a_file_meanwhile_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    scan = os.scandir

    def exchanging(path: str) -> object:
        if path.endswith("/a"):
            Path(path).rmdir()
            Path(path).touch()
        return scan(path)

    monkeypatch.setattr(os, "scandir", exchanging)
    empty_dirs.used_bytes(tmp_path)


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    root = tmp_path / "volume"
    (root / "inner").mkdir(parents=True)
    (root / "link").symlink_to(kept)
    (root / "inner" / "link").symlink_to(kept)
    trees.remove(root)
    assert not root.exists()
    assert (kept / "file").exists()


def test_what_is_left_over_is_told_once_the_rest_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b").mkdir()
    for name in ("stuck", "a", "b/c"):
        (tmp_path / name).touch()
    unlink = os.unlink

    def unless_stuck(path: str, *, dir_fd: int) -> None:
        if path == "stuck":
            raise PermissionError(1, "not permitted", path)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unless_stuck)
    with pytest.raises(PermissionError):
        trees.remove(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["stuck"]
