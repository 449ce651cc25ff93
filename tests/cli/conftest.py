"""The command line, in this process, against the real API application on a unix socket; `kubectl` against the same."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from swarmlet import cli
from swarmlet.api.access.origins import Signed
from swarmlet.api.app import ApiServer, Sources
from swarmlet.api.operations.rebalance import RebalanceApi
from swarmlet.api.operations.reports import ClusterInfo
from swarmlet.api.past.desired_history import HistoryApi
from swarmlet.clock import SystemClock
from swarmlet.config import Config
from swarmlet.identity import access
from swarmlet.model import kinds
from swarmlet.model.core import Namespace
from swarmlet.model.meta import ObjectMeta
from swarmlet.store.replica import Change
from tests.api.conftest import DirectReplica, FakeAuthenticator, FakeLeases, FakePods, FakeUsage
from tests.api.planning import plan_api

BIN = Path(sys.executable).parent
T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass
class Cluster:
    """A daemon's API in a thread of its own."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    _patch: pytest.MonkeyPatch
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    replica: DirectReplica = field(default_factory=DirectReplica)
    pods: FakePods = field(default_factory=FakePods)
    usage: FakeUsage = field(default_factory=FakeUsage)
    port: int = 0

    @property
    def socket(self) -> Path:
        return self.folder / "api.sock"

    def run(self, *arguments: str) -> Result:
        """Run `swarmlet` in this process."""
        self.capture.readouterr()
        code = cli.run(arguments)
        out, err = self.capture.readouterr()
        return Result(code, out, err)

    def ok(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert (result.code, result.err) == (0, ""), result
        return result.out

    def kubectl(self, *arguments: str) -> Result:
        """Run the official kubectl on the same API."""
        argv = [str(BIN / "kubectl"), f"--server=http://127.0.0.1:{self.port}", *arguments]
        env = dict(os.environ, HOME=str(self.folder), KUBECONFIG="")
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `swarmlet` as a process of its own, for what does not end by itself."""
        argv = [sys.executable, "-c", "from swarmlet.cli import main; main()", *arguments]
        env = dict(os.environ, SWARMLET_SOCKET=str(self.socket))
        # Who runs these tests in the background has SIGINT ignored, and processes inherit that.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        finally:
            signal.signal(signal.SIGINT, before)

    def do(self, action: Callable[[], T]) -> T:
        """Do something to the store, where the server runs."""

        async def done() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(10)

    def once_watched(self, *resources: str, do: Callable[[], Any]) -> None:
        """Do something to the store as soon as a command watches all of `resources`."""
        store = self.replica.store
        changes_since = store.changes_since
        unwatched = set(resources)

        def watched(resource: str, revision: int) -> Iterator[Change]:
            unwatched.discard(resource)
            if not unwatched:
                self._patch.setattr(store, "changes_since", changes_since)
                self.loop.call_soon(do)
            return changes_since(resource, revision)

        self._patch.setattr(store, "changes_since", watched)

    async def serve(self, started: threading.Event) -> None:
        clock = SystemClock()
        for name in ("default", "other"):
            metadata = ObjectMeta(name=name, uid=f"ns-{name}", creation_timestamp=clock.now().replace(microsecond=0))
            self.replica.put(kinds.NAMESPACE, Namespace(metadata=metadata))
        replica: Any = Signed(self.replica)
        plans = plan_api(replica, clock)
        history = HistoryApi(replica=replica, plans=plans, authorize=access.authorize)
        server = ApiServer(
            replica=replica,
            authenticator=FakeAuthenticator(),
            info=ClusterInfo(cluster_id="c1", node_id="n1", node_name="node-a", started=clock.now()),
            sources=Sources(pods=self.pods, door=self.pods, leases=FakeLeases(), usage=self.usage),
            clock=clock,
            rng=random.Random(1),
            registry=CollectorRegistry(),
            routes=[
                *RebalanceApi(replica=self.replica, clock=clock, config=Config()).routes(),
                *plans.routes(),
                *history.routes(),
            ],
        )
        runner = server.runner()
        await runner.setup()
        await web.UnixSite(runner, str(self.socket)).start()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[-1][1]
        self.stop = asyncio.Event()
        started.set()
        await self.stop.wait()
        await runner.cleanup()


@pytest.fixture
def cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    made = Cluster(tmp_path, capsys, monkeypatch)
    monkeypatch.setenv("SWARMLET_SOCKET", str(made.socket))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    started = threading.Event()
    thread = threading.Thread(target=lambda: made.loop.run_until_complete(made.serve(started)))
    thread.start()
    assert started.wait(10)
    yield made
    made.loop.call_soon_threadsafe(made.stop.set)
    thread.join(10)
    made.loop.close()
