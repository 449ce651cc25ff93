"""One generator on each machine of a lab's cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tools.lab.cluster import Cluster, Daemon
from tools.lab.processes import LabError
from tools.load.counting import READY, Count

END_SECONDS_MAX = 20.0
RATE = 25.0
"""Requests a second and machine."""


class Load:
    """The generators that run; `stop` ends them and returns what they counted together."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        selector: str,
        *,
        daemons: Sequence[Daemon] = (),
        port: int = 80,
        rate: float = RATE,
    ) -> None:
        senders = tuple(daemons) or tuple(cluster)
        self._file = cluster.lab.folder / "-".join(("load", namespace, *(daemon.name for daemon in senders)))
        self._file.touch()
        self._processes: list[subprocess.Popen[str]] = []
        for daemon in senders:
            arguments = ("--socket", str(daemon.socket), "--node", daemon.name, "--while", str(self._file))
            what = ("--namespace", namespace, "--selector", selector, "--port", str(port), "--rate", str(rate))
            self._processes.append(daemon.machine.popen(sys.executable, "-m", "tools.load", *arguments, *what))

    def wait_sending(self) -> None:
        """Return once all of them send."""
        for process in self._processes:
            assert process.stdout is not None
            first = process.stdout.readline()  # ends when the process does
            if first.strip() != READY:
                raise LabError(f"a load generator did not begin: {first}")

    def stop(self) -> Count:
        """Let the last requests be answered; return the sum."""
        self._file.unlink(missing_ok=True)
        ended = [(process.communicate(timeout=END_SECONDS_MAX)[0], process.returncode) for process in self._processes]
        self._processes.clear()
        for printed, code in ended:
            if code:
                raise LabError(f"a load generator ended with {code}: {printed[-500:]}")
        return Count.total(Count.from_json(printed.splitlines()[-1]) for printed, _ in ended)


@contextmanager
def load(cluster: Cluster, namespace: str, selector: str, *, daemons: Sequence[Daemon] = ()) -> Iterator[Load]:
    """Run the generators, from when all of them send; whatever happens, none is left behind.

    They run on the machines of `daemons`; of all where none are named.
    """
    running = Load(cluster, namespace, selector, daemons=daemons)
    try:
        running.wait_sending()
        yield running
    finally:
        running.stop()
