"""Machines of two lives of one cluster meet: the older learns that it was left behind, the newer lets nobody in."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import CapturingLogger

from swarmlet.errors import CutOffError
from swarmlet.identity.authority import Authority
from swarmlet.identity.incarnation import FIRST, Incarnation
from swarmlet.transport import dialler
from tests.transport.daemons import CLUSTER, Daemon, running

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
SECOND = FIRST.next("aa", NOW)
LEFT_BEHIND = "the cluster was recovered without this machine at 2026-05-06 07:08:09 UTC"


def daemons(folder: Path, *lives: Incarnation) -> list[Daemon]:
    ca = Authority.create(CLUSTER, datetime.now(UTC))
    made = [Daemon(folder, number, ca) for number in range(1, len(lives) + 1)]
    for daemon, life in zip(made, lives, strict=True):
        daemon.incarnation = life
        daemon.peers = daemon.new_peers()
    return made


async def meet(dials: Daemon, listens: Daemon) -> None:
    await listens.start()
    await dials.start()
    dials.peers.set_addresses({listens.node_id: listens.address})


async def end(*met: Daemon) -> None:
    for daemon in met:
        await daemon.stop()


async def test_machines_of_one_life_meet(tmp_path: Path) -> None:
    one, other = daemons(tmp_path, SECOND, SECOND)
    async with running(one, other):
        assert one.peers.links()


async def test_who_dials_into_a_later_life_is_told_and_ends(tmp_path: Path) -> None:
    old, new = daemons(tmp_path, FIRST, SECOND)
    await meet(old, new)
    async with asyncio.timeout(10):
        with pytest.raises(CutOffError, match=LEFT_BEHIND):
            await old.running
    assert not new.peers.links()
    assert not new.running.done()
    await end(old, new)


async def test_who_is_dialled_from_a_later_life_ends_too(tmp_path: Path) -> None:
    old, new = daemons(tmp_path, FIRST, SECOND)
    await meet(new, old)
    async with asyncio.timeout(10):
        with pytest.raises(CutOffError, match=LEFT_BEHIND):
            await old.running
    assert not new.peers.links()
    assert not new.running.done()
    await end(old, new)


async def test_two_recoveries_of_one_cluster_refuse_each_other_and_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = daemons(tmp_path, SECOND, FIRST.next("bb", NOW))
    told = CapturingLogger()
    monkeypatch.setattr(dialler, "log", told)
    await meet(one, other)
    async with asyncio.timeout(10):
        while not told.calls:  # noqa: ASYNC110  a log line
            await asyncio.sleep(0.02)
    assert "two clusters came of this one" in told.calls[0].kwargs["error"]
    assert not one.peers.links()
    assert not one.running.done()
    assert not other.running.done()
    await end(one, other)
