"""Pods of Jobs on their node: restartPolicy Never and OnFailure, and Pods whose end somebody waits for."""

from __future__ import annotations

import pytest

from swarmlet.agent.life import stimuli
from swarmlet.model import batch, kinds, objects
from swarmlet.model.container import Container, VolumeMount
from swarmlet.model.core import ConfigMap
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.model.pod_volumes import ConfigMapVolumeSource, EmptyDirVolumeSource, Volume
from swarmlet.store.commands import Key
from tests.agent.bench import Bench, new_pod
from tests.agent.home import IMAGE, Home


def held(pod: Pod) -> Pod:
    return objects.with_metadata(pod, finalizers=(batch.TRACKING_FINALIZER,))


def running(**spec: str) -> Bench:
    bench = Bench(held(new_pod(**spec)))
    bench.do_all()
    assert bench.status.phase == "Running"
    return bench


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (3, "Failed")])
def test_with_never_the_first_end_is_the_pods(code: int, phase: str) -> None:
    bench = running(restart_policy="Never")
    bench.exit(code=code)
    bench.wait(1000)
    assert bench.status.phase == phase
    assert bench.status.container_statuses[0].restart_count == 0
    assert bench.status.container_statuses[0].state.terminated.exit_code == code
    assert bench.todo == []


def test_with_on_failure_a_failed_container_starts_anew_until_it_succeeds() -> None:
    bench = running(restart_policy="OnFailure")
    for restarts in (1, 2):
        bench.exit(code=1)
        bench.wait(60)
        bench.do_all()
        assert bench.status.container_statuses[0].restart_count == restarts
        assert bench.status.phase == "Running"
    bench.exit(code=0)
    bench.wait(1000)
    assert bench.status.phase == "Succeeded"
    assert bench.status.container_statuses[0].restart_count == 2
    assert bench.todo == []


def test_with_never_an_init_container_that_fails_ends_the_pod() -> None:
    bench = Bench(held(new_pod(inits=("first",), restart_policy="Never")))
    while "first" not in {each.name for each in bench.there.values()}:
        bench.succeed()
    bench.exit("first", code=1)
    assert bench.status.phase == "Failed"


@pytest.mark.parametrize("policy", ["Never", "OnFailure", "Always"])
def test_a_deleted_pod_that_is_held_tells_that_it_failed(policy: str) -> None:
    bench = running(restart_policy=policy)
    bench.delete()
    assert bench.status.phase == "Running"
    bench.do_all()
    assert bench.finished
    assert bench.machine.wants_status
    assert bench.status.phase == "Failed"


def test_a_deleted_pod_that_never_ran_tells_that_it_failed() -> None:
    bench = Bench(held(new_pod(restart_policy="Never")))
    bench.delete()
    bench.do_all()
    assert bench.finished
    assert bench.status.phase == "Failed"


def test_a_pod_that_had_succeeded_stays_so_when_it_is_deleted() -> None:
    bench = running(restart_policy="Never")
    bench.exit(code=0)
    bench.delete()
    bench.do_all()
    assert bench.status.phase == "Succeeded"


def test_volumes_go_once_the_store_knows_that_the_pod_has_ended() -> None:
    bench = Bench(new_pod(volume=True, restart_policy="Never"))
    bench.do_all()
    bench.exit(code=0)
    assert bench.todo == [], "what was said may have to be read again"
    again = bench.restart_daemon()
    assert again.todo == [stimuli.RemoveVolumes()]
    again.delete()
    assert not again.finished, "they are being removed"
    again.do_all()
    assert again.finished


async def test_a_pod_that_has_ended_takes_no_room_while_somebody_keeps_it(home: Home) -> None:
    work = Container(
        name="main", image=IMAGE, command=("sh", "-c", "exit 0"), termination_message_path="/dev/termination-log"
    )
    volume = Volume(name="v", empty_dir=EmptyDirVolumeSource())
    key = home.bind(containers=(work,), volumes=(volume,), restart_policy="Never")
    async with home.running():
        await home.until(lambda: home.status(key).phase == "Succeeded")
        await home.pause(1)
        assert not (home.folder / "data" / "pods" / "uid-web").exists()
        home.mark_deleted(key)
        await home.until(lambda: not home.exists(key))


async def test_what_a_pod_writes_is_left_alone_while_what_it_is_shown_changes(home: Home) -> None:
    config = Key(kinds.CONFIG_MAP.resource, "default", "m")
    mounts = tuple(VolumeMount(name=name, mount_path=f"/{name}") for name in ("own", "shown"))
    volumes = (
        Volume(name="own", empty_dir=EmptyDirVolumeSource()),
        Volume(name="shown", config_map=ConfigMapVolumeSource(name="m")),
    )
    home.put(config, ConfigMap(metadata=ObjectMeta(name="m", namespace="default"), data={"a": "1"}))
    key = home.bind(containers=(Container(name="main", image=IMAGE, volume_mounts=mounts),), volumes=volumes)
    folder = home.folder / "data" / "pods" / "uid-web"
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        (folder / "own").rmdir()
        home.put(config, ConfigMap(metadata=ObjectMeta(name="m", namespace="default"), data={"a": "2"}))
        await home.until(lambda: (folder / "shown" / "a").read_text() == "2")
        assert not (folder / "own").exists()
