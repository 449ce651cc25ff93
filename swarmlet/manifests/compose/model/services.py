"""A service: all its keys.

Some keys of the files are gone here, for what they say stands in others: `extends` is merged in, `env_file` is in
`environment`, `label_file` in `labels`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from swarmlet.manifests.compose.model.base import ComposeStruct, Duration, Microseconds, Size
from swarmlet.manifests.compose.model.building import Build, Develop
from swarmlet.manifests.compose.model.deploy import Cpus, Deploy, NonNegative
from swarmlet.manifests.compose.model.devices import BlkioConfig, DeviceMapping, DeviceRequest, Ulimit
from swarmlet.manifests.compose.model.lifecycle import CredentialSpec, Dependency, HealthCheck, Hook, Logging
from swarmlet.manifests.compose.model.networking import Attachment, ModelUse, Port, Provider
from swarmlet.manifests.compose.model.storage import FileGrant, Mount

Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
OomScore = Annotated[int, msgspec.Meta(ge=-1000, le=1000)]


class Service(ComposeStruct, frozen=True, kw_only=True):
    """`command` and `entrypoint`: None keeps the image's, () empties it; text was split into words as a shell does.

    `environment` values are None where neither file nor shell gives one: the container then has no such variable.
    `expose` is "80", "53/udp" or "8080-8085/tcp". `restart` is "no", "always", "unless-stopped", "on-failure" or
    "on-failure:5". `networks` has {"default": ...} where nothing was said and `network_mode` is not set.
    `volumes_from` is "service", "service:ro" or "container:name". `links` is "service" or "service:alias".
    `tmpfs` is "/run" or "/run:size=64m,mode=1777".
    """

    image: str = ""
    build: Build | None = None
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    working_dir: str = ""
    environment: dict[str, str | None] = {}
    user: str = ""
    group_add: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    depends_on: dict[str, Dependency] = {}
    healthcheck: HealthCheck | None = None
    restart: str = ""
    stop_grace_period: Duration | None = None
    stop_signal: str = ""
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    init: bool | None = None
    profiles: tuple[str, ...] = ()

    deploy: Deploy | None = None
    scale: NonNegative | None = None
    develop: Develop | None = None
    provider: Provider | None = None
    models: dict[str, ModelUse] = {}

    ports: tuple[Port, ...] = ()
    expose: tuple[str, ...] = ()
    networks: dict[str, Attachment] = {}
    network_mode: str = ""
    hostname: str = ""
    domainname: str = ""
    mac_address: str = ""
    dns: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    extra_hosts: dict[str, tuple[str, ...]] = {}
    links: tuple[str, ...] = ()
    external_links: tuple[str, ...] = ()

    volumes: tuple[Mount, ...] = ()
    volumes_from: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    configs: tuple[FileGrant, ...] = ()
    secrets: tuple[FileGrant, ...] = ()
    shm_size: Size | None = None
    storage_opt: dict[str, str] = {}
    read_only: bool = False

    blkio_config: BlkioConfig | None = None
    cpu_count: NonNegative | None = None
    cpu_percent: Percent | None = None
    cpu_shares: NonNegative | None = None
    cpu_period: Microseconds | None = None
    cpu_quota: Microseconds | None = None
    cpu_rt_period: Microseconds | None = None
    cpu_rt_runtime: Microseconds | None = None
    cpus: Cpus | None = None
    cpuset: str = ""
    mem_limit: Size | None = None
    mem_reservation: Size | None = None
    mem_swappiness: Percent | None = None
    memswap_limit: Size | None = None
    oom_kill_disable: bool = False
    oom_score_adj: OomScore | None = None
    pids_limit: int | None = None
    ulimits: dict[str, Ulimit] = {}
    devices: tuple[DeviceMapping, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    gpus: tuple[DeviceRequest, ...] = ()

    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    security_opt: tuple[str, ...] = ()
    sysctls: dict[str, str] = {}
    cgroup: Literal["", "host", "private"] = ""
    cgroup_parent: str = ""
    credential_spec: CredentialSpec | None = None
    ipc: str = ""
    isolation: str = ""
    pid: str = ""
    userns_mode: str = ""
    uts: str = ""
    use_api_socket: bool = False
    runtime: str = ""

    attach: bool = True
    container_name: str = ""
    logging: Logging | None = None
    platform: str = ""
    pull_policy: str = ""
    pull_refresh_after: str = ""
    stdin_open: bool = False
    tty: bool = False
