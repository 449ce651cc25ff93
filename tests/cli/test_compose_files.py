from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarmlet.cli import exits
from swarmlet.cli.compose import files as compose_files
from swarmlet.cli.compose import manifests as compose_manifests
from swarmlet.errors import CallerError
from swarmlet.manifests.compose.conversion.draft import FileBeside
from swarmlet.manifests.reading import ManifestError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    own = tmp_path / "shop"
    own.mkdir()
    monkeypatch.chdir(own)
    for name in ("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "TAG"):
        monkeypatch.delenv(name, raising=False)
    return own


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_files_of_the_folder_are_read_with_its_env_file(folder: Path) -> None:
    write(folder / "compose.yaml", "services: {web: {image: 'x:$TAG', configs: [c]}}\nconfigs: {c: {file: c.bin}}")
    write(folder / "compose.override.yaml", "services: {web: {user: me}}")
    write(folder / ".env", "TAG=7")
    (folder / "c.bin").write_bytes(b"\x00\xff")
    loaded = compose_files.load(compose_files.sources(None))
    assert (loaded.project.name, loaded.project.services["web"].image) == ("shop", "x:7")
    assert loaded.project.services["web"].user == "me"
    assert loaded.configs == {"c": b"\x00\xff"}


def test_a_named_file_gives_folder_and_name(folder: Path) -> None:
    write(folder / "other" / "app.yaml", "services: {web: {image: x, volumes: ['./d:/d']}}")
    loaded = compose_files.load(compose_files.sources(["other/app.yaml"]))
    assert loaded.project.name == "other"
    assert loaded.project.services["web"].volumes[0].source == str(folder / "other" / "d")


def test_a_folder_is_the_project_that_lies_there(folder: Path) -> None:
    write(folder / "other" / "compose.yaml", "services: {web: {image: x}}")
    write(folder / "other" / "compose.override.yaml", "services: {web: {user: me}}")
    loaded = compose_files.load(compose_files.sources(["other"]))
    assert (loaded.project.name, loaded.project.services["web"].user) == ("other", "me")


def test_flags_go_before_all_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAG", "shell")
    write(folder / "compose.yaml", "services: {web: {image: 'x:$TAG$A'}, d: {image: x, profiles: [p]}}")
    write(folder / "my.env", "TAG=file\nA=-a")
    loaded = compose_files.load(
        compose_files.sources(None), name="flag", profiles=["p"], env_files=["my.env"], folder=str(folder / "elsewhere")
    )
    assert loaded.project.name == "flag"
    assert sorted(loaded.project.services) == ["d", "web"]
    assert loaded.project.services["web"].image == "x:shell-a"


def test_no_file_at_all_says_which_names_are_looked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose_files.discovery, "default_files", lambda *_: [])
    with pytest.raises(exits.UsageError, match=r"no Compose file here \(compose.yaml"):
        compose_files.sources(None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.yaml", "there is no such file"),
        ("sub", "is a folder"),
        ("pipe", "no regular file"),
        ("/dev/zero", "no reg"),
    ],
)
def test_what_is_no_file_is_not_read(folder: Path, name: str, message: str) -> None:
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    with pytest.raises(CallerError, match=message):
        compose_files.sources([name])


def test_what_a_project_names_is_a_regular_file_too(folder: Path) -> None:
    write(folder / "compose.yaml", "services: {web: {image: x, env_file: /dev/zero}}")
    with pytest.raises(CallerError, match="/dev/zero: is no regular file"):
        compose_files.load(compose_files.sources(None))


def test_a_folder_that_cannot_be_read_does_not_go_along(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "data" / "file", "x")
    (folder / "data" / "file").chmod(0o750)
    assert compose_manifests.files_below(folder)(str(folder / "data")) == {"file": FileBeside(b"x", 0o750)}

    def refuse(path: str) -> bytes:
        raise CallerError(f"{path}: Permission denied")

    monkeypatch.setattr(compose_files, "read_file", refuse)
    assert compose_manifests.files_below(folder)(str(folder / "data")) is None


def test_a_folder_of_many_files_does_not_go_along(folder: Path) -> None:
    for number in range(compose_manifests.FOLDER_ENTRIES_MAX + 1):
        write(folder / "data" / str(number), "x")
    find = compose_manifests.files_below(folder)
    assert find(str(folder / "data")) is None
    (folder / "data" / "0").unlink()
    assert len(find(str(folder / "data")) or ()) == compose_manifests.FOLDER_ENTRIES_MAX


def test_a_file_that_is_not_text_is_said_so(folder: Path) -> None:
    (folder / "compose.yaml").write_bytes(b"services: \xff")
    with pytest.raises(CallerError, match=r"compose\.yaml: not UTF-8 at byte 10"):
        compose_files.sources(None)


def test_errors_name_the_file_as_it_was_written(folder: Path) -> None:
    write(folder / "sub" / "compose.yaml", "services:\n  web: {imag: x}")
    with pytest.raises(ManifestError) as caught:
        compose_files.load(compose_files.sources(["sub/compose.yaml"]))
    assert str(caught.value) == "sub/compose.yaml:2: services.web.imag: no such key; did you mean image?"
