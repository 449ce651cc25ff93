"""Containers whose environment and volumes come from objects: waiting for them, and seeing them change."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from swarmlet.agent.containers import sources
from swarmlet.model import kinds, objects
from swarmlet.model.container import Container, VolumeMount
from swarmlet.model.core import ConfigMap, Secret
from swarmlet.model.environment import (
    ConfigMapEnvSource,
    ConfigMapKeySelector,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    ObjectFieldSelector,
    SecretEnvSource,
    SecretKeySelector,
)
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_volumes import (
    ConfigMapProjection,
    ConfigMapVolumeSource,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    EmptyDirVolumeSource,
    ProjectedVolumeSource,
    SecretProjection,
    SecretVolumeSource,
    Volume,
    VolumeProjection,
)
from swarmlet.runtime.runtime import SANDBOX, ContainerSpec, State
from swarmlet.store.commands import Key
from tests.agent.home import IMAGE, Home
from tests.fakes.runtime import Engine


def put_map(home: Home, name: str, **data: str) -> None:
    key = Key(kinds.CONFIG_MAP.resource, "default", name)
    home.put(key, ConfigMap(metadata=ObjectMeta(name=name, namespace="default", uid=f"uid-{name}"), data=data))


def container(name: str = "main", **fields: Any) -> Container:
    return Container(name=name, image=IMAGE, **fields)


def from_map(name: str, key: str) -> EnvVar:
    return EnvVar(name="X", value_from=EnvVarSource(config_map_key_ref=ConfigMapKeySelector(name=name, key=key)))


def pod_ip() -> EnvVar:
    return EnvVar(name="IP", value_from=EnvVarSource(field_ref=ObjectFieldSelector(field_path="status.podIP")))


def waiting(home: Home, key: Key) -> tuple[str, str]:
    statuses = home.status(key).container_statuses
    state = statuses[0].state.waiting if statuses else None
    return (state.reason, state.message) if state else ("", "")


def specs(engine: Engine) -> list[ContainerSpec]:
    """Return what the containers that run were made from, the sandbox first."""
    return [process.spec for process in engine.processes.values() if process.container.state is State.RUNNING]


def test_all_that_a_pod_refers_to_is_followed() -> None:
    secret = EnvVarSource(secret_key_ref=SecretKeySelector(name="s-key", key="k"))
    main = container(
        env=(from_map("m-key", "k"), EnvVar(name="Y", value_from=secret)),
        env_from=(
            EnvFromSource(config_map_ref=ConfigMapEnvSource(name="m-whole")),
            EnvFromSource(secret_ref=SecretEnvSource(name="s-whole")),
        ),
    )
    init = container("init", env=(from_map("m-init", "k"),))
    projections = (
        VolumeProjection(config_map=ConfigMapProjection(name="m-part")),
        VolumeProjection(secret=SecretProjection(name="s-part")),
    )
    volumes = (
        Volume(name="a", config_map=ConfigMapVolumeSource(name="m-volume")),
        Volume(name="b", secret=SecretVolumeSource(secret_name="s-volume")),
        Volume(name="c", projected=ProjectedVolumeSource(sources=projections)),
        Volume(name="d", empty_dir=EmptyDirVolumeSource()),
    )
    spec = PodSpec(containers=(main,), init_containers=(init,), volumes=volumes)
    found = sources.of(Pod(metadata=ObjectMeta(name="web", namespace="default"), spec=spec))
    assert {each.name for each in found if each.resource == kinds.CONFIG_MAP.resource} == {
        "m-key", "m-whole", "m-init", "m-part", "m-volume",
    }  # fmt: skip
    assert {each.name for each in found if each.resource == kinds.SECRET.resource} == {
        "s-key", "s-whole", "s-part", "s-volume",
    }  # fmt: skip


async def test_a_missing_config_map_is_waited_for_and_noticed_at_once(home: Home, engine: Engine) -> None:
    key = home.bind(containers=[container(env=(from_map("settings", "colour"),))])
    async with home.running():
        await home.until(lambda: waiting(home, key)[0] != "")
        told = ("CreateContainerConfigError", 'configmap "settings" not found')
        await home.until(lambda: waiting(home, key) == told)
        await home.pause(300)  # the next try is a minute away
        put_map(home, "settings", shape="round")
        missing = "couldn't find key colour in ConfigMap default/settings"
        assert await home.until(lambda: waiting(home, key) == (told[0], missing)) < 1.0
        put_map(home, "settings", colour="blue")
        assert await home.until(lambda: home.is_ready(key)) < 1.0
        told_of = [f"Error: {told[1]}", f"Error: {missing}"]
        await home.until(lambda: [event.message for event in home.events("Failed")] == told_of)
    assert specs(engine)[0].env == {"X": "blue"}


async def test_no_other_news_starts_what_waits_for_a_source(home: Home) -> None:
    key = home.bind(containers=[container(env_from=(EnvFromSource(config_map_ref=ConfigMapEnvSource(name="a")),))])
    async with home.running():
        await home.until(lambda: waiting(home, key)[0] == "CreateContainerConfigError")
        tries = sum(event.count for event in home.events("Failed"))
        put_map(home, "b", k="v")
        await home.pause(0.5)
        assert sum(event.count for event in home.events("Failed")) == tries


async def test_a_secret_reaches_the_container_and_is_told_to_nobody(home: Home, engine: Engine) -> None:
    secret = Secret(
        metadata=ObjectMeta(name="s", namespace="default", uid="uid-s"),
        data={"k": base64.b64encode(b"hush").decode()},
    )
    home.put(Key(kinds.SECRET.resource, "default", "s"), secret)
    variable = EnvVar(name="X", value_from=EnvVarSource(secret_key_ref=SecretKeySelector(name="s", key="k")))
    key = home.bind(containers=[container(env=(variable,), args=("$(X)",))])
    async with home.running():
        await home.until(lambda: home.is_ready(key))
    spec = specs(engine)[0]
    assert (spec.env, spec.args) == ({"X": "hush"}, ("hush",))
    assert b"hush" not in objects.to_json(home.pod(key))
    assert not any("hush" in event.message for event in home.events())
    assert "hush" not in repr(spec)


async def test_a_container_that_is_told_its_pods_address_has_a_sandbox(home: Home, engine: Engine) -> None:
    key = home.bind(containers=[container(env=(pod_ip(),))])
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        address = home.status(key).pod_ip
        assert sorted(each.name for each in specs(engine)) == [SANDBOX, "main"]
        told = next(each.env for each in specs(engine) if each.name == "main")
    assert told == {"IP": address}


async def test_on_the_hosts_network_the_address_is_the_nodes(home: Home, engine: Engine) -> None:
    key = home.bind(containers=[container(env=(pod_ip(),))], host_network=True)
    async with home.running():
        await home.until(lambda: home.is_ready(key))
    assert [(each.name, each.env) for each in specs(engine)] == [("main", {"IP": "10.0.0.1"})]


async def test_a_projected_volume_follows_its_sources(home: Home, tmp_path: Path) -> None:
    put_map(home, "settings", colour="blue")
    labels = DownwardAPIVolumeFile(path="labels", field_ref=ObjectFieldSelector(field_path="metadata.labels"))
    projections = (
        VolumeProjection(config_map=ConfigMapProjection(name="settings")),
        VolumeProjection(downward_api=DownwardAPIProjection(items=(labels,))),
    )
    key = home.bind(volumes=(Volume(name="v", projected=ProjectedVolumeSource(sources=projections)),))
    folder = home.folder / "memory" / "uid-web" / "v"
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        assert (folder / "colour").read_text() == "blue"
        put_map(home, "settings", colour="red")
        assert await home.until(lambda: (folder / "colour").read_text() == "red") < 1.0
        home.put(key, objects.with_metadata(home.pod(key), labels={"app": "web"}))
        assert await home.until(lambda: (folder / "labels").read_text() == 'app="web"') < 1.0
        assert home.restarts(key) == 0


async def test_a_part_of_a_volume_is_what_the_container_sees(home: Home, engine: Engine) -> None:
    env = (EnvVar(name="POD", value_from=EnvVarSource(field_ref=ObjectFieldSelector(field_path="metadata.name"))),)
    mount = VolumeMount(name="v", mount_path="/logs", sub_path_expr="$(POD)")
    volume = Volume(name="v", empty_dir=EmptyDirVolumeSource())
    key = home.bind(containers=[container(env=env, volume_mounts=(mount,))], volumes=(volume,))
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        assert (home.folder / "data" / "pods" / "uid-web" / "v" / "web").is_dir()
        (seen,) = specs(engine)[0].mounts
        assert seen.target == "/logs"
        home.mark_deleted(key)
        await home.until(lambda: not home.exists(key))
    assert not list((home.folder / "data" / "pods").iterdir())


async def test_a_part_that_leads_out_is_told_and_nothing_starts(home: Home, engine: Engine) -> None:
    mount = VolumeMount(name="v", mount_path="/logs", sub_path_expr="$(NONE)")
    volume = Volume(name="v", empty_dir=EmptyDirVolumeSource())
    key = home.bind(containers=[container(volume_mounts=(mount,))], volumes=(volume,))
    async with home.running():
        await home.until(lambda: waiting(home, key) == ("CreateContainerConfigError", "missing value for NONE"))
    assert engine.running() == []


async def test_a_source_that_goes_away_under_a_running_pod_does_not_keep_it_from_healing(
    home: Home, engine: Engine
) -> None:
    put_map(home, "settings", colour="blue")
    source = ProjectedVolumeSource(sources=(VolumeProjection(config_map=ConfigMapProjection(name="settings")),))
    key = home.bind(volumes=(Volume(name="v", projected=source),))
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        home.delete_at_once(Key(kinds.CONFIG_MAP.resource, "default", "settings"))
        await home.until(lambda: bool(home.events("FailedMount")))
        await home.pause(300)
        engine.kill(engine.running()[0].id)
        assert await home.until(lambda: home.restarts(key) == 1 and home.is_ready(key)) < 1.0
        assert (home.folder / "memory" / "uid-web" / "v" / "colour").read_text() == "blue"
        put_map(home, "settings", colour="red")
        folder = home.folder / "memory" / "uid-web" / "v"
        assert await home.until(lambda: (folder / "colour").read_text() == "red") < 1.0
