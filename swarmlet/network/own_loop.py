"""An event loop in a thread of its own, for work that must not hold up the daemon's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future


async def run(main: Callable[[], Coroutine[object, object, None]], name: str) -> None:
    """Run `main` in a thread of that name until it ends or this is cancelled; then it is cancelled, too.

    Raises what it raises. What both sides use must be for either, or handed over (`call_soon_threadsafe`).
    """
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()
    ended: Future[None] = Future()
    threading.Thread(target=_work, args=(main, begun, ended), name=name, daemon=True).start()
    loop, task = await asyncio.shield(asyncio.wrap_future(begun))
    over = asyncio.wrap_future(ended)
    try:
        await asyncio.shield(over)
    except asyncio.CancelledError:
        loop.call_soon_threadsafe(task.cancel)
        await asyncio.shield(over)
        raise


def _work(
    main: Callable[[], Coroutine[object, object, None]],
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]],
    ended: Future[None],
) -> None:
    async def told() -> None:
        task = asyncio.current_task()
        assert task is not None
        begun.set_result((asyncio.get_running_loop(), task))
        await main()

    try:
        asyncio.run(told())
    except asyncio.CancelledError:
        ended.set_result(None)
    except BaseException as error:  # noqa: BLE001  it is raised where it was asked for
        ended.set_exception(error)
    else:
        ended.set_result(None)
