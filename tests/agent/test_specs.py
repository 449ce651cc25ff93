"""Variables, resources and ports on their way to the runtime."""

from __future__ import annotations

import pytest

from swarmlet.agent import specs
from swarmlet.model.container import Container, ContainerPort, EnvVar, ResourceRequirements, VolumeMount
from swarmlet.runtime.runtime import HostPort, Mount
from tests.agent.bench import new_pod


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("$()", "$()"),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text: str, expected: str) -> None:
    assert specs.expand(text, {"A": "1", "B": "2"}) == expected


def test_a_variable_refers_to_those_before_it() -> None:
    variables = (EnvVar(name="B", value="$(A)"), EnvVar(name="A", value="1"), EnvVar(name="C", value="$(A)$(B)"))
    assert specs.environment(variables) == {"B": "$(A)", "A": "1", "C": "1$(A)"}


def test_a_container_is_wholly_decided() -> None:
    container = Container(
        name="main",
        image="web:1",
        command=("run", "$(PORT)"),
        env=(EnvVar(name="PORT", value="80"),),
        ports=(ContainerPort(container_port=80, host_port=8080, protocol="TCP"), ContainerPort(container_port=81)),
        resources=ResourceRequirements(limits={"cpu": "500m", "memory": "64Mi"}, requests={"cpu": "0.1"}),
        volume_mounts=(VolumeMount(name="v", mount_path="/data", read_only=True),),
    )
    pod = new_pod(hostname="given")
    pod = type(pod)(metadata=pod.metadata, spec=type(pod.spec)(containers=(container,), hostname="given"))
    spec = specs.container_spec(pod, container, 2, "", {"v": "/somewhere"})
    assert spec.command == ("run", "80")
    assert (spec.cpu_limit_millis, spec.cpu_request_millis, spec.memory_limit_bytes) == (500, 100, 64 * 1024**2)
    assert spec.mounts == (Mount("/somewhere", "/data", read_only=True),)
    assert spec.network.hostname == "given"
    assert spec.network.host_ports == (HostPort(8080, 80, "TCP", ""),)
    assert spec.attempt == 2
