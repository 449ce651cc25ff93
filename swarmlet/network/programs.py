"""Programs that this room asks for what has no better door, such as nft: none outlives who asked it."""

from __future__ import annotations

import asyncio
import contextlib


async def run(*argv: str, given: bytes, seconds: float) -> tuple[int, bytes, bytes]:
    """Return a program's exit code, what it printed and what it complained of.

    Raises `TimeoutError` where it takes longer, and `OSError` where it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(seconds):
            printed, complaint = await process.communicate(given)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0, printed, complaint
