"""What readers share, and what they must not."""

from __future__ import annotations

import asyncio
import random

from swarmlet.consensus.reads import Reads
from swarmlet.raft.messages import ReadState


async def test_an_answer_to_a_question_that_was_asked_anew_is_none() -> None:
    asked: list[bytes] = []
    reads = Reads(ask=asked.append, rng=random.Random(0))
    reader = asyncio.create_task(reads.index())
    await asyncio.sleep(0)
    reads.ask_again()
    reads.answered(ReadState(5, asked[0]))
    reads.answered(ReadState(7, asked[1]))
    assert await reader == 7


async def test_who_comes_while_a_question_is_under_way_shares_the_next_one() -> None:
    asked: list[bytes] = []
    reads = Reads(ask=asked.append, rng=random.Random(0))
    first = asyncio.create_task(reads.index())
    await asyncio.sleep(0)
    second = asyncio.create_task(reads.index())
    await asyncio.sleep(0)
    reads.answered(ReadState(5, asked[0]))
    reads.answered(ReadState(6, asked[1]))
    assert (await first, await second) == (5, 6)
