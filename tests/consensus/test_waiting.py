"""Each waiter gets its own answer: not another entry's, not too early, and not never."""

from __future__ import annotations

import asyncio

import pytest

from swarmlet.consensus import waiting
from swarmlet.consensus.waiting import AppliedIndex, LeaderWatch, Proposals
from swarmlet.errors import BusyError, OutcomeUnknownError, UnavailableError


async def test_a_proposal_is_not_answered_by_another_entry_at_its_index() -> None:
    proposals = Proposals()
    mine = proposals.add(7, 2, None)
    assert proposals.take(7, 3) is None
    with pytest.raises(OutcomeUnknownError):
        await mine


async def test_a_proposal_is_answered_by_its_own_entry() -> None:
    proposals = Proposals()
    mine = proposals.add(7, 2, None)
    taken = proposals.take(7, 2)
    assert taken
    assert taken.done is mine


async def test_there_is_a_limit_to_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PROPOSALS_MAX", 1)
    proposals = Proposals()
    proposals.check_room()
    proposals.add(1, 1, None)
    with pytest.raises(BusyError):
        proposals.check_room()


async def test_who_waits_for_an_index_wakes_when_it_is_applied() -> None:
    applied = AppliedIndex(3)
    await applied.wait(3)
    waiters = {index: asyncio.create_task(applied.wait(index)) for index in (6, 4, 5)}
    await asyncio.sleep(0)
    applied.advance(5)
    await asyncio.sleep(0)
    assert {index for index, waiter in waiters.items() if waiter.done()} == {4, 5}
    waiters[6].cancel()


async def test_who_waits_for_a_leader_gets_it() -> None:
    watch = LeaderWatch(patience_ticks=2)
    waiter = asyncio.create_task(watch.wait())
    await asyncio.sleep(0)
    watch.set("n1")
    assert await waiter == "n1"


async def test_who_waits_for_a_leader_is_told_when_there_is_none() -> None:
    watch = LeaderWatch(patience_ticks=2)
    waiter = asyncio.create_task(watch.wait())
    await asyncio.sleep(0)
    for _ in range(3):
        watch.tick()
    with pytest.raises(UnavailableError, match="no leader"):
        await waiter


async def test_who_waits_for_a_leader_is_freed_once_another_leads_however_often_that_changes() -> None:
    watch = LeaderWatch(patience_ticks=10)
    watch.set("n1")

    async def ask() -> str:
        async with watch.while_leading():
            await asyncio.Event().wait()
        return "never"

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    watch.set("")
    watch.set("n1")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not asking.done(), "the same node leads on"
    for leader in ("n2", "n3", "n1", "n2"):
        watch.set(leader)
        await asyncio.sleep(0)
    with pytest.raises(OutcomeUnknownError, match="another node leads now"):
        await asking


async def test_an_answer_of_the_leader_ends_the_watch_over_it() -> None:
    watch = LeaderWatch(patience_ticks=10)
    watch.set("n1")
    async with watch.while_leading():
        await asyncio.sleep(0)
    watch.set("n2")
    await asyncio.sleep(0)
