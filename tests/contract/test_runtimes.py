"""The three runtimes, held to one contract."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from swarmlet.clock import SystemClock
from swarmlet.errors import EngineError
from swarmlet.runtime import runtime
from swarmlet.runtime.docker import DockerRuntime
from swarmlet.runtime.process import ProcessRuntime
from swarmlet.runtime.runtime import ContainerSpec
from tests.contract.networked_contract import NetworkedRuntimeContract
from tests.contract.runtime_contract import shell, until
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

    async def test_what_listens_on_a_pods_loopback_alone_is_reached(self, rt: runtime.Runtime) -> None:
        spec = shell("exec busybox httpd -f -p 127.0.0.1:8080 -h /tmp")
        sandbox = await rt.start_sandbox(ContainerSpec(pod=spec.pod, name=runtime.SANDBOX))
        await rt.start(dataclasses.replace(spec, sandbox=sandbox.id))

        async def answers() -> bool:
            try:
                reader, writer = await rt.dial(sandbox.id, 8080)
            except EngineError:
                return False  # it does not listen yet
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer.startswith(b"HTTP/1.")

        await until(answers, seconds=10)
