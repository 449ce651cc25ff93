"""`swarmlet cp` over connections that break: what is in the container is what this machine has."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from swarmlet.cli.inside import conversation
from swarmlet.errors import UnavailableError
from swarmlet.model import kinds
from swarmlet.streams import channels
from tests.cli import objects
from tests.cli.conftest import Cluster

MUCH = os.urandom(300_000)
PIECE_BYTES = 65_537
"""No multiple of tar's blocks."""


@pytest.fixture
def there(cluster: Cluster, tmp_path: Path) -> Path:
    """Put a Pod there, and a file into it."""
    cluster.do(lambda: objects.put(cluster.replica, kinds.POD, objects.pod("web-1")))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "much").write_bytes(MUCH)
    return tmp_path / "there"


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Run commands on this machine; the next ones break off after a piece where this says so."""
    planned: list[bool] = []

    async def hold(_session: Any, _path: str, query: conversation.Query, *, write: conversation.Write, **_: Any) -> int:
        command = [word for key, word in query if key == "command"]
        done = await asyncio.to_thread(subprocess.run, command, stdout=subprocess.PIPE, check=False)
        if planned and planned.pop(0):
            write(channels.STDOUT, done.stdout[:PIECE_BYTES])
            raise UnavailableError("the connection broke")
        write(channels.STDOUT, done.stdout)
        return done.returncode

    monkeypatch.setattr(conversation, "hold", hold)
    return planned


@pytest.mark.parametrize("retries", ["3", "-1"])
def test_a_copy_goes_on_where_it_broke_off(cluster: Cluster, there: Path, breaks: list[bool], retries: str) -> None:
    breaks += [True, True, False]
    copied = cluster.run("cp", f"web-1:{there}/much", str(there / "copy"), "--retries", retries)
    assert (copied.code, (there / "copy").read_bytes() == MUCH) == (0, True), copied
    assert copied.err == "".join(
        f"Resuming copy at {PIECE_BYTES * retry} bytes, retry {retry}/{retries}\n" for retry in (1, 2)
    )


def test_it_is_given_up_after_so_many(cluster: Cluster, there: Path, breaks: list[bool]) -> None:
    breaks += [True] * 9
    copied = cluster.run("cp", f"web-1:{there}/much", str(there / "copy"), "--retries=1")
    assert copied.code == 5
    assert copied.err.splitlines()[1:] == ["Dropping out copy after 1 retries", "error: the connection broke"]
    assert len(breaks) == 7


def test_without_retries_none_is_made(cluster: Cluster, there: Path, breaks: list[bool]) -> None:
    breaks += [True] * 9
    assert cluster.run("cp", f"web-1:{there}/much", str(there / "copy")).err == "error: the connection broke\n"


@pytest.mark.parametrize(("flags", "plain"), [([], False), (["--no-preserve"], True)])
def test_owners_and_modes_are_kept_if_not_said_otherwise(
    cluster: Cluster, there: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], plain: bool
) -> None:
    commands: list[list[str]] = []

    async def hold(_session: Any, _path: str, query: conversation.Query, **_: Any) -> int:
        commands.append([word for key, word in query if key == "command"])
        return 0

    monkeypatch.setattr(conversation, "hold", hold)
    cluster.ok("cp", str(there / "much"), "web-1:/tmp", *flags)
    assert ("--no-same-owner" in commands[1], "--no-same-permissions" in commands[1]) == (plain, plain)
