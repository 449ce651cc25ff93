"""What a container's tar may do to the machine that copies from it: nothing beside what was asked for."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from swarmlet.cli.inside import conversation
from swarmlet.model import kinds
from swarmlet.streams import channels
from tests.cli import objects
from tests.cli.conftest import Cluster, Result

Member = tuple[str, bytes | None, str]
"""A name in the archive, with the content of a file, or the type of what has none and where a link leads."""


def archive(members: list[Member]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, type_or_content, leads_to in members:
            entry = tarfile.TarInfo(name)
            entry.mode = 0o755
            if type_or_content in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE):
                entry.type, entry.linkname = type_or_content, leads_to  # type: ignore[assignment]
                tar.addfile(entry)
            else:
                entry.size = len(type_or_content or b"")
                tar.addfile(entry, io.BytesIO(type_or_content or b""))
    return packed.getvalue()


def copied(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, members: list[Member], target: Path) -> Result:
    cluster.do(lambda: objects.put(cluster.replica, kinds.POD, objects.pod("web-1")))

    async def hold(
        _session: Any, _path: str, _query: conversation.Query, *, write: conversation.Write, **_: Any
    ) -> int:
        write(channels.STDOUT, archive(members))
        return 0

    monkeypatch.setattr(conversation, "hold", hold)
    return cluster.run("cp", "web-1:/srv/site", str(target))


@pytest.mark.parametrize(
    "members",
    [
        [("site", tarfile.DIRTYPE, ""), ("site/out", tarfile.SYMTYPE, "../.ssh"), ("site/out/keys", b"evil", "")],
        [("site", tarfile.SYMTYPE, ".ssh"), ("site/keys", b"evil", "")],
        [("site", tarfile.DIRTYPE, ""), ("site/../.ssh/keys", b"evil", "")],
        [("sitekeys", b"evil", "")],
        [(".ssh/keys", b"evil", "")],
        [("site", tarfile.DIRTYPE, ""), ("site/in", tarfile.LNKTYPE, "../.ssh/keys"), ("site/in", b"evil", "")],
    ],
)
@pytest.mark.parametrize("place", ["", "site", "other"])
def test_nothing_lands_beside_what_is_copied(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, members: list[Member], place: str
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "keys").write_text("mine", encoding="utf-8")
    result = copied(cluster, monkeypatch, members, tmp_path / place)
    assert (result.code, result.err.startswith("error: "), result.err.count("\n")) == (1, True, 1), result
    assert (tmp_path / ".ssh" / "keys").read_text(encoding="utf-8") == "mine"
    found = {each.name for each in tmp_path.iterdir() if each.name not in (".ssh", "api.sock")}
    assert found <= {place or "site"}


def test_a_folder_lands_under_another_name_with_its_links(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    members: list[Member] = [
        ("site", tarfile.DIRTYPE, ""),
        ("site/a", b"one", ""),
        ("site/b", tarfile.SYMTYPE, "a"),
        ("site/c", tarfile.LNKTYPE, "site/a"),
    ]
    assert copied(cluster, monkeypatch, members, tmp_path / "mine").code == 0
    assert [(tmp_path / "mine" / name).read_bytes() for name in "abc"] == [b"one"] * 3
