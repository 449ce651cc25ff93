"""Specifications to the Docker API's documents and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from swarmlet.runtime import docker_documents, runtime
from swarmlet.runtime.credentials import Credentials
from swarmlet.runtime.isolation import Device, Devices, DriverRequest, Isolation
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


def test_an_image_cannot_say_which_devices_its_containers_hold() -> None:
    assert document()["Labels"][docker_documents.DEVICES_LABEL] == "[]"


@pytest.mark.parametrize(("of_image", "strict"), [({}, True), ({"io.swarmlet/strict": ""}, False)])
def test_only_what_is_marked_as_one_is_a_strict_singleton(of_image: dict[str, str], strict: bool) -> None:
    labels = docker_documents.labels(ContainerSpec(pod=POD, name="main", strict=strict), OWNER)
    event = {"Actor": {"ID": "x", "Attributes": of_image | labels}, "time": 1_700_000_000}
    assert docker_documents.from_event(event, runtime.State.EXITED).strict == strict


@pytest.mark.parametrize("text", ["", "{", "[1]", '[["a"]]', '{"a": "b"}'])
def test_a_label_that_tells_no_devices_stops_nobody_from_reading_the_container(text: str) -> None:
    labels = docker_documents.labels(ContainerSpec(pod=POD, name="main"), OWNER) | {
        docker_documents.DEVICES_LABEL: text
    }
    event = {"Actor": {"ID": "x", "Attributes": labels}, "time": 1_700_000_000}
    assert docker_documents.from_event(event, runtime.State.EXITED).devices == ()


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


def test_whoever_asks_for_no_cpu_has_the_least_share() -> None:
    assert document()["HostConfig"]["CpuShares"] == 2


def test_isolation_is_told_in_the_engines_words() -> None:
    isolation = Isolation(
        user="1000:2000",
        groups=(5,),
        privileged=True,
        read_only_root=True,
        no_new_privileges=True,
        capabilities_added=("ALL",),
        capabilities_dropped=("NET_RAW",),
        seccomp="unconfined",
        apparmor="web",
        selinux=("level:s0",),
    )
    made = document(isolation=isolation, oom_score_adj=-997)
    config = made["HostConfig"]
    assert (made["User"], config["GroupAdd"], config["OomScoreAdj"]) == ("1000:2000", ["5"], -997)
    assert (config["Privileged"], config["ReadonlyRootfs"]) == (True, True)
    assert (config["CapAdd"], config["CapDrop"]) == (["ALL"], ["NET_RAW"])
    told = ["no-new-privileges:true", "seccomp=unconfined", "apparmor=web", "label=level:s0"]
    assert config["SecurityOpt"] == told


def test_what_is_not_asked_for_is_left_to_the_engine() -> None:
    config = document()["HostConfig"]
    assert not config.keys() & {"Privileged", "ReadonlyRootfs", "CapAdd", "CapDrop", "GroupAdd", "SecurityOpt"}
    assert not config.keys() & {"PidMode", "Dns", "ExtraHosts", "Sysctls", "Devices", "DeviceRequests"}
    assert "User" not in document()


@pytest.mark.parametrize(
    ("isolation", "sandbox", "processes", "memory"),
    [
        (Isolation(), "", None, "shareable"),
        (Isolation(), "s1", None, "container:s1"),
        (Isolation(shares_processes=True), "s1", "container:s1", "container:s1"),
        (Isolation(host_processes=True, host_ipc=True), "s1", "host", "host"),
    ],
)
def test_namespaces_are_the_sandboxs_or_the_machines(
    isolation: Isolation, sandbox: str, processes: str | None, memory: str
) -> None:
    config = document(isolation=isolation, sandbox=sandbox)["HostConfig"]
    assert (config.get("PidMode"), config["IpcMode"]) == (processes, memory)


def test_a_sandbox_has_no_rights() -> None:
    spec = ContainerSpec(pod=POD, name=runtime.SANDBOX, oom_score_adj=-998, isolation=Isolation(host_ipc=True))
    config = docker_documents.sandbox_document(spec, OWNER, "")["HostConfig"]
    assert (config["CapDrop"], config["ReadonlyRootfs"], config["OomScoreAdj"]) == (["ALL"], True, -998)
    assert (config["SecurityOpt"], config["IpcMode"]) == (["no-new-privileges:true"], "host")


def test_devices_are_files_and_requests_to_drivers_and_a_label() -> None:
    devices = Devices(
        files=(Device("/dev/fuse", "rw"),),
        requests=(DriverRequest("nvidia", ("0", "2")),),
        units=(("example.com/fuse", "0"), ("nvidia.com/gpu", "2")),
    )
    made = document(devices=devices)
    assert made["HostConfig"]["Devices"] == [
        {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rw"}
    ]
    assert made["HostConfig"]["DeviceRequests"] == [
        {"Driver": "nvidia", "DeviceIDs": ["0", "2"], "Capabilities": [["gpu"]]}
    ]
    attributes = {"Actor": {"ID": "x", "Attributes": made["Labels"]}, "time": 0}
    assert docker_documents.from_event(attributes, runtime.State.REMOVED).devices == devices.units


@pytest.mark.parametrize(
    ("image", "credentials", "arguments"),
    [
        ("web:1", None, {"from_image": "web:1"}),
        (
            "web:1",
            Credentials(username="u", password="p"),
            {"from_image": "docker.io/library/web:1", "auth": {"username": "u", "password": "p"}},
        ),
        (
            "r.io/web",
            Credentials(username="u", identity_token="t"),
            {"from_image": "r.io/web", "auth": {"identitytoken": "t"}},
        ),
    ],
)
def test_a_registry_is_told_who_asks(image: str, credentials: Credentials | None, arguments: dict[str, Any]) -> None:
    assert docker_documents.pull_arguments(image, credentials) == arguments


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
