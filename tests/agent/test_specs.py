"""Words, resources and ports on their way to the runtime."""

from __future__ import annotations

from swarmlet.agent.containers import specs
from swarmlet.model.container import Container, ContainerPort, ResourceRequirements
from swarmlet.runtime.runtime import HostPort, Mount
from tests.agent.bench import new_pod


def test_a_container_is_wholly_decided() -> None:
    container = Container(
        name="main",
        image="web:1",
        command=("run", "$(PORT)"),
        ports=(ContainerPort(container_port=80, host_port=8080, protocol="TCP"), ContainerPort(container_port=81)),
        resources=ResourceRequirements(limits={"cpu": "500m", "memory": "64Mi"}, requests={"cpu": "0.1"}),
    )
    pod = new_pod(hostname="given")
    pod = type(pod)(metadata=pod.metadata, spec=type(pod.spec)(containers=(container,), hostname="given"))
    mounts = (Mount("/somewhere", "/data", read_only=True),)
    spec = specs.container_spec(pod, container, 2, "", {"PORT": "80"}, mounts)
    assert spec.command == ("run", "80")
    assert (spec.cpu_limit_millis, spec.cpu_request_millis, spec.memory_limit_bytes) == (500, 100, 64 * 1024**2)
    assert spec.env == {"PORT": "80"}
    assert spec.mounts == mounts
    assert spec.network.hostname == "given"
    assert spec.network.host_ports == (HostPort(8080, 80, "TCP", ""),)
    assert spec.attempt == 2
