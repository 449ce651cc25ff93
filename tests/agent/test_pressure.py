"""A node that is short of memory or disk: what goes, in which order, and what is told of it."""

from __future__ import annotations

import pytest

from swarmlet.agent.machine.own_node import Machine
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.config import Config, Eviction, ImageCollection
from swarmlet.errors import EngineError
from swarmlet.model import conditions
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.pod_volumes import EmptyDirVolumeSource, Volume
from swarmlet.runtime import runtime
from swarmlet.store.commands import Key
from tests.agent.home import IMAGE, Home
from tests.fakes.gauges import GI, MI, ScriptedGauges
from tests.fakes.runtime import Engine


@pytest.fixture
def gauges(home: Home) -> ScriptedGauges:
    scripted = ScriptedGauges()
    home.machine = Machine(gauges=scripted)
    return scripted


def asking(memory: str = "", *, image: str = IMAGE, **limits: str) -> Container:
    names = {name.replace("_", "-"): text for name, text in limits.items()}
    requests = {"memory": memory} if memory else {}
    return Container(name="main", image=image, resources=ResourceRequirements(requests=requests, limits=names))


def script(text: str, *, image: str = IMAGE) -> Container:
    return Container(name="main", image=image, command=("sh", "-c", text))


def containers_of(engine: Engine, pod: str) -> int:
    return sum(process.container.pod.name == pod for process in engine.processes.values())


def phase(home: Home, key: Key) -> str:
    return home.status(key).phase


async def test_what_a_node_has_left_is_told_with_its_heartbeats(home: Home, gauges: ScriptedGauges) -> None:
    async with home.running():
        await home.until(lambda: bool(home.heartbeats))
        assert home.heartbeats[-1]["pressures"] is None, "it has not measured yet"
        await home.until(lambda: home.heartbeats[-1]["pressures"] == ())
        gauges.leave("memory.available", 50 * MI)
        gauges.leave("pid.available", 10)
        await home.until(lambda: home.heartbeats[-1]["pressures"] == ("MemoryPressure", "PIDPressure"), 5)
        gauges.leave("memory.available", GI)
        gauges.leave("pid.available", 10_000)
        assert 28 <= await home.until(lambda: home.heartbeats[-1]["pressures"] == ()) <= 35
        assert [event.message for event in home.events("EvictionThresholdMet")] == [
            "Attempting to reclaim memory",
            "Attempting to reclaim pids",
        ]


async def test_short_of_memory_the_pod_most_above_its_request_is_evicted(
    home: Home, engine: Engine, gauges: ScriptedGauges
) -> None:
    keys = {name: home.bind(name, containers=[asking(ask)]) for name, ask in (("a", "1Gi"), ("b", ""), ("c", "64Mi"))}
    engine.memory_of = {"a": 900 * MI, "b": 100 * MI, "c": 300 * MI}
    async with home.running():
        await home.until(lambda: all(home.is_ready(key) for key in keys.values()))
        gauges.leave("memory.available", lambda: 50 * MI if len(engine.running()) == 3 else GI)
        await home.until(lambda: phase(home, keys["c"]) == "Failed", 10)
        await home.pause(60)
        assert {name: phase(home, key) for name, key in keys.items()} == {"a": "Running", "b": "Running", "c": "Failed"}
        status = home.status(keys["c"])
        assert status.reason == "Evicted"
        assert status.message == (
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
            "Container main was using 300Mi, request is 64Mi, has larger consumption of memory. "
        )
        disrupted = conditions.get(status.conditions, "DisruptionTarget")
        assert disrupted is not None
        assert (disrupted.status, disrupted.reason) == ("True", "TerminationByKubelet")
        (event,) = home.events("Evicted")
        assert (event.type, event.message, event.involved_object.name) == ("Warning", status.message, "c")


async def test_pods_are_evicted_one_after_the_other_until_it_is_enough(
    home: Home, engine: Engine, gauges: ScriptedGauges
) -> None:
    keys = [home.bind(f"p{number}") for number in range(4)]
    engine.memory_of = {f"p{number}": number * 100 * MI for number in range(4)}
    async with home.running():
        await home.until(lambda: all(map(home.is_ready, keys)))
        gauges.leave("memory.available", lambda: 0 if len(engine.running()) > 2 else GI)
        await home.until(lambda: len(engine.running()) == 2, 15)
        await home.pause(60)
        assert [phase(home, key) for key in keys] == ["Running", "Running", "Failed", "Failed"]
        assert len(home.events("Evicted")) == 2


@pytest.fixture
def slow_ends(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine takes fifteen seconds to stop a container."""
    stop = home.runtime.stop

    async def slowly(container_id: str, *, grace_seconds: float) -> runtime.Container:
        await home.clock.sleep(15)
        return await stop(container_id, grace_seconds=grace_seconds)

    monkeypatch.setattr(home.runtime, "stop", slowly)


async def test_the_next_pod_waits_until_the_last_has_ended(
    home: Home, engine: Engine, gauges: ScriptedGauges, slow_ends: None
) -> None:
    engine.memory_of = {"slow": 300 * MI}
    slow, other = home.bind("slow"), home.bind("other")
    async with home.running():
        await home.until(lambda: home.is_ready(slow) and home.is_ready(other))
        gauges.leave("memory.available", lambda: 0 if len(engine.running()) > 1 else GI)
        await home.until(lambda: phase(home, slow) == "Failed", 30)
        await home.pause(30)
        assert phase(home, other) == "Running"


async def test_nobody_is_evicted_for_processes(home: Home, gauges: ScriptedGauges) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        gauges.leave("pid.available", 0)
        await home.pause(60)
        assert phase(home, key) == "Running"


async def test_an_evicted_pod_stays_so_when_the_daemon_starts_anew(
    home: Home, engine: Engine, gauges: ScriptedGauges
) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        gauges.leave("memory.available", lambda: 0 if engine.running() else GI)
        await home.until(lambda: phase(home, key) == "Failed", 10)
    async with home.running():
        await home.pause(30)
        assert (phase(home, key), home.status(key).reason) == ("Failed", "Evicted")
        assert engine.running() == []


# Disk


async def test_short_of_disk_dead_containers_and_unused_images_go_before_pods(
    home: Home, engine: Engine, gauges: ScriptedGauges
) -> None:
    engine.registry |= {"ours:1"}
    ours = home.bind("ours", containers=[asking(image="ours:1")])
    crashing = home.bind("crashing", restart_policy="Always", containers=[script("exit 1")])
    finished = home.bind("finished", restart_policy="Never", containers=[script("exit 0")])
    other = home.bind("other")
    async with home.running():
        await home.until(lambda: home.is_ready(ours) and home.is_ready(other) and phase(home, finished) == "Succeeded")
        await home.until(lambda: home.restarts(crashing) >= 2)
        home.delete_at_once(ours)
        await home.until(lambda: containers_of(engine, "ours") == 0)
        assert (containers_of(engine, "crashing"), containers_of(engine, "finished")) == (2, 1)
        gauges.leave("imagefs.available", lambda: GI if "ours:1" in engine.images else 90 * GI)
        await home.until(lambda: "ours:1" not in engine.images, 10)
        await home.pause(10)
        assert IMAGE in engine.images, "it was there before us"
        assert (containers_of(engine, "crashing"), containers_of(engine, "finished")) == (1, 0)
        assert phase(home, other) == "Running", "that was enough"
        assert home.events("Evicted") == []
        assert phase(home, finished) == "Succeeded"
        assert home.heartbeats[-1]["pressures"] == ("DiskPressure",)


async def test_where_that_is_not_enough_the_pod_that_wrote_most_is_evicted(
    home: Home, engine: Engine, gauges: ScriptedGauges
) -> None:
    keys = [home.bind(name) for name in ("little", "much")]
    engine.written = {"little": MI, "much": GI}
    async with home.running():
        await home.until(lambda: all(map(home.is_ready, keys)))
        gauges.leave("nodefs.available", lambda: GI if len(engine.running()) == 2 else 50 * GI)
        await home.until(lambda: phase(home, keys[1]) == "Failed", 10)
        await home.pause(30)
        assert phase(home, keys[0]) == "Running"
        assert home.status(keys[1]).message == (
            "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 1Gi. "
            "Container main was using 1Gi, request is 0, has larger consumption of ephemeral-storage. "
        )


async def test_with_two_disks_the_one_that_is_short_decides(home: Home, engine: Engine, gauges: ScriptedGauges) -> None:
    engine.registry |= {"ours:1"}
    volume = Volume(name="scratch", empty_dir=EmptyDirVolumeSource())
    writer, holder = home.bind("writer"), home.bind("holder", volumes=(volume,))
    engine.written = {"writer": 100 * MI}
    gauges.resize("imagefs.available", 200 * GI)
    async with home.running():
        await run_and_delete(home, engine, "ours")
        await home.until(lambda: home.is_ready(writer) and home.is_ready(holder))
        (home.folder / "data" / "pods" / "uid-holder" / "scratch" / "file").write_bytes(b"x" * MI)
        gauges.leave("nodefs.available", lambda: GI if len(engine.running()) == 2 else 50 * GI)
        await home.until(lambda: phase(home, holder) == "Failed", 10)
        await home.pause(30)
        assert phase(home, writer) == "Running", "what it wrote lies on the other disk"
        assert "ours:1" in engine.images, "and so do the images"


async def test_a_pod_that_writes_more_than_it_may_is_evicted(
    home: Home, engine: Engine, gauges: ScriptedGauges, slow_ends: None
) -> None:
    key = home.bind(containers=[asking(ephemeral_storage="10Mi")])
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        await home.pause(30)
        engine.written = {"web": 11 * MI}
        await home.until(lambda: phase(home, key) == "Failed", 30)
        assert home.status(key).message == (
            "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "
        )
        await home.pause(30)
        (event,) = home.events("Evicted")
        assert event.count == 1


async def test_a_pod_that_fills_its_empty_dir_is_evicted(home: Home, gauges: ScriptedGauges) -> None:
    volume = Volume(name="scratch", empty_dir=EmptyDirVolumeSource(size_limit="1Mi"))
    key = home.bind(volumes=(volume,))
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        await home.pause(30)
        assert phase(home, key) == "Running"
        (home.folder / "data" / "pods" / "uid-web" / "scratch" / "file").write_bytes(b"x" * 2 * MI)
        await home.until(lambda: phase(home, key) == "Failed", 15)
        assert home.status(key).message == 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi".'


# Images


@pytest.fixture
def pulling(home: Home, engine: Engine, gauges: ScriptedGauges) -> ScriptedGauges:
    """A node of which each image but one takes a tenth of the disk."""
    engine.registry |= {"a:1", "b:1", "c:1"}
    gauges.leave("imagefs.available", lambda: (50 - 10 * (len(engine.images) - 1)) * GI)
    home.config = Config(
        eviction=Eviction(hard={"imagefs.available": "0"}),
        image_collection=ImageCollection(high_threshold_percent=75, low_threshold_percent=72),
    )
    return gauges


async def run_and_delete(home: Home, engine: Engine, name: str) -> None:
    key = home.bind(name, containers=[asking(image=f"{name}:1")])
    await home.until(lambda: home.is_ready(key))
    home.delete_at_once(key)
    await home.until(lambda: containers_of(engine, name) == 0)
    await home.pause(5)


async def test_a_full_disk_loses_the_longest_unused_images_until_it_has_room(
    home: Home, engine: Engine, pulling: ScriptedGauges
) -> None:
    async with home.running():
        for name in ("b", "a", "b"):
            await run_and_delete(home, engine, name)
        await home.pause(200)
        assert engine.images == {IMAGE, "a:1", "b:1"}, "seventy percent is not too much"
        kept = home.bind("c", containers=[asking(image="c:1")])
        await home.until(lambda: home.is_ready(kept))
        await home.until(lambda: len(engine.images) == 3, 10)
        await home.pause(10)
        assert engine.images == {IMAGE, "b:1", "c:1"}, "b was used after a, and one was enough"


async def test_an_image_counts_as_used_for_as_long_as_a_pod_is_here(
    home: Home, engine: Engine, pulling: ScriptedGauges
) -> None:
    async with home.running():
        key = home.bind("b", containers=[asking(image="b:1")])
        await home.until(lambda: home.is_ready(key))
        await run_and_delete(home, engine, "a")
        home.delete_at_once(key)
        await home.pause(200)
        kept = home.bind("c", containers=[asking(image="c:1")])
        await home.until(lambda: home.is_ready(kept))
        await home.until(lambda: len(engine.images) == 3, 10)
        assert engine.images == {IMAGE, "b:1", "c:1"}


async def test_an_image_is_left_alone_while_it_is_young(home: Home, engine: Engine, pulling: ScriptedGauges) -> None:
    async with home.running():
        for name in ("a", "b", "c"):
            await run_and_delete(home, engine, name)
        assert len(engine.images) == 4
        await home.until(lambda: bool(home.events("FreeDiskSpaceFailed")), 20)
        (event,) = home.events("FreeDiskSpaceFailed")
        assert event.message == (
            "Failed to garbage collect required amount of images. "
            f"Attempted to free {8 * GI} bytes, but only found 0 bytes eligible to free."
        )
        await home.until(lambda: len(engine.images) == 3, 310)
        assert engine.images == {IMAGE, "b:1", "c:1"}


async def test_images_that_were_there_before_are_never_removed(
    home: Home, engine: Engine, pulling: ScriptedGauges
) -> None:
    engine.images |= {"a:1", "b:1", "c:1"}
    async with home.running():
        key = home.bind("a", containers=[Container(name="main", image="a:1", image_pull_policy="Always")])
        await home.until(lambda: home.is_ready(key))
        home.delete_at_once(key)
        await home.pause(1_000)
        assert engine.images == {IMAGE, "a:1", "b:1", "c:1"}, "pulled anew, it is still not ours"


async def test_all_images_go_where_the_configuration_gives_them(
    home: Home, engine: Engine, pulling: ScriptedGauges
) -> None:
    engine.images |= {"a:1", "b:1", "c:1"}
    home.config = Config(
        image_collection=ImageCollection(high_threshold_percent=75, low_threshold_percent=65, images="all")
    )
    async with home.running():
        key = home.bind("c", containers=[asking(image="docker.io/library/c:1")])
        engine.images.add("docker.io/library/c:1")
        await home.until(lambda: home.is_ready(key))
        await home.until(lambda: "a:1" not in engine.images, 1_000)
        assert "c:1" in engine.images, "a Pod uses it under another name"


async def test_an_image_in_use_keeps_its_other_names(
    home: Home, engine: Engine, pulling: ScriptedGauges, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []

    async def images() -> list[runtime.Image]:
        return [
            runtime.Image("1", (IMAGE, f"{IMAGE.partition(':')[0]}@sha256:1"), 1),
            runtime.Image("2", ("a:1", "a@sha256:2"), 1),
        ]

    async def remove(name: str) -> None:
        removed.append(name)

    monkeypatch.setattr(home.runtime, "images", images)
    monkeypatch.setattr(home.runtime, "remove_image", remove)
    home.config = Config(image_collection=ImageCollection(images="all"))
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        pulling.leave("imagefs.available", 0)
        await home.until(lambda: "a:1" in removed, 1_000)
        await home.pause(10)
    assert set(removed) == {"a:1", "a@sha256:2"}


async def test_what_was_pulled_is_known_to_the_next_daemon(home: Home, engine: Engine, gauges: ScriptedGauges) -> None:
    engine.registry.add("a:1")
    home.machine = Machine(gauges=gauges, pulled_images=home.folder / "pulled-images.json")
    async with home.running():
        await run_and_delete(home, engine, "a")
    gauges.leave("imagefs.available", lambda: 5 * GI if "a:1" in engine.images else 50 * GI)
    async with home.running():
        await home.until(lambda: "a:1" not in engine.images, 300)
    assert (home.folder / "pulled-images.json").read_text(encoding="utf-8") == "{}"


async def test_a_damaged_list_of_pulled_images_costs_nothing(
    home: Home, engine: Engine, gauges: ScriptedGauges
) -> None:
    file = home.folder / "pulled-images.json"
    file.write_text('{"a:1": 7}', encoding="utf-8")
    home.machine = Machine(gauges=gauges, pulled_images=file)
    async with home.running():
        key = home.bind()
        await home.until(lambda: home.is_ready(key))


async def test_a_dead_container_that_cannot_be_removed_keeps_nobody_from_relief(
    home: Home, engine: Engine, gauges: ScriptedGauges, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = home.runtime.remove

    async def unless_busy(container_id: str) -> None:
        if engine.processes[container_id].container.pod.name == "busy":
            raise EngineError("device or resource busy")
        await remove(container_id)

    monkeypatch.setattr(home.runtime, "remove", unless_busy)
    busy = home.bind("busy", containers=[script("exit 0")], restart_policy="Never")
    web = home.bind()
    async with home.running():
        await home.until(lambda: phase(home, busy) == "Succeeded" and home.is_ready(web))
        gauges.leave("nodefs.available", 0)
        await home.until(lambda: phase(home, web) == "Failed", 15)


async def test_what_a_pod_makes_of_its_files_does_not_end_the_agent(
    home: Home, gauges: ScriptedGauges, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> str:
        raise OSError(36, "File name too long")

    monkeypatch.setattr(Volumes, "over_limit", unreadable)
    volume = Volume(name="v", empty_dir=EmptyDirVolumeSource(size_limit="1Ki"))
    key = home.bind(volumes=(volume,))
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        await home.pause(60)
        gauges.leave("memory.available", 0)
        await home.until(lambda: phase(home, key) == "Failed", 15)
