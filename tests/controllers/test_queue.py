"""The work queue's promises."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.controllers.work.queue import WorkQueue
from tests.virtual_time import VirtualClock, VirtualLoop


@pytest.fixture
async def queue() -> WorkQueue[str]:
    return WorkQueue(VirtualClock())


async def seconds_until_taken(queue: WorkQueue[str]) -> float:
    start = VirtualClock().monotonic()
    (key,) = await queue.take(1)
    queue.done(key)
    return round(VirtualClock().monotonic() - start, 6)


async def test_a_key_waits_once(queue: WorkQueue[str]) -> None:
    for key in "aba":
        queue.add(key)
    assert await queue.take(10) == ["a", "b"]


async def test_a_key_added_while_worked_on_comes_back_when_done(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await queue.take(1)
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.take(1) == ["a"]


async def test_a_key_added_while_worked_on_waits_once(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await queue.take(1)
    queue.add("a")
    queue.add("a")
    queue.done("a")
    await queue.take(1)
    queue.done("a")
    assert len(queue) == 0


async def test_taking_waits_for_an_add(queue: WorkQueue[str]) -> None:
    asyncio.get_running_loop().call_later(3, queue.add, "a")
    assert await seconds_until_taken(queue) == 3


async def test_a_delayed_key_waits_its_time(queue: WorkQueue[str]) -> None:
    queue.add_after("a", 5)
    assert await seconds_until_taken(queue) == 5


async def test_the_earliest_of_several_delays_counts(queue: WorkQueue[str]) -> None:
    for seconds in (5, 2, 9):
        queue.add_after("a", seconds)
    assert await seconds_until_taken(queue) == 2
    assert queue.delayed == 0


async def test_a_shorter_delay_wakes_who_waits_for_a_longer(queue: WorkQueue[str]) -> None:
    queue.add_after("a", 50)
    asyncio.get_running_loop().call_later(1, queue.add_after, "b", 1)
    assert await seconds_until_taken(queue) == 2


async def test_back_off_doubles_from_five_milliseconds_to_a_minute(queue: WorkQueue[str]) -> None:
    waits = []
    for _ in range(16):
        queue.retry("a")
        waits.append(await seconds_until_taken(queue))
    assert waits[:4] == [0.005, 0.01, 0.02, 0.04]
    assert waits[-1] == 60


async def test_success_ends_the_back_off(queue: WorkQueue[str]) -> None:
    for _ in range(3):
        queue.retry("a")
        await seconds_until_taken(queue)
    queue.forget("a")
    assert queue.retry("a") == 0.005


async def test_over_its_bound_the_queue_says_so() -> None:
    queue: WorkQueue[int] = WorkQueue(VirtualClock(), keys_max=2)
    for key in range(3):
        queue.add(key)
    assert queue.overflowed
    assert len(queue) == 2


STEPS = st.lists(st.tuples(st.sampled_from(["add", "after", "retry", "take", "done", "forget"]), st.integers(0, 3)))


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_no_key_is_ever_worked_on_twice_at_once_or_lost(steps: list[tuple[str, int]]) -> None:
    async def drive() -> None:
        queue: WorkQueue[int] = WorkQueue(VirtualClock())
        working: set[int] = set()
        owed: set[int] = set()
        for step, key in steps:
            if step == "take" and len(queue):
                taken = await queue.take(1)
                assert working.isdisjoint(taken)
                working.update(taken)
                owed.difference_update(taken)
            elif step == "done" and key in working:
                working.discard(key)
                queue.done(key)
            elif step == "forget":
                queue.forget(key)
            elif step in ("add", "after", "retry"):
                {"add": queue.add, "after": lambda key: queue.add_after(key, 1.0), "retry": queue.retry}[step](key)
                owed.add(key)
            queue.validate()
        for key in working:
            queue.done(key)
        while owed:
            owed.difference_update(await queue.take(10))

    loop = VirtualLoop()
    try:
        loop.run_until_complete(asyncio.wait_for(drive(), 1000))
    finally:
        loop.close()
