"""Specifications to the Docker API's documents and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from swarmlet.runtime import docker_documents, runtime
from swarmlet.runtime.runtime import ContainerSpec, HostPort, Mount, PodIdentity, PodNetwork

POD = PodIdentity("3f2a9c1e-0000-4000-8000-000000000000", "shop", "web-abc")
OWNER = {docker_documents.CLUSTER_LABEL: "c", docker_documents.NODE_LABEL: "n"}


def document(**fields: Any) -> dict[str, Any]:
    spec = ContainerSpec(pod=POD, name="main", image="web:1", **fields)
    return docker_documents.container_document(spec, OWNER, "")


def test_a_container_bears_the_names_by_which_it_is_found() -> None:
    found = document(attempt=2, spec_hash="abc")["Labels"]
    assert found["io.swarmlet/cluster"] == "c"
    assert found["io.swarmlet/pod-uid"] == POD.uid
    assert found["io.swarmlet/attempt"] == "2"
    assert docker_documents.container_name(ContainerSpec(pod=POD, name="main", attempt=2)) == (
        "shop_web-abc_main_3f2a9c1e-0000_2"
    )


@pytest.mark.parametrize(
    ("fields", "entrypoint", "arguments"),
    [
        ({}, None, None),
        ({"args": ("-v",)}, None, ["-v"]),
        ({"command": ("run",)}, ["run"], []),
        ({"command": ("run",), "args": ("-v",)}, ["run"], ["-v"]),
    ],
)
def test_command_and_arguments_stand_in_for_the_images(
    fields: dict[str, Any], entrypoint: list[str] | None, arguments: list[str] | None
) -> None:
    made = document(**fields)
    assert (made.get("Entrypoint"), made.get("Cmd")) == (entrypoint, arguments)


def test_limits_are_in_the_engines_units() -> None:
    config = document(cpu_limit_millis=1500, cpu_request_millis=250, memory_limit_bytes=1024)["HostConfig"]
    assert (config["NanoCpus"], config["CpuShares"]) == (1_500_000_000, 256)
    assert (config["Memory"], config["MemorySwap"]) == (1024, 1024)


def test_logs_are_bounded() -> None:
    assert document()["HostConfig"]["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}


def test_volumes_are_bound() -> None:
    made = document(mounts=(Mount("/a", "/b", read_only=True),))
    assert made["HostConfig"]["Mounts"] == [{"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": True}]


def test_host_ports_are_published_by_whoever_holds_the_network() -> None:
    network = PodNetwork(hostname="web", host_ports=(HostPort(8080, 80), HostPort(53, 53, "UDP", "10.0.0.1")))
    bindings = document(network=network)["HostConfig"]["PortBindings"]
    assert bindings == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "10.0.0.1", "HostPort": "53"}],
    }
    joined = document(network=network, sandbox="s1")
    assert "PortBindings" not in joined["HostConfig"]
    assert joined["HostConfig"]["NetworkMode"] == "container:s1"


def test_on_the_hosts_network_there_is_no_hostname_of_ones_own() -> None:
    made = document(network=PodNetwork(hostname="web", host_network=True))
    assert made["HostConfig"]["NetworkMode"] == "host"
    assert "Hostname" not in made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.5Z", datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456789Z", datetime(2026, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_go_writes_them(text: str, expected: datetime | None) -> None:
    assert docker_documents.parse_time(text) == expected


def test_a_container_that_is_gone_is_read_off_its_event() -> None:
    labels = docker_documents.labels(ContainerSpec(pod=POD, name="main", attempt=1), OWNER)
    event = {"Actor": {"ID": "x", "Attributes": labels | {"exitCode": "137"}}, "time": 1_700_000_000}
    container = docker_documents.from_event(event, runtime.State.REMOVED)
    assert (container.pod, container.name, container.attempt, container.exit_code) == (POD, "main", 1, 137)
