"""Strict singletons on their node: they run while it has a lease, and never without."""

from __future__ import annotations

import asyncio

import pytest

from swarmlet.model.container import Container
from swarmlet.model.singletons import STRICT_SINGLETON
from swarmlet.runtime.runtime import Lease
from swarmlet.store.commands import Delete, Key
from tests.agent.home import IMAGE, Home
from tests.fakes.runtime import Engine, FakeWatchdog

FENCE_AFTER = 10.0


@pytest.fixture
def watchdog(home: Home) -> FakeWatchdog:
    return home.runtime.watchdog()


def bind(home: Home, name: str = "one", **spec: object) -> Key:
    return home.bind(name, annotations={STRICT_SINGLETON: "true"}, **spec)


async def test_it_starts_once_the_node_has_a_lease(home: Home, engine: Engine) -> None:
    home.leases = False
    async with home.running():
        bind(home)
        ordinary = home.bind("web")
        await home.until(lambda: home.is_ready(ordinary))
        await home.pause(20)
        assert [each.pod.name for each in engine.running()] == ["web"]
        home.leases = True
        assert await home.until(lambda: len(engine.running()) == 2) < 3


async def test_it_is_killed_in_time_where_no_answer_comes_and_others_go_on(home: Home, engine: Engine) -> None:
    async with home.running():
        key, ordinary = bind(home), home.bind("web")
        await home.until(lambda: home.is_ready(key) and home.is_ready(ordinary))
        home.replica.cut = True
        took = await home.until(lambda: len(engine.running()) == 1)
        assert FENCE_AFTER - 1.5 < took <= FENCE_AFTER
        assert engine.running()[0].pod.name == "web"
        assert home.agent.fenced().stopped == ("default/one",)
        await home.pause(60)
        assert len(engine.running()) == 1, "nothing starts while it is cut off"
        home.replica.cut = False
        await home.until(lambda: len(engine.running()) == 2)
        await home.until(lambda: bool(home.events("Fenced")))
        assert "cut off from the quorum since" in home.events("Fenced")[0].message
        assert home.agent.fenced().stopped == ()


async def test_the_lease_counts_from_before_the_heartbeat_was_sent(home: Home, engine: Engine) -> None:
    """The leader granted it at some time before the answer came: the node cannot know which."""
    home.answer_seconds = 1.8
    async with home.running():
        key = bind(home)
        await home.until(lambda: home.is_ready(key))
        count = len(home.heartbeats)
        await home.until(lambda: len(home.heartbeats) > count)
        sent = home.clock.monotonic()
        await home.pause(1.79)  # the answer is about to come, and is the last
        home.leases = False
        await home.until(lambda: not engine.running())
        assert home.clock.monotonic() <= sent + FENCE_AFTER + 0.02


async def test_the_watchdog_kills_in_time_where_the_daemon_has_died(home: Home, engine: Engine) -> None:
    async with home.running():
        key, ordinary = bind(home), home.bind("web")
        await home.until(lambda: home.is_ready(key) and home.is_ready(ordinary))
    took = await home.until(lambda: len(engine.running()) == 1)
    assert FENCE_AFTER - 1.5 < took <= FENCE_AFTER
    assert engine.running()[0].pod.name == "web"


async def test_a_daemon_that_is_back_in_time_goes_on_with_what_runs(home: Home, engine: Engine) -> None:
    async with home.running():
        key = bind(home)
        await home.until(lambda: home.is_ready(key))
    (before,) = engine.running()
    await home.pause(FENCE_AFTER / 2)
    async with home.running():
        await home.pause(60)
        assert engine.running() == [before]


async def test_a_daemon_that_starts_cut_off_kills_what_it_finds(
    home: Home, engine: Engine, watchdog: FakeWatchdog
) -> None:
    async with home.running():
        key = bind(home)
        await home.until(lambda: home.is_ready(key))
    watchdog.works = False  # the daemon alone must see to it
    home.replica.cut = True
    await home.pause(FENCE_AFTER - 1)
    assert len(engine.running()) == 1
    async with home.running():
        await home.until(lambda: not engine.running(), seconds=FENCE_AFTER)
        await home.pause(30)
        assert not engine.running()


async def test_a_daemon_that_finds_no_lease_kills_at_once(home: Home, engine: Engine, watchdog: FakeWatchdog) -> None:
    async with home.running():
        key = bind(home)
        await home.until(lambda: home.is_ready(key))
    watchdog.works, watchdog.lease = False, None
    home.replica.cut = True
    async with home.running():
        assert await home.until(lambda: not engine.running()) < 0.5


async def test_a_shorter_lease_in_the_configuration_cuts_what_was_granted_before(
    home: Home, engine: Engine, watchdog: FakeWatchdog
) -> None:
    async with home.running():
        key = bind(home)
        await home.until(lambda: home.is_ready(key))
    since = home.clock.monotonic()
    watchdog.renew(Lease(since, since + 40.0))
    home.leases = False
    async with home.running():
        await home.until(lambda: not engine.running())
        assert home.clock.monotonic() <= since + FENCE_AFTER + 0.02
        assert home.node().metadata.annotations["swarmlet.io/fence-after-seconds"] == "10"


async def test_what_is_not_its_own_any_more_does_not_start_when_the_node_is_back(home: Home, engine: Engine) -> None:
    """Its replica lags: it shows the Pod for a while after the lease is back, until it has asked the cluster."""
    async with home.running():
        key = bind(home)
        await home.until(lambda: home.is_ready(key))
        home.replica.cut = True
        await home.until(lambda: not engine.running())
        starts = engine.starts
        asked = asyncio.Event()

        async def linearize(**_: object) -> None:
            await home.pause(3)
            home.replica.apply(Delete(key))
            asked.set()

        home.replica.linearize = linearize  # type: ignore[method-assign]
        home.agent._fence._linearize = linearize
        home.replica.cut = False
        await asked.wait()
        await home.pause(30)
        assert engine.starts == starts
        assert not engine.running()


async def test_without_a_watchdog_there_is_no_lease(home: Home, engine: Engine, watchdog: FakeWatchdog) -> None:
    watchdog.works = False
    async with home.running():
        bind(home)
        await home.pause(30)
        assert not engine.running()
        assert ["its deputy does not run" in each.message for each in home.events("WaitsForLease")] == [True]
        watchdog.works = True
        await home.until(lambda: bool(engine.running()))


async def test_a_watchdog_that_hangs_when_it_is_started_holds_up_no_kill(
    home: Home, engine: Engine, watchdog: FakeWatchdog
) -> None:
    async with home.running():
        key = bind(home)
        await home.until(lambda: home.is_ready(key))
        watchdog.works = False

        async def start() -> None:
            await home.pause(60)

        watchdog.start = start  # type: ignore[method-assign]
        await home.until(lambda: not engine.running(), seconds=FENCE_AFTER + 0.1)


async def test_a_start_that_takes_longer_than_the_lease_is_undone_at_once(
    home: Home, engine: Engine, watchdog: FakeWatchdog
) -> None:
    engine.start_seconds = 15.0
    async with home.running():
        bind(home)
        await home.pause(3)
        home.replica.cut = True
        watchdog.works = False
        await home.until(lambda: engine.starts == 1)
        await home.pause(0.01)
        assert not engine.running()


async def test_one_that_waits_for_a_lease_can_be_deleted(home: Home, engine: Engine) -> None:
    home.leases = False
    async with home.running():
        key = bind(home)
        await home.pause(5)
        home.mark_deleted(key)
        await home.pause(5)
        assert home.exists(key), "nobody without a lease may say that it has ended: another may have been meant"
        home.leases = True
        await home.until(lambda: not home.exists(key))
        assert engine.starts == 0


@pytest.mark.parametrize("names", [("main",), ("main", "side")], ids=["container", "sandbox"])
async def test_one_that_waits_for_a_lease_can_miss_its_deadline(
    home: Home, engine: Engine, names: tuple[str, ...]
) -> None:
    home.leases = False
    async with home.running():
        containers = [Container(name=name, image=IMAGE) for name in names]
        key = bind(home, containers=containers, active_deadline_seconds=10)
        assert 9 < await home.until(lambda: home.status(key).phase == "Failed", seconds=30) < 12
    assert home.status(key).reason == "DeadlineExceeded"
    assert engine.starts == 0


async def test_a_sandbox_and_all_containers_are_killed(home: Home, engine: Engine) -> None:
    containers = [Container(name="main", image=IMAGE), Container(name="side", image=IMAGE)]
    async with home.running():
        key = bind(home, containers=containers)
        await home.until(lambda: home.is_ready(key))
        assert len(engine.running()) == 3
        home.replica.cut = True
        await home.until(lambda: not engine.running())
        assert home.clock.monotonic() < 15


async def test_a_stateful_sets_pod_is_one(home: Home, engine: Engine) -> None:
    async with home.running():
        key = home.bind("db-0", owner=("apps/v1", "StatefulSet", "db"))
        await home.until(lambda: home.is_ready(key))
        home.replica.cut = True
        await home.until(lambda: not engine.running(), seconds=FENCE_AFTER + 1)
