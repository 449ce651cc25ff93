"""Usage from the kernel's files: both versions of cgroups, both drivers, and /proc."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from swarmlet.errors import EngineError
from swarmlet.runtime import docker_usage, proc
from swarmlet.runtime.cgroups import Cgroups
from swarmlet.runtime.docker_usage import ContainerMeters
from swarmlet.runtime.runtime import ContainerGoneError, Usage

ID = "0123456789abcdef" * 4
VERSION_1 = {
    "cpuacct/{path}/cpuacct.usage": "1500000000\n",
    "memory/{path}/memory.usage_in_bytes": "5000\n",
    "memory/{path}/memory.stat": "cache 3000\ninactive_file 1\ntotal_inactive_file 2000\n",
}
VERSION_2 = {
    "{path}/cpu.stat": "usage_usec 1500000\nuser_usec 1000000\n",
    "{path}/memory.current": "5000\n",
    "{path}/memory.stat": "anon 2000\ninactive_file 2000\n",
}
MOUNT = "30 25 0:26 {root} {point} rw,nosuid - {type} {type} rw,{options}\n"


def files(folder: Path, contents: Mapping[str, str], path: str) -> None:
    for name, text in contents.items():
        file = folder / name.format(path=path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def proc_of(folder: Path, cgroup: str, mounts: str) -> Path:
    files(folder / "proc", {"self/mountinfo": mounts, "42/cgroup": cgroup}, "")
    return folder / "proc"


def first_version(folder: Path, path: str, *, root: str = "/") -> Path:
    mounts = "".join(
        MOUNT.format(root=root, point=folder / name, type="cgroup", options=name) for name in ("cpuacct", "memory")
    )
    return proc_of(
        folder, f"9:memory:{root.rstrip('/')}/{path}\n2:cpu,cpuacct:{root.rstrip('/')}/{path}\n0::/\n", mounts
    )


def second_version(folder: Path, path: str) -> Path:
    mount = MOUNT.format(root="/", point=folder, type="cgroup2", options="nsdelegate")
    return proc_of(folder, f"0::/{path}\n", mount)


@pytest.mark.parametrize("path", [f"docker/{ID}", f"system.slice/docker-{ID}.scope"])
def test_cgroups_of_the_first_version_are_read_whoever_named_them(tmp_path: Path, path: str) -> None:
    files(tmp_path, VERSION_1, path)
    found = Cgroups(first_version(tmp_path, path)).find(42, ID)
    assert found is not None
    assert found.usage() == Usage(1_500_000_000, 3000)


@pytest.mark.parametrize("path", [f"docker/{ID}", f"system.slice/docker-{ID}.scope"])
def test_cgroups_of_the_second_version_are_read_whoever_named_them(tmp_path: Path, path: str) -> None:
    files(tmp_path, VERSION_2, path)
    found = Cgroups(second_version(tmp_path, path)).find(42, ID)
    assert found is not None
    assert found.usage() == Usage(1_500_000_000, 3000)


def test_a_cgroup_that_the_runtime_makes_below_the_containers_own_counts_to_it(tmp_path: Path) -> None:
    path = f"system.slice/docker-{ID}.scope"
    files(tmp_path, VERSION_2, path)
    found = Cgroups(second_version(tmp_path, f"{path}/container")).find(42, ID)
    assert found is not None
    assert found.cpu == tmp_path / path


def test_a_tree_that_is_mounted_from_a_branch_is_read_from_there(tmp_path: Path) -> None:
    files(tmp_path, VERSION_1, f"docker/{ID}")
    found = Cgroups(first_version(tmp_path, f"docker/{ID}", root="/outer")).find(42, ID)
    assert found is not None
    assert found.usage().memory_bytes == 3000


@pytest.mark.parametrize("path", ["init.scope", f"../../docker/{ID}"])
def test_a_process_of_another_machine_or_out_of_sight_is_not_taken_for_the_container(tmp_path: Path, path: str) -> None:
    assert Cgroups(second_version(tmp_path, path)).find(42, ID) is None
    assert Cgroups(second_version(tmp_path, path)).find(43, ID) is None


class Engine:
    """Answers of an Engine, counted."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: EngineError | None = None

    async def inspect(self, container_id: str) -> Mapping[str, Any]:
        self.asked.append(f"inspect {container_id[:4]}")
        if self.error:
            raise self.error
        return {"State": {"Pid": 42}}

    async def stats(self, container_id: str) -> Mapping[str, Any]:
        self.asked.append(f"stats {container_id[:4]}")
        return {
            "cpu_stats": {"cpu_usage": {"total_usage": 7}},
            "memory_stats": {"usage": 900, "stats": {"inactive_file": 100}},
        }

    def meters(self, cgroups: Cgroups) -> ContainerMeters:
        return ContainerMeters(inspect=self.inspect, stats=self.stats, cgroups=cgroups)


async def test_the_engine_is_asked_once_where_a_container_is(tmp_path: Path) -> None:
    engine = Engine()
    files(tmp_path, VERSION_2, f"docker/{ID}")
    meters = engine.meters(Cgroups(second_version(tmp_path, f"docker/{ID}")))
    for _ in range(3):
        measured = await meters.measure([ID])
        assert measured.containers == {ID: Usage(1_500_000_000, 3000)}
    assert engine.asked == ["inspect 0123"]
    assert (await meters.measure([])).containers == {}
    await meters.measure([ID])
    assert engine.asked == ["inspect 0123"] * 2, "what is not asked for any more is forgotten"


async def test_a_container_out_of_sight_is_measured_by_the_engine(tmp_path: Path) -> None:
    engine = Engine()
    meters = engine.meters(Cgroups(second_version(tmp_path, "init.scope")))
    assert (await meters.measure([ID])).containers == {ID: Usage(7, 800)}
    assert engine.asked == ["inspect 0123", "stats 0123"]


async def test_a_container_that_is_gone_is_left_out_and_the_others_are_not(tmp_path: Path) -> None:
    engine = Engine()
    engine.error = ContainerGoneError("gone")
    assert (await engine.meters(Cgroups(tmp_path)).measure([ID])).containers == {}
    files(tmp_path, VERSION_2, f"docker/{ID}")
    engine.error = None
    meters = engine.meters(Cgroups(second_version(tmp_path, f"docker/{ID}")))
    await meters.measure([ID])
    (tmp_path / "docker" / ID / "cpu.stat").unlink()
    assert (await meters.measure([ID])).containers == {}


def test_an_answer_about_a_container_that_does_not_run_is_no_usage() -> None:
    assert docker_usage.from_stats({"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}}) is None


STAT = "cpu  100 10 200 5000 50 3 7 40 20 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
MEMINFO = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\n"


def test_the_machine_is_busy_where_it_neither_idles_nor_waits(tmp_path: Path) -> None:
    files(tmp_path, {"stat": STAT, "meminfo": MEMINFO}, "")
    assert proc.machine(tmp_path) == Usage((100 + 10 + 200 + 3 + 7) * 10_000_000, 400 * 1024)


def process_line(pid: int, session: int, ticks: tuple[int, int, int, int], pages: int, name: str = "sh") -> str:
    return (
        f"{pid} ({name}) S 1 {session} {session} 0 -1 4194560 1 1 0 0 "
        f"{ticks[0]} {ticks[1]} {ticks[2]} {ticks[3]} 20 0 1 0 100 9999 {pages} 18446744073709551615\n"
    )


def test_the_processes_of_a_session_add_up(tmp_path: Path) -> None:
    lines = {
        "100/stat": process_line(100, 100, (1, 2, 3, 4), 10),
        "101/stat": process_line(101, 100, (5, 0, 0, 0), 5, name="a) b"),
        "200/stat": process_line(200, 200, (9, 9, 9, 9), 99),
        "self/stat": process_line(300, 100, (9, 9, 9, 9), 99),
    }
    files(tmp_path, lines, "")
    found = proc.sessions({100, 400}, tmp_path)
    assert {pid: usage.cpu_nanoseconds for pid, usage in found.items()} == {100: 15 * 10_000_000}
    assert found[100].memory_bytes == 15 * 4096
