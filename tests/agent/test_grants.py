"""What a node gives its Pods and what it keeps from them, seen by its user and by its engine."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarmlet.config import Config, Network
from swarmlet.errors import EngineError
from swarmlet.model import cluster_dns, kinds
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.core import Secret
from swarmlet.model.device_classes import DeviceClass
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import LocalObjectReference
from swarmlet.model.pod_network import PodDNSConfig
from swarmlet.model.runtime_classes import RuntimeClass
from swarmlet.model.security import PodSecurityContext, Profile, SecurityContext, SELinuxOptions
from swarmlet.model.services import Service, ServiceSpec
from swarmlet.runtime import runtime
from swarmlet.runtime.isolation import Devices, NameServers
from swarmlet.runtime.runtime import ContainerSpec
from swarmlet.store.commands import Key
from tests.agent.home import IMAGE, Home
from tests.fakes.runtime import Engine, FakeRuntime

FUSE = "example.com/fuse"
FUSE_ASKED = ResourceRequirements(limits={FUSE: "1"})
DEVICES = {FUSE: DeviceClass(paths=("/dev/null",), count=1)}


class CertainRuntime(FakeRuntime):
    """A fake runtime that says something else of itself."""

    def __init__(self, engine: Engine, **says: Any) -> None:
        super().__init__(engine)
        self._says = says

    async def info(self) -> runtime.RuntimeInfo:
        return dataclasses.replace(await super().info(), **self._says)


@pytest.fixture
def make_home(engine: Engine, tmp_path: Any) -> Callable[..., Home]:
    def make(says: dict[str, Any] | None = None, **config: Any) -> Home:
        home = Home(CertainRuntime(engine, **(says or {})), engine.clock, tmp_path)
        home.config = Config(data_dir=tmp_path, **config)
        return home

    return make


def container(**context: Any) -> Container:
    return Container(name="main", image=IMAGE, security_context=SecurityContext(**context))


def message(home: Home, key: Key) -> str:
    waiting = home.status(key).container_statuses[0].state.waiting
    return waiting.message if waiting else ""


def started(engine: Engine, name: str = "main") -> ContainerSpec:
    return next(each.spec for each in engine.processes.values() if each.spec.name == name)


async def refused(home: Home, key: Key) -> str:
    """Return why a container is not even created."""
    await home.until(lambda: home.waiting(key) == "CreateContainerConfigError")
    return message(home, key)


async def test_an_image_that_runs_as_root_waits_with_kubelets_words(
    make_home: Callable[..., Home], engine: Engine
) -> None:
    home = make_home()
    key = home.bind(containers=[container(run_as_non_root=True)])
    async with home.running():
        why = await refused(home, key)
        assert why == (
            'container has runAsNonRoot and image will run as root (pod: "web_default(uid-web)", container: main)'
        )
        assert not engine.processes
        engine.image_users[IMAGE] = "1000"
        await home.until(lambda: home.is_ready(key))


async def test_pod_and_container_together_are_what_the_engine_is_told(
    make_home: Callable[..., Home], engine: Engine
) -> None:
    home = make_home()
    other = Container(name="other", image=IMAGE)
    context = PodSecurityContext(run_as_user=1000, supplemental_groups=(7,))
    key = home.bind(containers=[container(run_as_user=0), other], security_context=context, host_ipc=True)
    async with home.running():
        await home.until(lambda: home.is_ready(key))
    main, sandbox = started(engine), started(engine, runtime.SANDBOX)
    assert (main.isolation.user, started(engine, "other").isolation.user) == ("0", "1000")
    assert (main.isolation.groups, main.isolation.host_ipc, sandbox.isolation.host_ipc) == ((7,), True, True)
    assert (main.oom_score_adj, sandbox.oom_score_adj) == (1000, -998)


async def test_a_seccomp_profile_is_read_from_its_folder(make_home: Callable[..., Home], engine: Engine) -> None:
    home = make_home({"confines_with": frozenset({"seccomp"})})
    home.config = dataclasses.replace(home.config, seccomp_dir=home.folder / "profiles")
    key = home.bind(containers=[container(seccomp_profile=Profile(type="Localhost", localhost_profile="web.json"))])
    async with home.running():
        assert "web.json': No such file" in await refused(home, key)
        (home.folder / "profiles").mkdir()
        (home.folder / "profiles" / "web.json").write_text('{ "defaultAction": "SCMP_ACT_ALLOW" }', encoding="utf-8")
        await home.until(lambda: home.is_ready(key))
    assert started(engine).isolation.seccomp == '{"defaultAction":"SCMP_ACT_ALLOW"}'


@pytest.mark.parametrize(
    ("context", "why"),
    [
        (
            {"app_armor_profile": Profile(type="RuntimeDefault")},
            "Cannot enforce AppArmor: AppArmor is not enabled on the host",
        ),
        (
            {"seccomp_profile": Profile(type="Localhost", localhost_profile="a")},
            "Cannot enforce seccomp: seccomp is not enabled on the host",
        ),
    ],
)
async def test_what_the_machine_cannot_enforce_is_not_left_out(
    make_home: Callable[..., Home], engine: Engine, context: dict[str, Any], why: str
) -> None:
    home = make_home()
    key = home.bind(containers=[container(**context)])
    async with home.running():
        assert await refused(home, key) == why
    assert not engine.processes


async def test_what_the_runtime_does_not_honour_is_told_once(make_home: Callable[..., Home], engine: Engine) -> None:
    home = make_home({"isolates": False}, devices=DEVICES)
    limits = ResourceRequirements(limits={"memory": "1Gi"})
    strict = Container(name="main", image=IMAGE, security_context=SecurityContext(run_as_user=5), resources=limits)
    key = home.bind(containers=[strict], host_pid=True)
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        engine.kill(engine.running()[0].id)
        await home.until(lambda: home.restarts(key) == 1 and home.is_ready(key))
        await home.until(lambda: bool(home.events("IgnoredByRuntime")))
    (event,) = home.events("IgnoredByRuntime")
    assert event.involved_object.field_path == "spec.containers{main}"
    told = "the runtime fake://1.0 does not honour spec.hostPID, securityContext.runAsUser, resources.limits[memory]"
    assert (event.message, event.type, event.count) == (told, "Warning", 1)
    assert FUSE not in home.node().status.capacity


async def test_labels_of_selinux_are_told_where_it_is_not_there(make_home: Callable[..., Home]) -> None:
    home = make_home()
    key = home.bind(containers=[container(se_linux_options=SELinuxOptions(level="s0"))])
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        await home.until(lambda: bool(home.events("IgnoredByRuntime")))
    assert "does not honour seLinuxOptions" in home.events("IgnoredByRuntime")[0].message


async def test_name_servers_of_the_pod_come_after_the_machines(make_home: Callable[..., Home], engine: Engine) -> None:
    home = make_home()
    file = home.folder / "resolv.conf"
    file.write_text("nameserver 10.0.0.1\nsearch lan\n", encoding="utf-8")
    home.config = dataclasses.replace(home.config, resolv_conf=file)
    key = home.bind(containers=[container()], dns_config=PodDNSConfig(nameservers=("9.9.9.9",)))
    plain = home.bind("plain", containers=[Container(name="plain", image=IMAGE)])
    async with home.running():
        await home.until(lambda: home.is_ready(key) and home.is_ready(plain))
    assert started(engine).network.name_servers == NameServers(addresses=("10.0.0.1", "9.9.9.9"), searches=("lan",))
    assert started(engine, "plain").network.name_servers is None


@pytest.mark.parametrize(
    ("mode", "dns", "wanted"),
    [
        (
            "vxlan",
            True,
            "search default.svc.cluster.local svc.cluster.local cluster.local lan\nnameserver 10.43.0.10\n",
        ),
        ("vxlan", False, "search lan\nnameserver 10.0.0.1\n"),
        ("none", True, ""),
    ],
)
async def test_in_a_pod_network_containers_have_their_own_resolv_conf_and_no_name_server_of_the_engines(
    make_home: Callable[..., Home], engine: Engine, mode: str, dns: bool, wanted: str
) -> None:
    home = make_home(network=Network(mode=mode, dns=dns))
    file = home.folder / "resolv.conf"
    file.write_text("nameserver 10.0.0.1\nsearch lan\n", encoding="utf-8")
    home.config = dataclasses.replace(home.config, resolv_conf=file)
    name_service(home)
    key = home.bind(containers=[container()])
    async with home.running():
        if mode != "none":
            await home.agent.network.open("10.42.7.0/24", "")
        await home.until(lambda: home.is_ready(key))
        assert resolv_confs(started(engine)) == ([wanted + ("options ndots:5\n" if dns else "")] if wanted else [])


def resolv_confs(spec: ContainerSpec) -> list[str]:
    """Return what a container is given for its resolv.conf."""
    return [Path(each.source).read_text(encoding="utf-8") for each in spec.mounts if each.target == "/etc/resolv.conf"]


def name_service(home: Home) -> None:
    """Let there be the Service of DNS."""
    metadata = ObjectMeta(name=cluster_dns.NAME, namespace=cluster_dns.NAMESPACE)
    key = Key(kinds.SERVICE.resource, cluster_dns.NAMESPACE, cluster_dns.NAME)
    home.put(key, Service(metadata=metadata, spec=ServiceSpec(cluster_ip=cluster_dns.ADDRESS)))


async def test_a_device_is_counted_given_kept_over_a_restart_and_given_back(
    make_home: Callable[..., Home], engine: Engine
) -> None:
    home = make_home(devices=DEVICES)
    asking = Container(name="main", image=IMAGE, resources=ResourceRequirements(limits={FUSE: "1"}))
    first = home.bind("first", containers=[asking])
    async with home.running():
        await home.until(lambda: home.is_ready(first))
        assert (home.node().status.capacity[FUSE], home.node().status.allocatable[FUSE]) == ("1", "1")
        assert started(engine).devices.units == ((FUSE, "0"),)
        assert [each.path for each in started(engine).devices.files] == ["/dev/null"]
    second = home.bind("second", containers=[asking])
    async with home.running():
        assert f"unavailable for {FUSE}. Requested: 1, Available: 0" in await refused(home, second)
        home.delete_at_once(first)
        await home.until(lambda: home.is_ready(second))


async def test_a_container_that_asks_for_no_device_gets_none(make_home: Callable[..., Home], engine: Engine) -> None:
    home = make_home(devices=DEVICES)
    key = home.bind()
    async with home.running():
        await home.until(lambda: home.is_ready(key))
    assert started(engine).devices == Devices()


PRIVATE = "registry.example.com/team/web:1"


def pull_secret(home: Home, name: str, username: str, password: str) -> None:
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    document = {"auths": {"registry.example.com": {"auth": auth}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(document).encode()).decode()}
    secret = Secret(
        metadata=ObjectMeta(name=name, namespace="default"), type="kubernetes.io/dockerconfigjson", data=data
    )
    home.put(Key(kinds.SECRET.resource, "default", name), secret)


async def test_a_sidecar_that_restarts_takes_nothing_from_the_init_container_beside_it(
    make_home: Callable[..., Home], engine: Engine
) -> None:
    home = make_home(devices={FUSE: DeviceClass(paths=("/dev/null",), count=2)})
    side = Container(name="side", image=IMAGE, resources=FUSE_ASKED, restart_policy="Always")
    init = Container(name="init", image=IMAGE, resources=FUSE_ASKED)
    home.bind(init_containers=(side, init))
    async with home.running():
        await home.until(lambda: bool(engine.running("init")))
        engine.kill(engine.running("side")[0].id)
        await home.until(lambda: bool(engine.running("side")))
        other = home.bind("other", containers=[Container(name="main", image=IMAGE, resources=FUSE_ASKED)])
        await home.until(lambda: home.waiting(other) == "CreateContainerConfigError")
    held = [each.devices for each in engine.running() if each.devices]
    assert sorted(held) == [((FUSE, "0"),), ((FUSE, "1"),)]


def private(policy: str = "IfNotPresent") -> Container:
    return Container(name="main", image=PRIVATE, image_pull_policy=policy)


@pytest.fixture
def guarded(make_home: Callable[..., Home], engine: Engine) -> Home:
    """A node and a registry that wants a password."""
    engine.registry.add(PRIVATE)
    engine.passwords[PRIVATE] = "right"
    return make_home()


def with_secrets(*names: str) -> dict[str, Any]:
    return {"image_pull_secrets": tuple(LocalObjectReference(name=name) for name in names)}


async def test_credentials_are_tried_until_one_is_accepted(guarded: Home, engine: Engine) -> None:
    pull_secret(guarded, "old", "old", "wrong")
    pull_secret(guarded, "new", "new", "right")
    key = guarded.bind(containers=[private()], **with_secrets("old", "new"))
    async with guarded.running():
        await guarded.until(lambda: guarded.is_ready(key))
    assert engine.pulls == [(PRIVATE, "new")]
    assert not guarded.events("FailedToRetrieveImagePullSecret")
    shown = "".join(event.message for event in guarded.events())
    assert "right" not in shown
    assert "wrong" not in shown


async def test_a_missing_secret_is_told_and_the_pull_goes_on(guarded: Home, engine: Engine) -> None:
    key = guarded.bind(containers=[private()], **with_secrets("gone"))
    async with guarded.running():
        await guarded.until(lambda: guarded.waiting(key) == "ErrImagePull")
        await guarded.until(lambda: bool(guarded.events("FailedToRetrieveImagePullSecret")))
        pull_secret(guarded, "gone", "u", "right")
        await guarded.until(lambda: guarded.is_ready(key))
    assert guarded.events("FailedToRetrieveImagePullSecret")[0].message == (
        "Unable to retrieve some image pull secrets (gone); attempting to pull the image may not succeed."
    )


async def test_a_private_image_that_is_here_is_not_for_whoever_may_not_fetch_it(guarded: Home, engine: Engine) -> None:
    pull_secret(guarded, "mine", "me", "right")
    key = guarded.bind(containers=[private()], **with_secrets("mine"))
    async with guarded.running():
        await guarded.until(lambda: guarded.is_ready(key))
    async with guarded.running():
        thief = guarded.bind("thief", containers=[private()])
        lazy = guarded.bind("lazy", containers=[private("Never")])
        again = guarded.bind("again", containers=[private("Never")], **with_secrets("mine"))
        await guarded.until(lambda: guarded.is_ready(again))
        await guarded.until(lambda: guarded.waiting(thief) == "ErrImagePull")
        await guarded.until(lambda: guarded.waiting(lazy) == "ErrImageNeverPull")
        assert "does not have the proper credentials to be used" in message(guarded, lazy)
    assert [each.pod.name for each in engine.running("main")] == ["web", "again"]


async def test_a_pull_whose_end_was_not_heard_leaves_the_image_to_nobody(guarded: Home, engine: Engine) -> None:
    class Unheard(CertainRuntime):
        async def pull(self, *arguments: Any) -> str:
            await super().pull(*arguments)
            raise EngineError("no answer")

    heard, guarded.runtime = guarded.runtime, Unheard(engine)
    pull_secret(guarded, "mine", "me", "right")
    key = guarded.bind(containers=[private()], **with_secrets("mine"))
    async with guarded.running():
        await guarded.until(lambda: guarded.waiting(key) == "ErrImagePull")
    guarded.runtime = heard
    thief = guarded.bind("thief", containers=[private("Never")])
    async with guarded.running():
        await guarded.until(lambda: guarded.is_ready(key))
        await guarded.until(lambda: guarded.waiting(thief) == "ErrImageNeverPull")


async def test_the_machines_own_credentials_are_for_every_pod(guarded: Home, engine: Engine) -> None:
    file = guarded.folder / "config.json"
    file.write_text(
        json.dumps({"auths": {"registry.example.com": {"username": "m", "password": "right"}}}), encoding="utf-8"
    )
    guarded.config = dataclasses.replace(guarded.config, registry_credentials=file)
    key, other = guarded.bind(containers=[private()]), guarded.bind("other", containers=[private("Never")])
    async with guarded.running():
        await guarded.until(lambda: guarded.is_ready(key) and guarded.is_ready(other))
    assert engine.pulls == [(PRIVATE, "m")]


async def test_a_pod_is_run_by_the_handler_of_its_class(make_home: Callable[..., Home], engine: Engine) -> None:
    home = make_home()
    key = home.bind(containers=[container(), Container(name="other", image=IMAGE)], runtime_class_name="small")
    async with home.running():
        await home.until(lambda: bool(home.events("FailedCreatePodSandBox")))
        (event, *_) = home.events("FailedCreatePodSandBox")
        told = 'Failed to create pod sandbox: failed to get sandbox runtime: RuntimeClass "small" not found'
        assert event.message == told
        assert not engine.processes
        home.put(
            Key(kinds.RUNTIME_CLASS.resource, "", "small"),
            RuntimeClass(metadata=ObjectMeta(name="small"), handler="runc"),
        )
        await home.until(lambda: home.is_ready(key))
    assert {each.spec.handler for each in engine.processes.values()} == {"runc"}


async def test_a_runtime_that_isolates_nothing_has_no_handlers(make_home: Callable[..., Home]) -> None:
    home = make_home({"isolates": False})
    key = home.bind(containers=[Container(name="main", image=IMAGE)], runtime_class_name="small")
    async with home.running():
        await home.until(lambda: home.is_ready(key) and bool(home.events("IgnoredByRuntime")))
    (event,) = home.events("IgnoredByRuntime")
    assert event.message.endswith("does not honour spec.runtimeClassName")
