"""The clients that write and read: each request is recorded, whatever became of it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tools.chaos.doors import CONFIG_MAPS, NOT_ANSWERED, OUT_OF_REACH, Answer, Doors, nap
from tools.chaos.history import Act, End, History, Operation

COUNTERS = 3
PAUSE_SECONDS = 0.1
"""Between two requests of one client, on average: the daemons, not the clients, are to be short of time."""
BACK_OFF_SECONDS = 0.3
DELETED_SHARE = 0.75
SWAPPED_SHARE = 0.5
STEPS_ON_ONE_DAEMON = 10
REMEMBERED_KEYS = 200

# Answers after which surely nothing was changed: the request was refused, or never taken on.
_REFUSALS = frozenset((OUT_OF_REACH, 400, 404, 409, 422, 429, 503))


class Writers:
    """All writing clients; `stopping` ends them between two requests."""

    def __init__(self, doors: Doors, history: History, seed: int, stopping: asyncio.Event) -> None:
        self._doors = doors
        self._history = history
        self._seed = seed
        self._stopping = stopping
        self._keys: list[str] = []

    async def run(self, count: int) -> None:
        """Let `count` clients work until it is time to stop."""
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                client = _Client(f"c{number}", self._doors, self._history, random.Random(f"{self._seed}/{number}"))  # noqa: S311
                group.create_task(self._work(client))

    async def _work(self, client: _Client) -> None:
        rng = client.rng
        while await nap(rng.uniform(0, 2 * PAUSE_SECONDS), self._stopping):
            choice = rng.random()
            if choice < 0.3 and self._keys:
                await client.read(rng.choice(self._keys))
            elif choice < 0.5:
                await client.count(f"counter-{rng.randrange(COUNTERS)}")
            else:
                await self._live_a_life(client)

    async def _live_a_life(self, client: _Client) -> None:
        """Create an object, perhaps change it, perhaps delete it."""
        key = client.new_key()
        self._keys = [*self._keys[-REMEMBERED_KEYS:], key]
        revision = await client.create(key)
        while revision and client.rng.random() < SWAPPED_SHARE:
            await nap(PAUSE_SECONDS, self._stopping)
            revision = await client.swap(key, revision)
        if revision and client.rng.random() < DELETED_SHARE:
            await client.delete(key, revision)


class _Client:
    """One client: it stays with a daemon for a while, and leaves one that fails it."""

    def __init__(self, name: str, doors: Doors, history: History, rng: random.Random) -> None:
        self.name = name
        self.rng = rng
        self._doors = doors
        self._history = history
        self._daemon = rng.choice(doors.names)
        self._steps = 0
        self._written = 0

    def new_key(self) -> str:
        self._written += 1
        return f"{self.name}-{self._written}"

    async def create(self, key: str, **data: str) -> int:
        """Create an object; return its revision, 0 where it was not acknowledged."""
        return await self._write(Act.CREATE, key, 0, data)

    async def swap(self, key: str, expected: int, **data: str) -> int:
        """Replace an object at a revision; return the new one, 0 where it was not acknowledged."""
        return await self._write(Act.SWAP, key, expected, data)

    async def delete(self, key: str, expected: int) -> None:
        """Delete an object, if it still has the revision."""
        with self._history.asking(self.name, self._daemon, Act.DELETE, key, expected=expected) as operation:
            wish = {"preconditions": {"resourceVersion": str(expected)}}
            answer = await self._doors.ask(self._daemon, "DELETE", f"{CONFIG_MAPS}/{key}", wish)
            _conclude(operation, answer)
        await self._move_on(operation)

    async def read(self, key: str) -> tuple[Operation, dict[str, str]]:
        """Read an object, linearizably; return the request (its revision is 0 where nothing is) and the data."""
        with self._history.asking(self.name, self._daemon, Act.READ, key) as operation:
            answer = await self._doors.ask(self._daemon, "GET", f"{CONFIG_MAPS}/{key}")
            _conclude(operation, answer)
            data: dict[str, str] = dict(answer.document.get("data", {}))
            operation.token = data.get("token", "") if operation.end is End.DONE else ""
            if answer.code == 404:
                operation.end = End.DONE
        await self._move_on(operation)
        return operation, data

    async def count(self, key: str) -> None:
        """Add one to a counter, as a client of Kubernetes does: read, and replace what was read."""
        seen, data = await self.read(key)
        if seen.revision:
            await self.swap(key, seen.revision, count=str(int(data["count"]) + 1))
        elif seen.end is End.DONE:
            await self.create(key, count="1")

    async def _write(self, act: Act, key: str, expected: int, data: dict[str, str]) -> int:
        self._written += 1
        token = f"{self.name}.{self._written}"
        metadata: dict[str, Any] = {"name": key} | ({"resourceVersion": str(expected)} if expected else {})
        document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data | {"token": token}}
        method, path = ("POST", CONFIG_MAPS) if act is Act.CREATE else ("PUT", f"{CONFIG_MAPS}/{key}")
        with self._history.asking(self.name, self._daemon, act, key, token=token, expected=expected) as operation:
            answer = await self._doors.ask(self._daemon, method, path, document)
            _conclude(operation, answer)
        await self._move_on(operation)
        return operation.revision

    async def _move_on(self, operation: Operation) -> None:
        """Go to another daemon after a failure, or when it is time."""
        self._steps += 1
        failed = operation.end is End.UNKNOWN or operation.reason in ("out of reach", "ServiceUnavailable")
        if failed or self._steps % STEPS_ON_ONE_DAEMON == 0:
            self._daemon = self.rng.choice(self._doors.names)
        if failed:
            await asyncio.sleep(self.rng.uniform(0, 2 * BACK_OFF_SECONDS))


def _conclude(operation: Operation, answer: Answer) -> None:
    if answer.code in (200, 201):
        operation.end = End.DONE
        metadata = answer.document.get("metadata", {})
        operation.revision = int(metadata.get("resourceVersion", 0))
        return
    operation.end = End.REFUSED if answer.code in _REFUSALS else End.UNKNOWN
    operation.reason = answer.reason if answer.code != NOT_ANSWERED else f"no answer: {answer.reason}"
