"""A simulated machine: its disk and clock, which outlive every daemon, and the ways a daemon's life on it ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, cast

from tests.simulation import vfs
from tests.simulation.files import Moment, Mount, Platter
from tests.simulation.kernel import Kernel, LocalClock, running
from tests.simulation.network import Network
from tests.simulation.peers import SimulatedPeers
from tests.simulation.process import DiskThread, Process

PORT = 7600
CLOSES_MAX = 20
"""More `finally` blocks within each other no coroutine has."""


class Life:
    """What one life of a daemon stands on: all that `consensus.surroundings` and the like ask for."""

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine = machine
        self.number = number
        self.rng: random.Random = machine.kernel.chance(f"{machine.name} life {number}")
        self.clock = machine.clock
        self.files = Mount(machine.platter, vfs.connect)
        self.endpoints: list[SimulatedPeers] = []
        self.process = Process(
            machine.kernel,
            f"{machine.name}.{number}",
            machine.clock,
            stepped=lambda: machine.stepped(self),
            ended=self._ended,
        )

    def new_thread(self, _name: str) -> Executor:
        """Return a thread for `SqliteDisk`."""
        return DiskThread(self.process, self.files)

    def peers(self, node_id: str) -> SimulatedPeers:
        """Listen at the machine's address as `node_id`."""
        endpoint = SimulatedPeers(self.machine.network, self.process, node_id=node_id, address=self.machine.address)
        self.endpoints.append(endpoint)
        return endpoint

    def end(self, *, silently: bool) -> None:
        """Let nothing of this life go on."""
        self.process.kill()
        self.files.dead = True
        for endpoint in self.endpoints:
            self.machine.network.gone(endpoint, silently=silently)

    def bury(self) -> None:
        """Free what is left, once nothing is recorded any more."""
        self.files.release()
        bury(self.process)

    def _ended(self, error: BaseException | None) -> None:
        self.end(silently=False)
        self.machine.life = None
        self.machine.exited(self, error)


class Machine:
    """A place where a daemon lives, dies and lives again.

    Args:
        program: the daemon: gets its life, and runs in it until it ends by itself or is killed.
        stepped: called after each turn of the daemon's event loop.
        exited: called when the daemon ended by itself, with what it raised.
    """

    def __init__(
        self,
        kernel: Kernel,
        network: Network,
        name: str,
        program: Callable[[Life], Coroutine[Any, Any, Any]],
        *,
        stepped: Callable[[Life], None] = lambda _life: None,
        exited: Callable[[Life, BaseException | None], None] = lambda _life, _error: None,
    ) -> None:
        self.kernel = kernel
        self.network = network
        self.name = name
        self.address = f"{name}:{PORT}"
        self.program = program
        self.stepped = stepped
        self.exited = exited
        rng = kernel.chance(f"clock of {name}")
        self.clock = LocalClock(kernel, offset_seconds=rng.uniform(0, 1_000_000))
        self.platter = Platter(kernel.chance(f"disk of {name}"))
        self.life: Life | None = None
        self.lives: list[Life] = []

    def start(self) -> None:
        """Begin a new life, where there is none."""
        if self.life is not None:
            return
        self.life = Life(self, len(self.lives) + 1)
        self.lives.append(self.life)
        self.kernel.record(self.name, f"starts, life {self.life.number}")
        self.life.process.start(self.program(self.life))

    def kill(self) -> None:
        """End the process as SIGKILL does: what it wrote stays in the cache, its links close."""
        self._die("is killed", power=False)

    def cut_power(self) -> None:
        """End the machine: what was not synced may be lost, and nobody is told."""
        self._die("loses power", power=True)

    def crash_in(self, calls: int, moment: Moment, *, power: bool, then: Callable[[], None]) -> None:
        """Crash at the `calls`-th changing disk call from now; call `then` when it has happened."""

        def crash() -> None:
            self._die(f"crashes {moment.value} a disk call", power=power)
            then()

        self.platter.crash_in(calls, moment, crash)

    def pause(self, seconds: float) -> None:
        """Let nothing of the machine run for a while."""
        if self.life:
            self.life.process.pause(seconds)
            for endpoint in self.life.endpoints:
                self.network.paused(endpoint)

    def wipe(self) -> None:
        """Lose all that is on the disk."""
        self.cut_power()
        self.platter.folders.clear()

    def dispose(self) -> None:
        """Free what the run held."""
        for life in self.lives:
            life.bury()

    def _die(self, how: str, *, power: bool) -> None:
        if self.life:
            self.kernel.record(self.name, how)
            self.life.end(silently=power)
            self.life = None
        if power:
            self.platter.power_cut()


def bury(process: Process) -> None:
    """Leave nothing of a process that could yet run."""
    with running(process.loop):
        for task in process.unfinished():
            _close(task)


def _close(task: asyncio.Task[Any]) -> None:
    """Leave nothing of a task to be closed later: its `finally` blocks that await something want to be told again."""
    coroutine = cast("Coroutine[Any, Any, Any]", task.get_coro())
    for _ in range(CLOSES_MAX):
        with suppress(BaseException):
            coroutine.close()
            return
