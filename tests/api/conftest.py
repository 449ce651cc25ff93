"""The real application on the real store, behind a replica that applies directly."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from swarmlet.api.access.authorization import Authorizer
from swarmlet.api.access.origins import Signed
from swarmlet.api.app import ApiServer, Sources
from swarmlet.api.operations.reports import ClusterInfo
from swarmlet.errors import UnavailableError
from swarmlet.identity.access import Attributes
from swarmlet.identity.users import LOCAL_ADMIN, User
from swarmlet.model import kinds, objects
from swarmlet.model.core import Lease, LeaseSpec, Namespace
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.samples import NodeSample, PodSample
from swarmlet.runtime.runtime import LogOptions
from swarmlet.store.commands import NOBODY, Command, Key, Operation, Origin, Outcome, Put
from swarmlet.store.replica import MemberStatus, ReplicaStatus, Stored, View
from swarmlet.store.state import Store

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class FakeClock:
    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class DirectReplica:
    """A cluster of one without a log: what is proposed is applied at once."""

    def __init__(self) -> None:
        self.store = Store()
        self.has_quorum = True
        self.before_propose: Callable[[], None] = lambda: None
        self._requests = 0

    @property
    def view(self) -> Store:
        return self.store

    @property
    def is_leader(self) -> bool:
        return True

    async def propose(
        self,
        operations: Sequence[Operation],
        *,
        atomic: bool = True,
        timeout_seconds: float = 5.0,
        origin: Origin = NOBODY,
    ) -> tuple[Outcome, ...]:
        self._check()
        self.before_propose()
        return self.apply(operations, atomic=atomic, origin=origin)

    def apply(
        self, operations: Sequence[Operation], *, atomic: bool = True, origin: Origin = NOBODY
    ) -> tuple[Outcome, ...]:
        self._requests += 1
        return self.store.apply(Command(self._requests.to_bytes(16, "big"), tuple(operations), atomic, origin))

    async def linearize(self, *, timeout_seconds: float = 5.0) -> None:
        self._check()

    async def add_member(self, node_id: str, address: str) -> None: ...

    async def remove_member(self, node_id: str) -> None: ...

    async def transfer_leadership(self, to: str = "") -> None: ...

    def status(self) -> ReplicaStatus:
        members = (MemberStatus("n1", "10.0.0.1:7600", "leader", 7),)
        return ReplicaStatus("n1", "n1" if self.has_quorum else "", 3, 7, 7, self.has_quorum, members)

    def on_leadership(self, listener: Callable[[bool], None]) -> None: ...

    def put(self, kind: Kind, value: Object) -> Stored:
        """Store an object as it is."""
        key = Key(kind.resource, value.metadata.namespace, value.metadata.name)
        self.apply([Put(key, objects.to_json(objects.with_metadata(value, resource_version="")))])
        stored = self.store.get(key)
        assert stored is not None
        return stored

    def _check(self) -> None:
        if not self.has_quorum:
            raise UnavailableError("no leader: this node cannot reach a quorum")


class FakeAuthenticator:
    def __init__(self) -> None:
        self.user: User = LOCAL_ADMIN

    def authenticate(self, connection: object, authorization: str = "", *, local: bool = False) -> User:
        return self.user


class Judged(Authorizer):
    """Asks a function of the test's whether somebody may."""

    def __init__(self, view: View, judge: Callable[[User, Attributes], None]) -> None:
        super().__init__(view)
        self._judge = judge

    def authorize(self, user: User, asked: Attributes) -> None:
        self._judge(user, asked)


class FakePods:
    """Logs of this node's Pods: what `chunks` holds."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = [b"one\n", b"two\n"]
        self.asked: list[tuple[str, LogOptions, bool]] = []
        self.goes_on = False
        self.closed = asyncio.Event()
        self.passed_on: list[tuple[str, str]] = []

    async def logs(
        self, namespace: str, name: str, container: str, options: LogOptions, *, previous: bool = False
    ) -> AsyncIterator[bytes]:
        self.asked.append((container, options, previous))
        try:
            for chunk in self.chunks:
                yield chunk
            while options.follow and self.goes_on:
                await asyncio.Event().wait()
        finally:
            self.closed.set()

    async def stream(self, node_name: str, path: str) -> AsyncIterator[bytes]:
        self.passed_on.append((node_name, path))
        yield b"from " + node_name.encode() + b"\n"


class FakeLeases:
    async def leases(self) -> Sequence[Lease]:
        metadata = ObjectMeta(name="node-a", namespace="kube-node-lease", uid="lease-a")
        return (Lease(metadata=metadata, spec=LeaseSpec(holder_identity="node-a", renew_time=START)),)


class FakeUsage:
    """The samples that the leader was told."""

    def __init__(self) -> None:
        self.nodes: list[NodeSample] = []
        self.pods: list[PodSample] = []

    async def node_usage(self) -> Sequence[NodeSample]:
        return self.nodes

    async def pod_usage(self, namespace: str, name: str) -> Sequence[PodSample]:
        return [pod for pod in self.pods if namespace in ("", pod.namespace) and name in ("", pod.name)]


class Api(TestClient):
    """A client with shorthands that decode."""

    async def read(self, method: str, path: str, **keywords: Any) -> tuple[int, Any]:
        async with self.request(method, path, **keywords) as response:
            data = await response.read()
            return response.status, aiohttp.payload.json.loads(data) if data else None


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def replica() -> DirectReplica:
    replica = DirectReplica()
    for name in ("default", "kube-system", "kube-node-lease", "other"):
        metadata = ObjectMeta(name=name, uid=f"ns-{name}", creation_timestamp=START)
        replica.put(kinds.NAMESPACE, Namespace(metadata=metadata))
    return replica


@pytest.fixture
def authenticator() -> FakeAuthenticator:
    return FakeAuthenticator()


@pytest.fixture
def pods() -> FakePods:
    return FakePods()


@pytest.fixture
def usage() -> FakeUsage:
    return FakeUsage()


@pytest.fixture
def machine_network() -> dict[str, Any]:
    """What this daemon's machine does of the network, as a test says."""
    return {}


@pytest.fixture
def server(
    replica: DirectReplica,
    clock: FakeClock,
    authenticator: FakeAuthenticator,
    pods: FakePods,
    usage: FakeUsage,
    machine_network: dict[str, Any],
) -> ApiServer:
    network = machine_network.copy
    return ApiServer(
        replica=Signed(replica),
        authenticator=authenticator,
        info=ClusterInfo(cluster_id="c1", node_id="n1", node_name="node-a", started=START, network=network),
        sources=Sources(pods=pods, door=pods, leases=FakeLeases(), usage=usage),
        clock=clock,
        rng=random.Random(1),
        registry=CollectorRegistry(),
    )


@pytest.fixture
async def api(server: ApiServer) -> AsyncIterator[Api]:
    async with Api(TestServer(server.app, handler_cancellation=True)) as client:
        yield client
