"""What of this machine a container gets and what it is kept from: users, profiles, devices, name servers, credentials.

`specs` decides what follows from the Pod alone; this adds what only the node knows.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import cast

import msgspec

from swarmlet.agent.containers import isolation, pod_network, resolv_conf
from swarmlet.agent.containers.devices import Ledger
from swarmlet.agent.images.keyring import Keyring
from swarmlet.agent.images.pull_secrets import Find, PullSecrets, Tell
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.config import Config
from swarmlet.errors import SwarmletError
from swarmlet.model import cluster_dns, container_options, core, events, kinds, pods, security
from swarmlet.model.container import Container
from swarmlet.model.pod import Pod
from swarmlet.model.runtime_classes import RuntimeClass
from swarmlet.model.services import HEADLESS, Service
from swarmlet.runtime import runtime
from swarmlet.runtime.isolation import Devices, Isolation, NameServers
from swarmlet.runtime.runtime import ContainerSpec
from swarmlet.store.commands import Key

PROFILE_BYTES_MAX = 1024 * 1024
RESOLV_CONF_BYTES_MAX = 64 * 1024
DNS_SERVICE = Key(kinds.SERVICE.resource, cluster_dns.NAMESPACE, cluster_dns.NAME)
STUB_RESOLV_CONF = Path("/run/systemd/resolve/resolv.conf")
"""The servers behind systemd-resolved, whose own address is of no use inside a Pod."""


class ProfileError(SwarmletError):
    """This machine cannot confine a container as its Pod asks."""


class Grants:
    """One for a node. `active` tells the uids of its Pods that have not finished."""

    def __init__(
        self,
        *,
        config: Config,
        engine: runtime.Runtime,
        info: Callable[[], runtime.RuntimeInfo | None],
        find: Find,
        tell: Tell,
        active: Callable[[], Collection[str]],
        volumes: Volumes,
    ) -> None:
        self._config = config
        self._volumes = volumes
        self._engine = engine
        self._find_info = info
        self._find = find
        self._tell = tell
        self._active = active
        self._ledger = Ledger(config.devices, os.path.exists)
        self._pull_secrets = PullSecrets(find, tell, config.registry_credentials)

    def adopt(self, pod: Pod, containers: Iterable[runtime.Container]) -> None:
        """Take in which devices the containers hold that were found of a Pod."""
        for each in sorted(containers, key=lambda container: container.attempt):
            self._ledger.restore(pod.metadata.uid, each.name, each.devices)

    def with_devices(self, node: core.Node) -> core.Node:
        """Return the Node with the devices that it has for Pods: none where the runtime hands out none."""
        if not self._info.isolates:
            return node
        counts = self._ledger.capacity()
        capacity, allocatable = node.status.capacity | counts, node.status.allocatable | counts
        status = msgspec.structs.replace(node.status, capacity=capacity, allocatable=allocatable)
        return msgspec.structs.replace(node, status=status)

    async def keyring(self, pod: Pod) -> Keyring:
        """Return the credentials with which the Pod's images are asked for."""
        return await self._pull_secrets.keyring(pod)

    async def for_sandbox(self, pod: Pod, spec: ContainerSpec) -> ContainerSpec:
        """Return what a sandbox is made from; raise a `SwarmletError` where it cannot be as the Pod asks."""
        return dataclasses.replace(
            spec,
            network=await self._network(pod),
            handler=self._handler(pod),
            isolation=isolation.of_sandbox(pod),
            oom_score_adj=isolation.SANDBOX_OOM_SCORE,
        )

    async def for_container(self, pod: Pod, container: Container, spec: ContainerSpec) -> ContainerSpec:
        """Return what a container is made from; raise a `SwarmletError` where it cannot be as the Pod asks."""
        if not self._info.isolates:
            self._tell_ignored(pod, container, spec.attempt, isolation.ignored_fields(pod, container))
            return spec
        return dataclasses.replace(
            spec,
            mounts=await self._mounts(pod, spec),
            network=spec.network if spec.sandbox else await self._network(pod),
            handler=self._handler(pod),
            isolation=await self._isolation(pod, container, spec.attempt),
            oom_score_adj=isolation.oom_score(pod, container, self._info.memory_bytes),
            devices=self._devices(pod, container),
        )

    @property
    def _info(self) -> runtime.RuntimeInfo:
        info = self._find_info()
        assert info is not None, "nothing is registered or started before the engine has answered"
        return info

    async def _isolation(self, pod: Pod, container: Container, attempt: int) -> Isolation:
        context = isolation.context_of(pod, container)
        user = ""
        if isolation.needs_image_user(context):
            named = container_options.of(pod.metadata.annotations, container.name).user
            user = named or await self._engine.image_user(container.image)
        isolation.forbid_root(pod, container, user)
        found = isolation.of_container(pod, container, user)
        can = self._info.confines_with
        if (
            context.app_armor_profile
            and context.app_armor_profile.type != security.UNCONFINED
            and "apparmor" not in can
        ):
            raise ProfileError("Cannot enforce AppArmor: AppArmor is not enabled on the host")
        profile = context.seccomp_profile
        if profile and profile.type == security.LOCALHOST and not context.privileged:
            if "seccomp" not in can:
                raise ProfileError("Cannot enforce seccomp: seccomp is not enabled on the host")
            text = await asyncio.to_thread(_read_profile, self._config.seccomp_dir, profile.localhost_profile or "")
            found = dataclasses.replace(found, seccomp=text)
        if found.selinux and "selinux" not in can:
            self._tell_ignored(pod, container, attempt, ["seLinuxOptions"])
        return found

    def _handler(self, pod: Pod) -> str:
        """Return what the Pod's RuntimeClass has its containers run by."""
        name = pod.spec.runtime_class_name
        if not name or not self._info.isolates:
            return ""
        found = self._find(Key(kinds.RUNTIME_CLASS.resource, "", name))
        if found is None:
            raise ProfileError(f'failed to get sandbox runtime: RuntimeClass "{name}" not found')
        return cast("RuntimeClass", found).handler

    def _devices(self, pod: Pod, container: Container) -> Devices:
        done = _done_before(pod, container)
        units = self._ledger.take(pod.metadata.uid, container, done=done, active=self._active())
        return self._ledger.of(units)

    async def _network(self, pod: Pod) -> runtime.PodNetwork:
        if not pod_network.needs_name_servers(pod, self._cluster_dns()):
            return pod_network.network(pod)
        return pod_network.network(pod, await self._name_servers(pod))

    async def _name_servers(self, pod: Pod) -> NameServers:
        machines = await asyncio.to_thread(_read_name_servers, self._config.resolv_conf, pod.spec.host_network)
        return pod_network.name_servers(pod, machines, self._cluster_dns())

    async def _mounts(self, pod: Pod, spec: ContainerSpec) -> tuple[runtime.Mount, ...]:
        """Return the container's mounts, with its resolv.conf where the Engine would put itself before name servers."""
        has_own = any(each.target == resolv_conf.TARGET for each in spec.mounts)
        if self._config.network.mode == "none" or pod.spec.host_network or has_own:
            return spec.mounts
        folder = self._volumes.folder(pod.metadata.uid)
        file = await asyncio.to_thread(resolv_conf.write, folder, await self._name_servers(pod))
        return (*spec.mounts, runtime.Mount(str(file), resolv_conf.TARGET))

    def _cluster_dns(self) -> str:
        """Return the address of the cluster's DNS, "" where there is none, or this machine's Pods are not to ask it."""
        found = self._find(DNS_SERVICE) if self._config.network.dns else None
        address = cast("Service", found).spec.cluster_ip if found else ""
        return "" if address == HEADLESS else address

    def _tell_ignored(self, pod: Pod, container: Container, attempt: int, fields: list[str]) -> None:
        """Say once what the runtime does not honour."""
        if not fields or attempt:
            return
        message = f"the runtime {self._info.version} does not honour {', '.join(fields)}"
        field = "initContainers" if container in pod.spec.init_containers else "containers"
        where = f"spec.{field}{{{container.name}}}"
        self._tell(events.Note(pod, events.WARNING, "IgnoredByRuntime", message, where))


def _done_before(pod: Pod, container: Container) -> set[str]:
    """Return the init containers that have ended when a container's turn comes: those before it, sidecars aside."""
    before = itertools.takewhile(lambda each: each.name != container.name, pod.spec.init_containers)
    return {each.name for each in before if not pods.is_sidecar(each)}


def _read_profile(folder: Path, name: str) -> str:
    """Return a seccomp profile of this machine, in JSON."""
    try:
        with (folder / name).open("rb") as file:
            text = file.read(PROFILE_BYTES_MAX + 1)
    except OSError as error:
        raise ProfileError(f"cannot load seccomp profile {str(folder / name)!r}: {error.strerror}") from error
    if len(text) > PROFILE_BYTES_MAX:
        raise ProfileError(f"cannot load seccomp profile {str(folder / name)!r}: over {PROFILE_BYTES_MAX} bytes")
    try:
        return msgspec.json.encode(msgspec.json.decode(text)).decode()
    except msgspec.DecodeError as error:
        raise ProfileError(f"cannot load seccomp profile {str(folder / name)!r}: {error}") from error


def _read_name_servers(path: Path, host_network: bool) -> NameServers:
    """Return the machine's name servers; none where the file cannot be read.

    Outside its own network those that listen on its loopback are of no use, and are looked for behind their stub.
    """
    for each in (path, STUB_RESOLV_CONF):
        try:
            with each.open(encoding="utf-8", errors="replace") as file:
                found = pod_network.read_resolv_conf(file.read(RESOLV_CONF_BYTES_MAX))
        except OSError:
            continue
        if host_network or pod_network.is_reachable(found):
            return found
    return NameServers()
