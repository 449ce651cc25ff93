"""What a node does with the Pods that are bound to it, as a user sees it."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import pytest

from swarmlet.agent import runner
from swarmlet.agent.life.pod_machine import PodMachine
from swarmlet.errors import CallerError, NotFoundError
from swarmlet.model import kinds, objects
from swarmlet.model.container import Container, VolumeMount
from swarmlet.model.core import ConfigMap, Node, NodeSpec, Secret, Taint
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.model.pod_volumes import ConfigMapVolumeSource, SecretVolumeSource, Volume
from swarmlet.model.probes import ExecAction, Lifecycle, LifecycleHandler
from swarmlet.runtime.runtime import ContainerSpec, LogOptions, PodIdentity, State
from swarmlet.store.commands import COMMAND_BYTES_MAX, Key
from tests.agent.home import IMAGE, NODE, Home
from tests.fakes.runtime import Engine, FakeRuntime

PODS = 50


def config_map(home: Home, name: str, **data: str) -> None:
    key = Key(kinds.CONFIG_MAP.resource, "default", name)
    home.put(key, ConfigMap(metadata=ObjectMeta(name=name, namespace="default", uid=f"uid-{name}"), data=data))


def script(text: str, **fields: object) -> Container:
    return Container(name="main", image=IMAGE, command=("sh", "-c", text), **fields)  # type: ignore[arg-type]


async def text_of(home: Home, name: str, *, previous: bool = False) -> bytes:
    return b"".join(
        [data async for data in home.agent.streams.logs("default", name, "", LogOptions(), previous=previous)]
    )


# Pods


async def test_a_bound_pod_becomes_ready(home: Home) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
    status = home.status(key)
    assert status.phase == "Running"
    assert status.pod_ip.startswith("10.244.0.")
    assert status.container_statuses[0].container_id.startswith("fake://")


async def test_a_pod_that_is_bound_later_is_started(home: Home) -> None:
    async with home.running():
        await home.pause(5)
        key = home.bind()
        assert await home.until(lambda: home.is_ready(key)) < 0.1


async def test_a_container_killed_by_hand_is_replaced(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        engine.kill(engine.running()[0].id)
        assert await home.until(lambda: home.restarts(key) == 1 and home.is_ready(key)) < 0.1
    assert home.status(key).container_statuses[0].last_state.terminated.exit_code == 137


async def test_a_container_removed_by_hand_is_replaced(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        engine.forget(engine.running()[0].id)
        await home.until(lambda: home.restarts(key) == 1 and home.is_ready(key))


async def test_a_deleted_pod_is_stopped_and_its_object_removed(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        home.mark_deleted(key)
        await home.until(lambda: not home.exists(key))
    assert engine.processes == {}


async def test_a_finalizer_keeps_the_object_until_it_is_taken_off(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        home.mark_deleted(key, finalizers=("example.com/hold",))
        await home.until(lambda: not engine.processes)
        await home.pause(5)
        assert home.exists(key)
        home.put(key, objects.with_metadata(home.pod(key), finalizers=()))
        await home.until(lambda: not home.exists(key))


async def test_a_pod_deleted_at_once_leaves_no_container(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        home.delete_at_once(key)
        await home.until(lambda: not engine.processes)


async def test_a_pod_of_the_same_name_is_another_pod(home: Home, engine: Engine) -> None:
    key = home.bind(uid="first")
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        home.delete_at_once(key)
        home.bind(uid="second")
        await home.until(lambda: home.is_ready(key))
        await home.until(lambda: len(engine.processes) == 1)
    assert [each.pod.uid for each in engine.running()] == ["second"]


async def test_pre_stop_runs_before_the_container_is_stopped(home: Home, engine: Engine) -> None:
    hook = Lifecycle(pre_stop=LifecycleHandler(exec=ExecAction(command=("sh", "-c", "sleep 3"))))
    key = home.bind(containers=[script("sleep 1e9", lifecycle=hook)])
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        home.mark_deleted(key)
        assert 2.9 < await home.until(lambda: not engine.running()) < 3.1


async def test_what_does_not_end_is_killed_after_the_grace_period(home: Home, engine: Engine) -> None:
    key = home.bind(containers=[script("trap '' TERM; sleep 1e9")])
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        await home.pause(0.1)
        home.mark_deleted(key, grace_seconds=5)
        assert 4.9 < await home.until(lambda: not engine.running()) < 5.2


# Images


async def test_an_image_is_pulled_where_it_is_not_here(home: Home, engine: Engine) -> None:
    engine.registry.add("new:1")
    key = home.bind(containers=[Container(name="main", image="new:1")])
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        await home.until(lambda: bool(home.events("Started")))
    assert [each.message for each in home.events("Pulling")] == ['Pulling image "new:1"']
    assert "Successfully pulled" in home.events("Pulled")[0].message


async def test_an_image_that_cannot_be_pulled_backs_off_and_recovers(home: Home, engine: Engine) -> None:
    key = home.bind(containers=[Container(name="main", image="typo:1")])
    async with home.running():
        await home.until(lambda: home.waiting(key) == "ErrImagePull")
        await home.until(lambda: home.waiting(key) == "ImagePullBackOff")
        engine.registry.add("typo:1")
        await home.until(lambda: home.is_ready(key))
    assert any("manifest unknown" in each.message for each in home.events("Failed"))


async def test_never_does_not_pull(home: Home, engine: Engine) -> None:
    engine.registry.add("new:1")
    key = home.bind(containers=[Container(name="main", image="new:1", image_pull_policy="Never")])
    async with home.running():
        await home.until(lambda: home.waiting(key) == "ErrImageNeverPull")


async def test_an_image_that_vanishes_is_fetched_again(home: Home, engine: Engine) -> None:
    engine.registry.add(IMAGE)
    first = home.bind("first")
    async with home.running():
        await home.until(lambda: home.is_ready(first))
        engine.images.clear()
        second = home.bind("second")
        await home.until(lambda: home.is_ready(second))


async def test_a_program_that_is_not_there_is_told(home: Home) -> None:
    key = home.bind(containers=[Container(name="main", image=IMAGE, command=("no-such-program",))])
    async with home.running():
        await home.until(lambda: home.waiting(key) == "RunContainerError")
    message = home.status(key).container_statuses[0].state.waiting.message
    assert "no-such-program" in message


# Volumes


async def test_a_missing_config_map_is_waited_for(home: Home) -> None:
    volume = Volume(name="v", config_map=ConfigMapVolumeSource(name="settings"))
    mount = VolumeMount(name="v", mount_path="/etc/app")
    key = home.bind(containers=[script("cat /etc/app/colour; sleep 1e9", volume_mounts=(mount,))], volumes=(volume,))
    async with home.running():
        await home.until(lambda: bool(home.events("FailedMount")) and home.waiting(key) == "ContainerCreating")
        config_map(home, "settings", colour="blue")
        await home.until(lambda: home.is_ready(key))
        assert await text_of(home, "web") == b"blue\n"
    assert 'configmap "settings" not found' in home.events("FailedMount")[0].message


async def test_a_changed_config_map_reaches_the_running_container(home: Home, tmp_path: Path) -> None:
    config_map(home, "settings", colour="blue")
    volume = Volume(name="v", config_map=ConfigMapVolumeSource(name="settings"))
    key = home.bind(volumes=(volume,))
    path = tmp_path / "data" / "pods" / "uid-web" / "v" / "colour"
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        config_map(home, "settings", colour="red")
        await home.until(lambda: path.read_text(encoding="utf-8") == "red")
    assert home.restarts(key) == 0


async def test_secrets_touch_no_disk_and_go_with_their_pod(home: Home, tmp_path: Path) -> None:
    data = {"password": base64.b64encode(b"hush").decode()}
    secret = Secret(metadata=ObjectMeta(name="s", namespace="default", uid="uid-s"), data=data)
    home.put(Key(kinds.SECRET.resource, "default", "s"), secret)
    key = home.bind(volumes=(Volume(name="v", secret=SecretVolumeSource(secret_name="s", default_mode=0o400)),))
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        path = tmp_path / "memory" / "uid-web" / "v" / "password"
        assert path.read_bytes() == b"hush"
        assert path.stat().st_mode & 0o777 == 0o400
        assert not (tmp_path / "data").exists()
        home.mark_deleted(key)
        await home.until(lambda: not home.exists(key))
    assert list((tmp_path / "memory").iterdir()) == []


# Statuses


async def test_statuses_of_many_pods_go_together(home: Home) -> None:
    home.replica.seconds = 0.05
    keys = [home.bind(f"web-{number}") for number in range(PODS)]
    async with home.running():
        await home.until(lambda: all(map(home.is_ready, keys)))
    writes = [batch for batch in home.replica.proposals if batch[0].key.resource == kinds.POD.resource]
    assert len(writes) < 6


async def test_statuses_of_large_pods_go_in_several_commands(home: Home) -> None:
    notes = {"note": "x" * (COMMAND_BYTES_MAX // 2)}
    keys = [home.bind(f"web-{number}", annotations=notes) for number in range(3)]
    too_large = home.bind("huge", annotations={"note": "x" * COMMAND_BYTES_MAX})
    async with home.running():
        await home.until(lambda: all(home.is_ready(key) for key in keys), seconds=60)
        assert not home.is_ready(too_large), "nobody can write that"
        later = home.bind("later")
        await home.until(lambda: home.is_ready(later), seconds=60)


async def test_a_status_is_written_at_once_when_nothing_is_under_way(home: Home) -> None:
    home.replica.seconds = 0.05
    async with home.running():
        await home.pause(1)
        key = home.bind()
        assert await home.until(lambda: home.is_ready(key)) < 0.2


async def test_others_changes_to_a_pod_are_kept(home: Home, engine: Engine) -> None:
    home.replica.seconds = 0.5
    key = home.bind()
    async with home.running():
        await home.until(lambda: bool(engine.running()))  # its status is on its way
        home.put(key, objects.with_metadata(home.pod(key), labels={"by": "user"}))
        await home.until(lambda: home.is_ready(key))
    assert home.pod(key).metadata.labels == {"by": "user"}


async def test_a_pod_that_runs_within_a_moment_is_told_once(home: Home) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        statuses = [each for batch in home.replica.proposals for each in batch if each.key == key]
        assert len(statuses) == 1


async def test_a_pod_that_takes_longer_is_told_to_be_made(home: Home, engine: Engine) -> None:
    engine.start_seconds = 5.0
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.status(key).phase == "Pending")
        assert home.clock.monotonic() < engine.start_seconds
        waiting = home.status(key).container_statuses[0].state.waiting
        assert waiting is not None
        assert waiting.reason == "ContainerCreating"


async def test_an_unchanged_pod_is_not_written(home: Home) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        await home.pause(10)
        before = len(home.replica.proposals)
        await home.pause(600)
        assert len(home.replica.proposals) == before


async def test_cut_off_from_the_others_pods_run_on_and_are_healed(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        home.replica.cut = True
        engine.kill(engine.running()[0].id)
        await home.until(lambda: engine.running()[0].attempt == 1 if engine.running() else False)
        await home.pause(30)
        assert home.restarts(key) == 0
        home.replica.cut = False
        await home.until(lambda: home.restarts(key) == 1)


async def test_events_tell_the_story(home: Home) -> None:
    home.bind()
    async with home.running():
        await home.until(lambda: len(home.events()) == 3)
    assert {each.reason for each in home.events()} == {"Pulled", "Created", "Started"}
    assert {each.involved_object.field_path for each in home.events()} == {"spec.containers{main}"}


# Daemons come and go


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


async def test_containers_that_died_while_the_daemon_was_away_are_restarted(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
    engine.kill(engine.running()[0].id)
    async with home.running():
        await home.until(lambda: home.restarts(key) == 1 and home.is_ready(key))


async def test_orphans_are_removed(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
    home.delete_at_once(key)
    async with home.running():
        await home.until(lambda: not engine.processes)


async def test_orphans_are_left_alone_while_the_cluster_cannot_be_asked(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
    home.delete_at_once(key)
    home.replica.cut = True
    async with home.running():
        await home.pause(60)
        assert len(engine.running()) == 1
        home.replica.cut = False
        await home.until(lambda: not engine.processes)


async def test_other_nodes_containers_are_not_touched(home: Home, engine: Engine) -> None:
    other = FakeRuntime(engine, node_id="other")
    async with home.running():
        await home.pause(1)
        await other.start(ContainerSpec(pod=PodIdentity("u", "n", "p"), name="main", image=IMAGE))
        await home.pause(30)
    assert len(engine.running()) == 1


async def test_what_was_missed_while_the_engine_was_away_is_found_out(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        watchers, engine.watchers = engine.watchers, set()
        engine.forget(engine.running()[0].id)
        engine.watchers = watchers
        for watcher in watchers:
            watcher.put_nowait(None)
        await home.until(lambda: home.restarts(key) == 1)


async def test_strangers_do_not_keep_news_from_a_node_that_is_cut_off(home: Home, engine: Engine) -> None:
    key = home.bind()
    stranger = ContainerSpec(pod=PodIdentity("u", "n", "p"), name="main", image=IMAGE)
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        home.replica.cut = True
        await home.runtime.start(stranger)
        for watcher in engine.watchers:
            watcher.put_nowait(None)
        await home.pause(5)
        engine.kill(home.status(key).container_statuses[0].container_id.removeprefix("fake://"))
        await home.until(lambda: any(each.attempt == 1 for each in engine.running()), 5)
        home.replica.cut = False
        await home.until(lambda: [each.pod.name for each in engine.running()] == ["web"])


# The node


async def test_the_node_tells_what_it_has_and_what_is_left_for_pods(home: Home) -> None:
    async with home.running():
        await home.pause(1)
    node = home.node()
    assert node.status.capacity == {"cpu": "4", "memory": f"{8 * 1024 * 1024}Ki", "pods": "110"}
    assert node.status.allocatable["cpu"] == "3900m"
    assert node.metadata.labels["kubernetes.io/arch"] == "amd64"
    assert node.metadata.labels["swarmlet.io/node-id"] == "id-1"
    assert {each.type: each.address for each in node.status.addresses} == {"InternalIP": "10.0.0.1", "Hostname": NODE}


async def test_what_others_wrote_about_the_node_is_kept(home: Home) -> None:
    taint = Taint(key="k", effect="NoSchedule")
    key = Key(kinds.NODE.resource, "", NODE)
    home.put(key, Node(metadata=ObjectMeta(name=NODE, uid="u", labels={"mine": "yes"}), spec=NodeSpec(taints=(taint,))))
    async with home.running():
        await home.pause(1)
    assert home.node().spec.taints == (taint,)
    assert home.node().metadata.labels["mine"] == "yes"
    assert home.node().metadata.uid == "u"


async def test_heartbeats_go_out_each_second_and_tell_of_a_dead_engine(home: Home, engine: Engine) -> None:
    async with home.running():
        await home.pause(10)
        assert 9 <= len(home.heartbeats) <= 12
        assert home.heartbeats[-1]["ready"]
        engine.down = "the Docker Engine does not answer"
        await home.until(lambda: not home.heartbeats[-1]["ready"])
        assert home.heartbeats[-1]["message"] == "the Docker Engine does not answer"
        engine.down = ""
        await home.until(lambda: home.heartbeats[-1]["ready"])


async def test_a_planned_stop_says_so_and_stops_nothing(home: Home, engine: Engine) -> None:
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        await home.agent.say_goodbye()
    assert home.heartbeats[-1]["grace"] > 0
    assert [each.state for each in engine.running()] == [State.RUNNING]


# Logs


async def test_the_log_of_a_container_and_of_the_one_before_it(home: Home, engine: Engine) -> None:
    key = home.bind(containers=[script("echo hello; sleep 1e9")])
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        with pytest.raises(CallerError, match="previous terminated container"):
            await text_of(home, "web", previous=True)
        engine.kill(engine.running()[0].id)
        await home.until(lambda: home.restarts(key) == 1)
        assert await text_of(home, "web") == b"hello\n"
        assert await text_of(home, "web", previous=True) == b"hello\n"


async def test_a_log_that_is_not_here_is_refused_in_words(home: Home) -> None:
    key = home.bind(containers=[Container(name="a", image=IMAGE), Container(name="b", image=IMAGE)])
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        with pytest.raises(
            CallerError, match=r"a container name must be specified for pod web, choose one of: \[a b\]"
        ):
            await text_of(home, "web")
        with pytest.raises(NotFoundError, match='pod "nobody" is not on node one'):
            await text_of(home, "nobody")


async def test_a_changed_image_is_rolled_into_the_running_pod(home: Home, engine: Engine) -> None:
    engine.images.add("web:2")
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        spec = home.pod(key).spec
        home.change(key, containers=(msgspec.structs.replace(spec.containers[0], image="web:2"),))
        await home.until(lambda: home.restarts(key) == 1 and home.is_ready(key))
    assert home.status(key).container_statuses[0].image == "web:2"


@pytest.mark.parametrize("is_bound_before", [True, False])
async def test_a_pod_that_brings_out_a_bug_leaves_the_others_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch, is_bound_before: bool
) -> None:
    make = runner.PodMachine

    def unless_odd(pod: Pod, *rest: object) -> PodMachine:
        if pod.metadata.name == "odd":
            raise AssertionError("nobody thought of this")
        return make(pod, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(runner, "PodMachine", unless_odd)
    kept = home.folder / "data" / "pods" / "uid-odd"
    kept.mkdir(parents=True)
    if is_bound_before:
        home.bind("odd")
    async with home.running():
        if not is_bound_before:
            await home.pause(1)
            home.bind("odd")
        web = home.bind()
        await home.until(lambda: home.is_ready(web), 60)
    assert kept.exists() == is_bound_before
