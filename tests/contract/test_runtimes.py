"""The three runtimes, held to one contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from swarmlet.clock import SystemClock
from swarmlet.runtime import runtime
from swarmlet.runtime.docker import DockerRuntime
from swarmlet.runtime.process import ProcessRuntime
from tests.contract.networked_contract import NetworkedRuntimeContract
from tests.contract.sessions_contract import SessionsContract
from tests.dockerd import Dockerd
from tests.fakes.runtime import Engine, FakeRuntime

NewRuntime = Callable[..., runtime.Runtime]


class TestFake(NetworkedRuntimeContract, SessionsContract):
    real = False

    @pytest.fixture
    def new_runtime(self) -> NewRuntime:
        engine = Engine(SystemClock(), images=["busybox:lab"])
        return lambda node_id="node": FakeRuntime(engine, node_id=node_id)


@pytest.mark.slow
class TestProcess(SessionsContract):
    has_images = False

    @pytest.fixture
    def new_runtime(self, tmp_path: Path) -> NewRuntime:
        folder = tmp_path / "containers"
        return lambda node_id="node": ProcessRuntime(
            cluster_id="contract", node_id=node_id, clock=SystemClock(), folder=folder
        )

    async def test_it_gives_pods_no_network_of_their_own(self, rt: runtime.Runtime) -> None:
        assert rt.networks() is None


@pytest.mark.slow
@pytest.mark.docker
class TestDocker(NetworkedRuntimeContract, SessionsContract):
    @pytest.fixture
    def new_runtime(self, dockerd: Dockerd) -> NewRuntime:
        return lambda node_id="node": DockerRuntime(
            cluster_id="contract", node_id=node_id, clock=SystemClock(), host=dockerd.host
        )
