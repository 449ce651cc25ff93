"""What a machine has, what of it Pods may have, and what the kernel says is left."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from swarmlet.agent.machine import own_node
from swarmlet.agent.machine.own_node import Machine, NodeIdentity
from swarmlet.agent.pressure.gauges import KernelGauges
from swarmlet.agent.pressure.pressures import Gauge, Readings
from swarmlet.config import Config, Eviction, Reserved
from swarmlet.model.core import Node
from swarmlet.runtime.runtime import RuntimeInfo
from tests.agent.home import Home
from tests.fakes.runtime import Engine

MI = 1024 * 1024
GI = 1024 * MI
IDENTITY = NodeIdentity(name="one", node_id="id-1", address="10.0.0.1", port=7600)
INFO = RuntimeInfo(
    scheme="fake",
    version="fake://1",
    cpus=4,
    memory_bytes=8 * GI,
    os_image="",
    kernel_version="",
    architecture="x86_64",
)
MEMINFO = "MemTotal:       8388608 kB\nMemFree:         102400 kB\nMemAvailable:   2097152 kB\n"


def described(config: Config, readings: Readings, **machine: str) -> Node:
    return own_node.describe(IDENTITY, INFO, Machine(**machine), config, readings)


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".").replace("_DASH_", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, proc__meminfo=MEMINFO, proc__loadavg="0.10 0.20 0.30 2/1500 4711\n")
    write(tmp_path, proc__sys__kernel__pid_max="4194304\n", proc__sys__kernel__threads_DASH_max="10000\n")
    return tmp_path


def test_pods_may_have_what_is_neither_reserved_nor_kept_free() -> None:
    disk = {"imagefs.available": Gauge(100 * GI, 50 * GI), "nodefs.available": Gauge(10 * GI, GI)}
    config = Config(reserved=Reserved(cpu="500m", memory="1Gi", ephemeral_storage="5Gi"), max_pods=50)
    status = described(config, disk).status
    assert status.capacity == {
        "cpu": "4",
        "memory": f"{8 * GI // 1024}Ki",
        "pods": "50",
        "ephemeral-storage": f"{100 * GI // 1024}Ki",
    }
    assert status.allocatable == {
        "cpu": "3500m",
        "memory": f"{(7 * GI - 100 * MI) // 1024}Ki",
        "pods": "50",
        "ephemeral-storage": str(85 * GI),
    }


def test_a_signal_that_is_off_keeps_nothing_free() -> None:
    config = Config(reserved=Reserved(memory="0"), eviction=Eviction(hard={"memory.available": "0"}))
    assert described(config, {}).status.allocatable["memory"] == f"{8 * GI // 1024}Ki"


def test_a_disk_that_cannot_be_measured_is_not_told() -> None:
    assert "ephemeral-storage" not in described(Config(), {}).status.capacity


def test_a_machine_that_was_started_anew_is_told_of() -> None:
    before, after = described(Config(), {}, boot_id="a"), described(Config(), {}, boot_id="b")
    note = own_node.reboot_note(before, after)
    assert note is not None
    assert (note.reason, note.message) == ("Rebooted", "Node one has been rebooted, boot id: b")
    assert own_node.reboot_note(before, before) is None
    nameless = msgspec.structs.replace(before, status=msgspec.structs.replace(before.status, node_info=None))
    assert own_node.reboot_note(nameless, after) is None


def test_memory_is_what_the_kernel_says_is_available(root: Path) -> None:
    assert KernelGauges(root, root).read("")["memory.available"] == Gauge(8 * GI, 2 * GI)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max\n", Gauge(8 * GI, 2 * GI)),
        (f"{16 * GI}\n", Gauge(8 * GI, 2 * GI)),
        (f"{GI}\n", Gauge(GI, GI - 300 * MI)),
    ],
)
def test_a_machine_in_a_cgroup_has_what_that_leaves_it(root: Path, limit: str, expected: Gauge) -> None:
    write(root, sys__fs__cgroup__memory_DOT_max=limit, sys__fs__cgroup__memory_DOT_current=f"{400 * MI}\n")
    write(root, sys__fs__cgroup__memory_DOT_stat=f"anon 1\ninactive_file {100 * MI}\n")
    assert KernelGauges(root, root).read("")["memory.available"] == expected


def test_processes_are_counted_against_the_smaller_limit(root: Path) -> None:
    assert KernelGauges(root, root).read("")["pid.available"] == Gauge(10_000, 8_500)


def test_disks_are_measured_where_they_are_known(root: Path) -> None:
    assert "imagefs.available" not in KernelGauges(root, root).read("")
    found = KernelGauges(root, root).read(str(root))
    assert (
        found["imagefs.available"].capacity == found["nodefs.available"].capacity > found["nodefs.available"].available
    )


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    assert KernelGauges(tmp_path / "gone", tmp_path).read("/no/such/folder") == {}


def test_this_machine_can_be_measured(tmp_path: Path) -> None:
    found = KernelGauges(tmp_path).read(str(tmp_path))
    assert {"memory.available", "nodefs.available", "imagefs.available", "pid.available"} <= set(found)
    assert all(0 <= each.available <= each.capacity for each in found.values())


# On a node


async def test_a_machine_that_grew_is_measured_anew_when_its_engine_is_back(home: Home, engine: Engine) -> None:
    async with home.running():
        await home.until(lambda: bool(home.replica.view.list("nodes")))
        assert home.node().status.capacity["memory"] == f"{8 * GI // 1024}Ki"
        engine.down = "the Docker Engine does not answer"
        await home.pause(10)
        engine.down, engine.machine_memory_bytes = "", 16 * GI
        await home.until(lambda: home.node().status.capacity["memory"] == f"{16 * GI // 1024}Ki", 10)
        written = len(home.replica.proposals)
        await home.pause(100)
        assert len(home.replica.proposals) == written, "nothing is written while nothing changes"


async def test_a_node_that_cannot_be_told_at_once_is_told_later(home: Home, engine: Engine) -> None:
    async with home.running():
        await home.until(lambda: bool(home.replica.view.list("nodes")))
        engine.machine_memory_bytes = 16 * GI
        home.replica.cut = True
        await home.pause(20)
        home.replica.cut = False
        await home.until(lambda: home.node().status.capacity["memory"] == f"{16 * GI // 1024}Ki", 10)


async def test_a_machine_that_was_started_anew_has_an_event(home: Home) -> None:
    for boot_id in ("a", "a", "b"):
        home.machine = Machine(boot_id=boot_id)
        async with home.running():
            await home.pause(5)
    (event,) = home.events("Rebooted")
    assert (event.count, event.involved_object.kind, event.involved_object.name) == (1, "Node", "one")
