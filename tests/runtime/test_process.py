"""What the process runtime does beyond the contract."""

from __future__ import annotations

import asyncio
import os
import resource
import select
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from swarmlet.clock import SystemClock
from swarmlet.errors import EngineError
from swarmlet.runtime import loopback, runtime, shim
from swarmlet.runtime.process import ProcessRuntime
from swarmlet.runtime.process_folder import Folder, LogReader
from swarmlet.runtime.runtime import ContainerSpec, LogOptions, Mount, State
from tests.contract.runtime_contract import HOLD, shell

SECONDS_MAX = 20.0
SHIM_RESIDENT_BYTES_MAX = 12 * 1024 * 1024


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[ProcessRuntime]:
    made = ProcessRuntime(cluster_id="c", node_id=tmp_path.name, clock=SystemClock(), folder=tmp_path / "containers")
    yield made
    for container in await made.list():
        await made.remove(container.id)
    await made.close()


async def end_of(processes: ProcessRuntime, spec: ContainerSpec) -> runtime.Container:
    container = await processes.start(spec)
    async for _ in processes.logs(container.id, LogOptions(follow=True)):
        pass
    return await processes.inspect(container.id)


async def output(processes: ProcessRuntime, spec: ContainerSpec) -> bytes:
    container = await processes.start(spec)
    return b"".join([data async for data in processes.logs(container.id, LogOptions(follow=True))])


def state_of(processes: ProcessRuntime, container: runtime.Container) -> dict[str, int]:
    return processes._all()[container.id].state()


def ends(pid: int) -> bool:
    """Whether a process ends, or has: being killed takes it a moment."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ready, _, _ = select.select([pidfd], [], [], SECONDS_MAX)
    os.close(pidfd)
    return bool(ready)


async def test_a_pod_without_a_command_is_told_what_to_do(processes: ProcessRuntime) -> None:
    spec = ContainerSpec(pod=shell("").pod, name="main", image="nginx")
    with pytest.raises(
        runtime.CreateError, match=r"the process runtime has no images: give spec.containers\[\].command"
    ):
        await processes.start(spec)


@pytest.mark.slow
async def test_each_pod_can_listen_on_the_same_port_at_its_own_address(processes: ProcessRuntime) -> None:
    serve = "echo $POD_IP > index.html; exec busybox httpd -f -p $POD_IP:18080 -h ."
    served = [await processes.start(shell(serve)) for _ in range(2)]
    for container in served:
        reader, writer = await connect(container.address, 18080)
        writer.write(b"GET /index.html HTTP/1.0\r\n\r\n")
        assert container.address.encode() in await reader.read()
        writer.close()


async def connect(address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            try:
                return await asyncio.open_connection(address, port)
            except OSError:
                await asyncio.sleep(0.02)


async def test_a_volume_is_writable_and_outlives_the_container(processes: ProcessRuntime, tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    await end_of(
        processes, shell("echo kept > $POD_ROOT/data/file", mounts=(Mount(str(tmp_path / "volume"), "/data"),))
    )
    assert (tmp_path / "volume" / "file").read_text(encoding="utf-8") == "kept\n"


async def test_the_working_directory_is_the_pods_own_where_it_has_it(processes: ProcessRuntime, tmp_path: Path) -> None:
    mounts = (Mount(str(tmp_path), "/data"),)
    assert (await output(processes, shell("pwd -P", working_dir="/data", mounts=mounts))).strip() == bytes(tmp_path)
    assert await output(processes, shell("pwd -P", working_dir="/usr/bin")) == b"/usr/bin\n"


def test_what_a_process_has_filled_is_removed_however_deep_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "container"
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        for _ in range(1_100):
            Path("folder").mkdir()
            os.chdir("folder")
    Folder(folder).remove()
    assert not folder.exists()


async def test_what_a_process_leaves_behind_ends_with_it(processes: ProcessRuntime) -> None:
    container = await processes.start(shell("sleep 1000 & echo $!; sleep 0.2"))
    left = int(b"".join([data async for data in processes.logs(container.id, LogOptions(follow=True))]))
    assert (await processes.inspect(container.id)).state is State.EXITED
    assert ends(left)


async def test_stopping_reaches_the_whole_group(processes: ProcessRuntime) -> None:
    container = await processes.start(shell("sh -c 'sleep 1000' & echo $!; wait"))
    async for data in processes.logs(container.id, LogOptions(follow=True)):
        child = int(data)
        break
    await processes.stop(container.id, grace_seconds=10)
    assert ends(child)


async def test_without_its_shim_a_process_ends_and_counts_as_killed(processes: ProcessRuntime) -> None:
    container = await processes.start(shell(HOLD))
    state = state_of(processes, container)
    watch = processes.watch()
    assert await anext(watch) is None
    os.kill(state["shim"], signal.SIGKILL)
    async with asyncio.timeout(SECONDS_MAX):
        ended = await anext(watch)
    assert ended is not None
    assert (ended.state, ended.exit_code) == (State.EXITED, 137)
    assert ends(state["pid"])


async def test_a_shim_is_small(processes: ProcessRuntime) -> None:
    container = await processes.start(shell(HOLD))
    assert resident_bytes(state_of(processes, container)["shim"]) < SHIM_RESIDENT_BYTES_MAX


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_log_is_turned_over_and_read_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shim, "LOG_BYTES_MAX", 200)
    log, reader, read = shim.Log(f"{tmp_path}/log"), LogReader(tmp_path), []
    for number in range(20):
        log.write("stdout", b"line %d\n" % number)
        read += [line.text for line in reader.read()]
    assert read == [b"line %d\n" % number for number in range(20)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
    assert all(path.stat().st_size <= 200 for path in tmp_path.iterdir())


def test_daemons_on_one_machine_hold_different_addresses() -> None:
    first, second = loopback.Addresses("same"), loopback.Addresses("same")
    assert first.of("pod").rpartition(".")[0] != second.of("pod").rpartition(".")[0]
    first.close()
    second.close()


def test_an_address_is_kept_while_its_pod_is_there_and_given_on_after() -> None:
    addresses = loopback.Addresses("owner")
    one, two = addresses.of("one"), addresses.of("two")
    assert (addresses.of("one"), addresses.of("two")) == (one, two)
    addresses.release("one")
    assert addresses.of("three") == one
    addresses.close()


def test_when_no_address_is_free_that_is_said() -> None:
    addresses = loopback.Addresses("owner")
    for number in range(254):
        addresses.of(str(number))
    with pytest.raises(EngineError, match="no free address"):
        addresses.of("one more")
    addresses.close()


async def test_nothing_of_the_environment_and_the_arguments_is_on_disk(processes: ProcessRuntime) -> None:
    container = await processes.start(shell("cat; sleep 1000", args=("hush-arg",), env={"PASSWORD": "hush"}))
    folder = processes._folder / container.id
    assert not any(b"hush" in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    done = await processes.exec(container.id, ("sh", "-c", "echo $PASSWORD $POD_IP"), timeout_seconds=10)
    assert done.output == f"hush {container.address}\n".encode()


async def test_nothing_runs_beside_a_process_that_has_ended(processes: ProcessRuntime) -> None:
    container = await processes.start(shell("exec sleep 1000"))
    await processes.stop(container.id, grace_seconds=5)
    with pytest.raises(runtime.ContainerGoneError, match="is not running"):
        await processes.exec(container.id, ("true",), timeout_seconds=10)


async def test_of_what_a_command_says_without_end_only_the_beginning_is_kept(processes: ProcessRuntime) -> None:
    container = await processes.start(shell(HOLD))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = await processes.exec(container.id, ("head", "-c", "200000000", "/dev/zero"), timeout_seconds=10)
    assert (done.exit_code, len(done.output)) == (0, 16 * 1024)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "in KiB"
