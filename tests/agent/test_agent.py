"""What a node does with the Pods that are bound to it."""

from __future__ import annotations

from tests.agent.home import Home
from tests.fakes.runtime import Engine


async def test_a_bound_pod_becomes_ready(home: Home) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
    status = home.status(key)
    assert status.phase == "Running"
    assert status.pod_ip.startswith("10.244.0.")
    assert status.container_statuses[0].container_id.startswith("fake://")


async def test_a_container_killed_by_hand_is_replaced(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        engine.kill(engine.running()[0].id)
        seconds = await home.until(lambda: home.restarts(key) == 1 and home.is_ready(key))
    assert seconds < 1
    assert home.status(key).container_statuses[0].last_state.terminated.exit_code == 137


async def test_a_deleted_pod_is_stopped_and_its_object_removed(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        home.mark_deleted(key)
        await home.until(lambda: not home.exists(key))
    assert engine.processes == {}


async def test_a_restarted_daemon_adopts_its_containers(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        engine.kill(engine.running()[0].id)
        await home.until(lambda: home.restarts(key) == 1)
    before = engine.running()
    async with home.running():
        await home.pause(60)
        assert engine.running() == before
        assert home.restarts(key) == 1
        engine.kill(engine.running()[0].id)
        await home.until(lambda: home.restarts(key) == 2)
