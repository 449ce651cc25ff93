"""Containers' last words: where they are kept, whose they are, and how many."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from swarmlet.agent.containers.termination import FOLDER
from swarmlet.model.container import Container
from swarmlet.runtime.runtime import LogOptions, RuntimeInfo
from tests.agent.home import IMAGE, Home
from tests.fakes.runtime import Engine, FakeRuntime


class SlowlyTelling(FakeRuntime):
    """An Engine that takes its time for a log."""

    async def logs(self, container_id: str, options: LogOptions) -> AsyncIterator[bytes]:
        async for data in super().logs(container_id, options):
            yield data
        await self.engine.clock.sleep(1)


class RemoteRuntime(FakeRuntime):
    """An Engine that sees no file of the node's."""

    async def info(self) -> RuntimeInfo:
        return dataclasses.replace(await super().info(), is_local=False)


def speaking(script: str = "sleep 1e9", *, name: str = "main", policy: str = "File") -> Container:
    return Container(
        name=name, image=IMAGE, command=("sh", "-c", script),
        termination_message_path="/dev/termination-log", termination_message_policy=policy,
    )  # fmt: skip


def file_of(home: Home, name: str = "main", attempt: int = 0) -> Path:
    return home.folder / "data" / "pods" / "uid-web" / FOLDER / f"{name}.{attempt}"


async def test_each_run_has_a_file_of_its_own_that_anybody_may_write(home: Home, engine: Engine) -> None:
    key = home.bind(containers=[speaking()])
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        assert file_of(home).stat().st_mode & 0o777 == 0o666
        assert file_of(home).parent.stat().st_mode & 0o777 == 0o700
        (mount,) = next(iter(engine.processes.values())).spec.mounts
        assert (mount.source, mount.target) == (str(file_of(home)), "/dev/termination-log")
        file_of(home).write_text("no more beans", encoding="utf-8")
        engine.kill(engine.running()[0].id)
        await home.until(lambda: home.restarts(key) == 1)
        assert home.status(key).container_statuses[0].last_state.terminated.message == "no more beans"
        assert [path.name for path in file_of(home).parent.iterdir()] == ["main.1"]
        assert file_of(home, attempt=1).read_bytes() == b""
        home.mark_deleted(key)
        await home.until(lambda: not home.exists(key))
    assert not file_of(home).parent.parent.exists()


async def test_the_end_of_a_long_message_is_kept(home: Home, engine: Engine) -> None:
    names = ("main", "b", "c", "d", "e", "f")
    key = home.bind(containers=[speaking(name=name) for name in names])
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        file_of(home, "b").write_bytes(b"a" * 9_000 + b"z" * 10)
        engine.kill(engine.running("b")[0].id)
        await home.until(lambda: home.status(key).container_statuses[1].restart_count == 1)
        message = home.status(key).container_statuses[1].last_state.terminated.message
    assert message == "a" * (2048 - 10) + "z" * 10  # twelve KiB for six containers


@pytest.mark.parametrize(
    ("policy", "code", "message"),
    [("FallbackToLogsOnError", 3, "words\n"), ("FallbackToLogsOnError", 0, ""), ("File", 3, "")],
)
async def test_the_log_speaks_for_a_container_that_failed_and_said_nothing(
    home: Home, policy: str, code: int, message: str
) -> None:
    key = home.bind(containers=[speaking(f"sleep 1; echo words; exit {code}", policy=policy)], restart_policy="Never")
    async with home.running():
        await home.until(lambda: home.status(key).phase in ("Succeeded", "Failed"))
    assert home.status(key).container_statuses[0].state.terminated.message == message


@pytest.mark.parametrize(("policy", "message"), [("FallbackToLogsOnError", "words\n"), ("File", "")])
async def test_on_an_engine_of_another_machine_only_the_log_speaks(
    engine: Engine, tmp_path: Path, policy: str, message: str
) -> None:
    home = Home(RemoteRuntime(engine), engine.clock, tmp_path)
    key = home.bind(containers=[speaking("sleep 1; echo words; exit 3", policy=policy)], restart_policy="Never")
    async with home.running():
        await home.until(lambda: home.status(key).phase == "Failed")
    assert [process.spec.mounts for process in engine.processes.values()] == [()]
    assert home.status(key).container_statuses[0].state.terminated.message == message


async def test_an_end_counts_though_the_container_is_removed_while_its_log_is_read(
    engine: Engine, tmp_path: Path
) -> None:
    home = Home(SlowlyTelling(engine), engine.clock, tmp_path)
    script = "sleep 1; echo words; exit 3"
    key = home.bind(containers=[speaking(script, policy="FallbackToLogsOnError")], restart_policy="Never")
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        container = engine.running()[0]
        await home.until(lambda: not engine.running())
        await home.pause(0.1)
        engine.forget(container.id)
        await home.until(lambda: home.status(key).phase == "Failed")
    terminated = home.status(key).container_statuses[0].state.terminated
    assert (terminated.exit_code, terminated.reason, terminated.message) == (3, "Error", "words\n")


async def test_what_was_said_while_the_daemon_was_away_is_heard(home: Home, engine: Engine) -> None:
    key = home.bind(containers=[speaking()], restart_policy="Never")
    async with home.running():
        await home.until(lambda: home.is_ready(key))
    file_of(home).write_text("is anybody there?", encoding="utf-8")
    engine.kill(engine.running()[0].id)
    async with home.running():
        await home.until(lambda: home.status(key).phase == "Failed")
    assert home.status(key).container_statuses[0].state.terminated.message == "is anybody there?"
