"""How far a container is kept apart on a real Engine, seen from inside it, alone and beside a sandbox."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from swarmlet.clock import SystemClock
from swarmlet.runtime import runtime
from swarmlet.runtime.docker import DockerRuntime
from swarmlet.runtime.isolation import Device, Devices, Isolation, NameServers
from swarmlet.runtime.runtime import ContainerSpec, PodNetwork
from tests.dockerd import IMAGE, Dockerd

pytestmark = [pytest.mark.docker, pytest.mark.slow]

NET_ADMIN, CHOWN, NET_RAW = 1 << 12, 1 << 0, 1 << 13

_numbers = itertools.count(1)


def shell(script: str, **changes: object) -> ContainerSpec:
    pod = runtime.PodIdentity(f"0000000000000-{next(_numbers)}", "default", "pod")
    return dataclasses.replace(
        ContainerSpec(pod=pod, name="main", image=IMAGE, command=("sh", "-c", script)),
        **changes,  # type: ignore[arg-type]
    )


@pytest.fixture
async def engine(dockerd: Dockerd, tmp_path: Path) -> AsyncIterator[DockerRuntime]:
    made = DockerRuntime(cluster_id="isolation", node_id=tmp_path.name, clock=SystemClock(), host=dockerd.host)
    yield made
    for container in await made.list():
        await made.remove(container.id)
    await made.close()


async def output(engine: DockerRuntime, spec: ContainerSpec) -> str:
    """Return what a container printed until its end."""
    container = await engine.start(spec)
    async with asyncio.timeout(30):
        data = [data async for data in engine.logs(container.id, runtime.LogOptions(follow=True))]
    return b"".join(data).decode()


async def status(engine: DockerRuntime, **isolation: object) -> dict[str, str]:
    """Return /proc/self/status as a container sees it."""
    text = await output(engine, shell("cat /proc/self/status", isolation=Isolation(**isolation)))  # type: ignore[arg-type]
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


async def test_user_and_groups_are_those_asked_for(engine: DockerRuntime) -> None:
    found = await status(engine, user="1000:2000", groups=(3000, 4000))
    assert (found["Uid"].split()[0], found["Gid"].split()[0]) == ("1000", "2000")
    assert {"3000", "4000"} <= set(found["Groups"].split())


async def test_capabilities_are_dropped_and_added(engine: DockerRuntime) -> None:
    found = await status(engine, capabilities_dropped=("ALL",), capabilities_added=("NET_ADMIN",))
    assert int(found["CapEff"], 16) == NET_ADMIN
    found = await status(engine, capabilities_dropped=("NET_RAW",))
    assert int(found["CapEff"], 16) & (NET_RAW | CHOWN) == CHOWN


async def test_without_a_word_the_engines_own_confinement_holds(engine: DockerRuntime) -> None:
    found = await status(engine)
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("0", "2")
    assert not int(found["CapEff"], 16) & NET_ADMIN


async def test_no_new_privileges_and_no_seccomp(engine: DockerRuntime) -> None:
    found = await status(engine, no_new_privileges=True, seccomp="unconfined")
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "0")


async def test_a_seccomp_profile_of_ones_own(engine: DockerRuntime) -> None:
    no_mkdir = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    }
    confined = Isolation(seccomp=json.dumps(no_mkdir))
    assert "not permitted" in await output(engine, shell("mkdir /tmp/a 2>&1", isolation=confined))
    assert await output(engine, shell("mkdir /tmp/a 2>&1")) == ""


async def test_the_root_is_read_only_and_a_volume_is_not(engine: DockerRuntime, tmp_path: Path) -> None:
    spec = shell(
        "touch /file 2>&1; touch /volume/file && echo written",
        isolation=Isolation(read_only_root=True),
        mounts=(runtime.Mount(str(tmp_path), "/volume"),),
    )
    told = await output(engine, spec)
    assert "Read-only file system" in told
    assert "written" in told


async def test_the_engine_knows_whom_an_image_runs_as(engine: DockerRuntime) -> None:
    assert await engine.image_user(IMAGE) == ""
    with pytest.raises(runtime.ImageMissingError):
        await engine.image_user("no-such-image:1")


async def test_a_device_is_seen_and_its_unit_is_remembered(engine: DockerRuntime) -> None:
    devices = Devices(files=(Device("/dev/fuse", "r"),), units=(("example.com/fuse", "0"),))
    container = await engine.start(shell("ls -l /dev/fuse; sleep 1000", devices=devices))
    assert container.devices == (("example.com/fuse", "0"),)
    (found,) = await engine.list()
    assert found.devices == container.devices
    assert (await engine.exec(container.id, ("test", "-c", "/dev/fuse"), timeout_seconds=10)).exit_code == 0


async def test_the_oom_score_is_raised(engine: DockerRuntime) -> None:
    assert await output(engine, shell("cat /proc/self/oom_score_adj", oom_score_adj=1000)) == "1000\n"


async def test_a_score_that_the_engine_cannot_lower_keeps_no_container_from_starting(engine: DockerRuntime) -> None:
    for _ in range(2):
        score = int(await output(engine, shell("cat /proc/self/oom_score_adj", oom_score_adj=-997)))
        assert score in (-997, 0, 1)  # 1 is what the Engine's own shim has


NETWORK = PodNetwork(
    hostname="web",
    domain="sub.ns.svc.cluster.local",
    hosts=(("db", "10.1.2.3"), ("cache", "10.1.2.3")),
    name_servers=NameServers(addresses=("10.9.9.9",), searches=("ns.example", "example"), options=("ndots:3",)),
    sysctls=(("net.ipv4.ip_local_port_range", "40000 50000"), ("kernel.shm_rmid_forced", "1")),
)
LOOK = (
    "cat /etc/hosts /etc/resolv.conf /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced;"
    " hostname; hostname -f"
)


@pytest.mark.parametrize("with_sandbox", [False, True])
async def test_names_name_servers_and_parameters_are_those_of_the_pod(
    engine: DockerRuntime, with_sandbox: bool
) -> None:
    spec = shell(LOOK, network=NETWORK)
    if with_sandbox:
        sandbox = await engine.start_sandbox(dataclasses.replace(spec, name=runtime.SANDBOX, oom_score_adj=-998))
        spec = dataclasses.replace(spec, sandbox=sandbox.id)
    lines = [line.split() for line in (await output(engine, spec)).splitlines()]
    assert ["10.1.2.3", "db"] in lines
    assert ["10.1.2.3", "cache"] in lines
    assert ["nameserver", "10.9.9.9"] in lines
    assert ["search", "ns.example", "example"] in lines
    assert ["options", "ndots:3"] in lines
    assert ["40000", "50000"] in lines
    assert [line for line in lines if line[1:] == ["web.sub.ns.svc.cluster.local", "web"]]
    assert lines[-3:] == [["1"], ["web"], ["web.sub.ns.svc.cluster.local"]]


async def test_a_pod_without_search_domains_has_none_of_the_machines(engine: DockerRuntime) -> None:
    network = PodNetwork(name_servers=NameServers(addresses=("10.9.9.9",)))
    found = await output(engine, shell("cat /etc/resolv.conf", network=network))
    assert [line.split() for line in found.splitlines() if line and line[0] != "#"] in (
        [["nameserver", "10.9.9.9"], ["options", "ndots:1"]],
        [["nameserver", "10.9.9.9"], ["search", "."], ["options", "ndots:1"]],
    )


async def test_containers_that_share_their_processes_see_each_other_and_leave_no_zombies(engine: DockerRuntime) -> None:
    shared = Isolation(shares_processes=True)
    spec = shell("sleep 1000", isolation=shared)
    sandbox = await engine.start_sandbox(dataclasses.replace(spec, name=runtime.SANDBOX))
    await engine.start(dataclasses.replace(spec, sandbox=sandbox.id, name="other"))
    orphan = "sh -c 'sleep 0.1 & exec true'; sleep 0.5; ps -o stat,args"
    told = await output(engine, dataclasses.replace(spec, sandbox=sandbox.id, command=("sh", "-c", orphan)))
    assert "sleep 1000" in told
    assert "pause" in told
    assert not [line for line in told.splitlines() if line.startswith("Z")]


async def test_the_machines_processes_are_seen_where_they_are_asked_for(engine: DockerRuntime) -> None:
    assert "dockerd" in await output(engine, shell("ps", isolation=Isolation(host_processes=True)))
    assert "dockerd" not in await output(engine, shell("ps"))


async def test_on_the_machines_network_containers_share_their_memory_by_a_sandbox(engine: DockerRuntime) -> None:
    network = PodNetwork(hostname="ignored", host_network=True, hosts=(("db", "10.1.2.3"),))
    spec = shell("grep db /etc/hosts; sleep 0.2; ls /dev/shm", network=network)
    sandbox = await engine.start_sandbox(dataclasses.replace(spec, name=runtime.SANDBOX))
    writer = shell("touch /dev/shm/shared; sleep 1000", network=network, sandbox=sandbox.id)
    await engine.start(dataclasses.replace(writer, pod=spec.pod, name="writer"))
    assert (await output(engine, dataclasses.replace(spec, sandbox=sandbox.id))).split() == ["10.1.2.3", "db", "shared"]
    machines = await output(engine, shell("readlink /proc/self/ns/net", network=network))
    assert machines == await output(engine, shell("readlink /proc/self/ns/net", sandbox=sandbox.id))
    assert machines != await output(engine, shell("readlink /proc/self/ns/net"))


async def test_shared_memory_is_the_machines_where_it_is_asked_for(engine: DockerRuntime) -> None:
    machines, own = [
        await output(engine, shell("readlink /proc/self/ns/ipc", isolation=Isolation(host_ipc=host)))
        for host in (True, False)
    ]
    assert machines == await output(engine, shell("readlink /proc/self/ns/ipc", isolation=Isolation(host_ipc=True)))
    assert machines != own


async def test_limits_of_processes_are_those_asked_for(engine: DockerRuntime) -> None:
    limits = Isolation(ulimits=(("nofile", 111, 222),))
    text = await output(engine, shell("ulimit -Sn; ulimit -Hn", isolation=limits))
    assert text.split() == ["111", "222"]


async def test_a_process_of_the_engines_goes_before_the_containers_own(engine: DockerRuntime) -> None:
    # With a line end: what a container says last without one, the Engine may not tell who follows its log.
    script = "cat /proc/1/cmdline; echo"
    assert "docker-init" in await output(engine, shell(script, isolation=Isolation(init=True)))


async def test_a_container_is_stopped_by_its_own_signal(engine: DockerRuntime) -> None:
    script = "trap 'exit 7' QUIT; trap '' TERM; echo up; while :; do sleep 0.1; done"
    container = await engine.start(shell(script, isolation=Isolation(stop_signal="SIGQUIT")))
    async with asyncio.timeout(30):
        async for _ in engine.logs(container.id, runtime.LogOptions(follow=True)):
            break
    assert (await engine.stop(container.id, grace_seconds=20)).exit_code == 7
