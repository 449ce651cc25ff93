"""The loop that a daemon runs on."""

from __future__ import annotations

import asyncio
import threading

from swarmlet.cli import daemon

STUCK = 40


def test_volumes_that_do_not_answer_keep_nobody_from_a_thread() -> None:
    release = threading.Event()

    async def main() -> str:
        stuck = [asyncio.create_task(asyncio.to_thread(release.wait)) for _ in range(STUCK)]
        await asyncio.sleep(0)  # they begin
        try:
            async with asyncio.timeout(5):
                return await asyncio.to_thread(lambda: "served")
        finally:
            release.set()
            await asyncio.gather(*stuck)

    assert daemon._run(main()) == "served"
