"""What every runtime promises to the agent. Each test class below gives it another engine."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from swarmlet.clock import SystemClock
from swarmlet.model.singletons import KILL_SECONDS_MAX
from swarmlet.runtime import runtime
from swarmlet.runtime.isolation import Devices
from swarmlet.runtime.runtime import Container, ContainerSpec, Lease, State

SECONDS_MAX = 30.0

_numbers = itertools.count(1)


def shell(script: str, **changes: Any) -> ContainerSpec:
    """Return a Pod of one container that runs a script."""
    number = next(_numbers)
    pod = runtime.PodIdentity(f"0000000000000-{number}", "default", f"pod-{number}")
    return ContainerSpec(
        pod=pod, name="main", image="busybox:lab", command=("sh", "-c", script), **({"spec_hash": "h"} | changes)
    )


HOLD = "sleep 1000"
SLOW_TO_END = "trap '' TERM; sleep 1000"


class RuntimeContract:
    """Subclasses give `new_runtime`: a function (node id) -> Runtime, all on the same engine."""

    has_images = True

    @pytest.fixture
    def new_runtime(self) -> Callable[..., runtime.Runtime]:
        raise AssertionError("given by the subclass")

    @pytest.fixture
    async def rt(self, new_runtime: Callable[..., runtime.Runtime]) -> AsyncIterator[runtime.Runtime]:
        made = new_runtime()
        yield made
        for container in await made.list():
            await made.remove(container.id)
        await made.close()

    # Starting

    async def test_it_tells_what_the_machine_has(self, rt: runtime.Runtime) -> None:
        info = await rt.info()
        assert info.version.startswith(f"{info.scheme}://")
        assert info.cpus >= 1
        assert info.memory_bytes > 64 * 1024 * 1024

    async def test_a_started_container_runs_at_an_address(self, rt: runtime.Runtime) -> None:
        container = await rt.start(shell(HOLD))
        assert container.state is State.RUNNING
        assert container.address.count(".") == 3
        assert container.started_at is not None
        assert container.finished_at is None

    async def test_what_is_listed_is_what_was_started(self, rt: runtime.Runtime) -> None:
        spec = shell(HOLD, attempt=3, spec_hash="abc")
        started = await rt.start(spec)
        assert await rt.list() == [started]
        assert (started.pod, started.name, started.attempt, started.spec_hash) == (spec.pod, "main", 3, "abc")

    async def test_two_pods_have_two_addresses(self, rt: runtime.Runtime) -> None:
        one, two = await asyncio.gather(rt.start(shell(HOLD)), rt.start(shell(HOLD)))
        assert one.address != two.address

    async def test_a_program_that_is_not_there_fails_and_leaves_nothing(self, rt: runtime.Runtime) -> None:
        spec = ContainerSpec(pod=shell("").pod, name="main", image="busybox:lab", command=("no-such-program",))
        with pytest.raises(runtime.StartError, match="no-such-program"):
            await rt.start(spec)
        assert await rt.list() == []

    async def test_the_units_of_devices_that_a_container_holds_are_remembered(self, rt: runtime.Runtime) -> None:
        if not self.has_images:  # it isolates nothing, and hands out nothing
            return
        held = (("example.com/a", "0"), ("example.com/b", "/dev/b"))
        container = await rt.start(shell(HOLD, devices=Devices(units=held)))
        assert container.devices == held
        assert [each.devices for each in await rt.list()] == [held]

    async def test_an_image_tells_whom_it_runs_as(self, rt: runtime.Runtime) -> None:
        assert await rt.image_user("busybox:lab") == ""
        if self.has_images:
            with pytest.raises(runtime.ImageMissingError, match="no-such-image"):
                await rt.image_user("no-such-image:1")

    async def test_an_image_that_is_not_there_is_told_apart(self, rt: runtime.Runtime) -> None:
        if not self.has_images:
            assert await rt.image_id("no-such-image:1") == ""
            return
        spec = ContainerSpec(pod=shell("").pod, name="main", image="no-such-image:1")
        with pytest.raises(runtime.ImageMissingError, match="no-such-image"):
            await rt.start(spec)
        with pytest.raises(runtime.ImageMissingError, match="no-such-image"):
            await rt.image_id("no-such-image:1")

    async def test_an_image_that_cannot_be_pulled_is_told_in_words(self, rt: runtime.Runtime) -> None:
        if self.has_images:
            with pytest.raises(runtime.PullError):
                await rt.pull("registry.invalid/nothing:1", lambda _: None)
            assert await rt.image_id("busybox:lab")

    async def test_command_arguments_and_environment_reach_the_program(self, rt: runtime.Runtime) -> None:
        spec = shell("echo $GREETING world", env={"GREETING": "hello"})
        assert await self.output(rt, spec) == b"hello world\n"

    async def test_a_volume_is_seen_inside(self, rt: runtime.Runtime, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("value\n", encoding="utf-8")
        spec = shell("cat $POD_ROOT/config/key", mounts=(runtime.Mount(str(tmp_path), "/config"),))
        assert await self.output(rt, spec) == b"value\n"

    async def test_limits_are_accepted(self, rt: runtime.Runtime) -> None:
        spec = shell(HOLD, cpu_limit_millis=500, cpu_request_millis=100, memory_limit_bytes=64 * 1024 * 1024)
        assert (await rt.start(spec)).state is State.RUNNING

    async def test_containers_of_a_pod_run_beside_its_sandbox(self, rt: runtime.Runtime) -> None:
        spec = shell(HOLD)
        sandbox = await rt.start_sandbox(ContainerSpec(pod=spec.pod, name=runtime.SANDBOX))
        assert sandbox.name == runtime.SANDBOX
        assert sandbox.address.count(".") == 3
        joined = await rt.start(dataclasses.replace(spec, sandbox=sandbox.id))
        assert joined.state is State.RUNNING
        assert {each.name for each in await rt.list()} == {runtime.SANDBOX, "main"}

    # Ending

    async def test_an_exit_is_told_with_its_code_and_time(self, rt: runtime.Runtime) -> None:
        async with self.changes(rt) as changes:
            started = await rt.start(shell("sleep 0.2; exit 3"))
            ended = await self.next_of(changes, started.id)
        assert (ended.state, ended.exit_code, ended.oom_killed) == (State.EXITED, 3, False)
        assert ended.finished_at is not None
        assert ended.finished_at >= ended.started_at
        assert ended == await rt.inspect(started.id)

    async def test_stopping_asks_first(self, rt: runtime.Runtime) -> None:
        waiting = "sleep 1000 & wait" if self.real else "sleep 1000"
        container = await rt.start(shell(f"trap 'exit 7' TERM; {waiting}"))
        await self.settle(container)
        stopped = await rt.stop(container.id, grace_seconds=20)
        assert (stopped.state, stopped.exit_code) == (State.EXITED, 7)

    async def test_stopping_kills_what_does_not_end_in_time(self, rt: runtime.Runtime) -> None:
        container = await rt.start(shell(SLOW_TO_END))
        await self.settle(container)
        stopped = await rt.stop(container.id, grace_seconds=1)
        assert (stopped.state, stopped.exit_code) == (State.EXITED, 137)

    async def test_stopping_what_has_ended_tells_how(self, rt: runtime.Runtime) -> None:
        container = await rt.start(shell("exit 4"))
        async with self.changes(rt) as changes:
            await self.ended(rt, changes, container.id)
        assert (await rt.stop(container.id, grace_seconds=1)).exit_code == 4

    async def test_a_removed_container_is_gone_and_that_is_told(self, rt: runtime.Runtime) -> None:
        async with self.changes(rt) as changes:
            container = await rt.start(shell(HOLD))
            await rt.remove(container.id)
            while (told := await self.next_of(changes, container.id)).state is not State.REMOVED:
                pass
        assert told.pod == container.pod
        assert await rt.list() == []
        with pytest.raises(runtime.ContainerGoneError):
            await rt.inspect(container.id)

    async def test_removing_twice_is_fine(self, rt: runtime.Runtime) -> None:
        container = await rt.start(shell(HOLD))
        await rt.remove(container.id)
        await rt.remove(container.id)

    async def test_stopping_what_is_gone_says_so(self, rt: runtime.Runtime) -> None:
        with pytest.raises(runtime.ContainerGoneError):
            await rt.stop("f" * 64, grace_seconds=1)

    # Looking inside

    async def test_the_log_has_both_streams(self, rt: runtime.Runtime) -> None:
        assert sorted((await self.output(rt, shell("echo out; echo err >&2"))).split()) == [b"err", b"out"]

    async def test_the_log_has_a_tail_and_a_limit(self, rt: runtime.Runtime) -> None:
        container = await self.run_to_end(rt, shell("echo one; echo two; echo three"))
        assert await self.log(rt, container, tail_lines=2) == b"two\nthree\n"
        assert await self.log(rt, container, tail_lines=0) == b""
        assert await self.log(rt, container, limit_bytes=5) == b"one\nt"

    async def test_the_log_has_times(self, rt: runtime.Runtime) -> None:
        container = await self.run_to_end(rt, shell("echo one"))
        line = await self.log(rt, container, timestamps=True)
        assert line.endswith(b" one\n")
        assert line.startswith(container.started_at.strftime("%Y-").encode())
        written = datetime.fromisoformat(line.split()[0].decode())
        assert await self.log(rt, container, since=written + timedelta(milliseconds=1)) == b""

    async def test_a_followed_log_ends_with_the_container(self, rt: runtime.Runtime) -> None:
        container = await rt.start(shell("echo one; sleep 0.3; echo two"))
        assert await self.log(rt, container, follow=True) == b"one\ntwo\n"

    async def test_a_command_runs_beside_the_container(self, rt: runtime.Runtime) -> None:
        container = await rt.start(shell(HOLD))
        done = await rt.exec(container.id, ("sh", "-c", "echo beside; exit 5"), timeout_seconds=10)
        assert (done.exit_code, done.output) == (5, b"beside\n")

    # Daemons come and go

    async def test_a_new_daemon_finds_what_runs_and_hears_of_its_end(
        self, new_runtime: Callable[..., runtime.Runtime], rt: runtime.Runtime
    ) -> None:
        container = await rt.start(shell("sleep 1; exit 6"))
        await rt.close()
        second = new_runtime()
        try:
            assert await second.list() == [container]
            async with self.changes(second) as changes:
                assert (await self.next_of(changes, container.id)).exit_code == 6
        finally:
            await second.close()

    async def test_other_nodes_containers_are_not_seen(
        self, new_runtime: Callable[..., runtime.Runtime], rt: runtime.Runtime
    ) -> None:
        await rt.start(shell(HOLD))
        other = new_runtime(node_id="other")
        try:
            assert await other.list() == []
        finally:
            await other.close()

    async def test_watching_begins_with_the_advice_to_list(self, rt: runtime.Runtime) -> None:
        async with contextlib.aclosing(rt.watch()) as changes:
            assert await anext(changes) is None

    # Help

    real = True

    async def settle(self, container: Container) -> None:
        """Let the script set its traps."""
        await asyncio.sleep(0.3 if self.real else 0)

    @contextlib.asynccontextmanager
    async def changes(self, rt: runtime.Runtime) -> AsyncIterator[AsyncIterator[Container | None]]:
        async with asyncio.timeout(SECONDS_MAX), contextlib.aclosing(rt.watch()) as found:
            assert await anext(found) is None
            yield found

    async def next_of(self, changes: AsyncIterator[Container | None], container_id: str) -> Container:
        async for container in changes:
            if container is not None and container.id == container_id:
                return container
        raise AssertionError("the watch ended")

    async def ended(
        self, rt: runtime.Runtime, changes: AsyncIterator[Container | None], container_id: str
    ) -> Container:
        found = await rt.inspect(container_id)
        return found if found.state is State.EXITED else await self.next_of(changes, container_id)

    async def run_to_end(self, rt: runtime.Runtime, spec: ContainerSpec) -> Container:
        async with self.changes(rt) as changes:
            container = await rt.start(spec)
            return await self.ended(rt, changes, container.id)

    async def log(self, rt: runtime.Runtime, container: Container, **options: Any) -> bytes:
        async with asyncio.timeout(SECONDS_MAX):
            return b"".join([data async for data in rt.logs(container.id, runtime.LogOptions(**options))])

    async def output(self, rt: runtime.Runtime, spec: ContainerSpec) -> bytes:
        return await self.log(rt, await self.run_to_end(rt, spec))

    # Usage

    async def test_what_runs_is_measured_and_what_does_not_is_left_out(self, rt: runtime.Runtime) -> None:
        container = await rt.start(shell(HOLD))
        other = await rt.start(shell(HOLD))
        await rt.stop(other.id, grace_seconds=0)
        measured = await rt.usage([container.id, other.id, "f" * 64])
        assert set(measured.containers) == {container.id}
        assert measured.containers[container.id].memory_bytes > 0
        assert measured.machine.memory_bytes >= measured.containers[container.id].memory_bytes

    async def test_processor_time_grows_with_what_a_container_does(self, rt: runtime.Runtime) -> None:
        if not self.real:
            return
        busy, idle = await rt.start(shell("while :; do :; done")), await rt.start(shell(HOLD))
        before = await rt.usage([busy.id, idle.id])
        await asyncio.sleep(1.0)
        after = await rt.usage([busy.id, idle.id])

        def used(each: Container) -> int:
            return after.containers[each.id].cpu_nanoseconds - before.containers[each.id].cpu_nanoseconds

        assert 20_000_000 < used(busy) < 2_000_000_000  # of a core that others may want, too
        assert used(idle) < used(busy) / 10
        assert after.machine.cpu_nanoseconds > before.machine.cpu_nanoseconds

    # Storage

    async def test_what_a_container_writes_is_measured(self, rt: runtime.Runtime) -> None:
        writes = "head -c 200000 /dev/zero > /written; echo done" if self.has_images and self.real else "echo done"
        container = await self.run_to_end(rt, shell(writes))
        measured = await rt.written_bytes([container.id, "f" * 64])
        assert set(measured) == {container.id}
        if self.real:
            assert measured[container.id] > (200_000 if self.has_images else len("done"))

    async def test_an_image_is_listed_until_its_name_is_removed(self, rt: runtime.Runtime) -> None:
        if not self.has_images:
            assert await rt.images() == ()
            return
        names = [name for image in await rt.images() for name in image.names]
        assert "busybox:lab" in names
        await rt.remove_image("no-such-image:1")

    async def test_an_image_that_a_container_was_made_from_stays(self, rt: runtime.Runtime) -> None:
        if self.has_images:
            await rt.start(shell(HOLD))
            with pytest.raises(runtime.ImageInUseError):
                await rt.remove_image("busybox:lab")
            assert await rt.image_id("busybox:lab")

    # The watchdog

    @pytest.fixture
    async def watchdog(self, rt: runtime.Runtime) -> AsyncIterator[runtime.Watchdog]:
        watchdog = rt.watchdog()
        await watchdog.start()
        yield watchdog
        watchdog.retire()

    async def test_strict_containers_end_with_the_lease_and_others_go_on(
        self, rt: runtime.Runtime, watchdog: runtime.Watchdog
    ) -> None:
        now = SystemClock().monotonic()
        watchdog.renew(Lease(now, now + 60.0))
        ordinary = await rt.start(shell(SLOW_TO_END))
        strict = [await rt.start(shell(SLOW_TO_END, strict=True)) for _ in range(2)]
        assert all(each.strict for each in strict)
        assert watchdog.is_watching()
        await asyncio.sleep(1.5)
        assert len(await running(rt)) == 3
        now = SystemClock().monotonic()
        watchdog.renew(Lease(now, now + 0.5))
        await until(lambda: has_ended(rt, *strict), seconds=0.5 + KILL_SECONDS_MAX)
        assert [each.id for each in await running(rt)] == [ordinary.id]

    async def test_a_strict_container_without_a_lease_does_not_live(
        self, rt: runtime.Runtime, watchdog: runtime.Watchdog
    ) -> None:
        started = await rt.start(shell(SLOW_TO_END, strict=True))
        await until(lambda: has_ended(rt, started), seconds=2 * KILL_SECONDS_MAX)

    async def test_the_watchdog_remembers_the_lease_for_the_next_daemon(
        self, rt: runtime.Runtime, watchdog: runtime.Watchdog
    ) -> None:
        now = SystemClock().monotonic()
        watchdog.renew(Lease(now, now + 60.0))
        assert rt.watchdog().last() == Lease(now, now + 60.0)
        await rt.watchdog().start()  # there is one already
        assert rt.watchdog().is_watching()


async def running(rt: runtime.Runtime) -> list[Container]:
    return [each for each in await rt.list() if each.state is State.RUNNING]


async def has_ended(rt: runtime.Runtime, *containers: Container) -> bool:
    return not {each.id for each in containers} & {each.id for each in await running(rt)}


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  it is another process's doing
            await asyncio.sleep(0.02)
