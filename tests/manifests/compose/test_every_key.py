"""Every key of the specification's schema has a place, and a project that is printed reads as the same again."""

from __future__ import annotations

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.cli import yaml_text
from swarmlet.manifests.compose import canonical, interpolation, nodes, rendering
from swarmlet.manifests.compose.interpolation import Variables
from swarmlet.manifests.compose.model import building, deploy, lifecycle, networking, services, storage
from tests.manifests.compose.projects import load

# The keys of compose-spec/schema/compose-spec.json.
SERVICE = """
annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name cpu_count
cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on deploy
develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint environment expose external_links
extra_hosts gpus group_add healthcheck hostname image init ipc isolation labels links logging mac_address mem_limit
mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable oom_score_adj pid pids_limit
platform ports post_start pre_stop privileged profiles provider pull_policy pull_refresh_after read_only restart runtime
scale secrets security_opt shm_size stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits
use_api_socket user userns_mode uts volumes volumes_from working_dir
"""
BUILD = """
additional_contexts args cache_from cache_to context dockerfile dockerfile_inline entitlements extra_hosts isolation
labels network no_cache platforms privileged pull secrets shm_size ssh tags target ulimits
"""
DEPLOY = "mode endpoint_mode replicas labels rollback_config update_config resources restart_policy placement"
ATTACHMENT = """
aliases interface_name ipv4_address ipv6_address link_local_ips mac_address driver_opts priority gw_priority
"""
GONE = {"extends", "env_file", "label_file"}  # merged into others before the structs are made


def test_a_service_has_every_key() -> None:
    assert set(SERVICE.split()) <= set(services.Service.__struct_fields__)
    assert not GONE & set(services.Service.__struct_fields__)


@pytest.mark.parametrize(
    ("struct", "keys"),
    [
        (building.Build, BUILD),
        (
            deploy.Deploy,
            DEPLOY,
        ),
        (deploy.UpdateConfig, "parallelism delay failure_action monitor max_failure_ratio order"),
        (deploy.Limits, "cpus memory pids"),
        (deploy.Reservations, "cpus memory generic_resources devices"),
        (deploy.RestartPolicy, "condition delay max_attempts window"),
        (deploy.Placement, "constraints preferences max_replicas_per_node"),
        (lifecycle.HealthCheck, "disable interval retries test timeout start_period start_interval"),
        (lifecycle.Hook, "command user privileged working_dir environment"),
        (networking.Port, "name mode host_ip target published protocol app_protocol"),
        (
            networking.Attachment,
            ATTACHMENT,
        ),
        (
            networking.Network,
            "name driver driver_opts ipam external internal enable_ipv4 enable_ipv6 attachable labels",
        ),
        (networking.IpamPool, "subnet ip_range gateway aux_addresses"),
        (networking.Model, "name model context_size runtime_flags"),
        (storage.Mount, "type source target read_only consistency bind volume tmpfs image"),
        (storage.Volume, "name driver driver_opts external labels"),
        (storage.FileObject, "name environment file content external labels driver driver_opts template_driver"),
        (storage.FileGrant, "source target uid gid mode"),
    ],
)
def test_the_other_structs_have_every_key(struct: type[msgspec.Struct], keys: str) -> None:
    assert set(keys.split()) <= set(struct.__struct_fields__)


def test_each_short_form_is_of_a_key() -> None:
    assert set(canonical._SERVICE_FORMS) <= set(services.Service.__struct_fields__) | GONE


EVERYTHING = """
name: all
x-top: {note: $$5, list: [1, true, 1.5, ~]}
services:
  web:
    annotations: {a: b}
    attach: false
    blkio_config:
      weight: 300
      weight_device: [{path: /dev/sda, weight: 400}]
      device_read_bps: [{path: /dev/sdb, rate: 12mb}]
      device_read_iops: [{path: /dev/sdb, rate: 120}]
      device_write_bps: [{path: /dev/sdb, rate: 1024k}]
      device_write_iops: [{path: /dev/sdb, rate: 30}]
    build:
      context: ./web
      dockerfile_inline: |
        FROM x
        RUN echo $$HOME
      args: {A: 1, B: }
      ssh: [default]
      labels: [l=1]
      cache_from: [a]
      cache_to: [b]
      no_cache: true
      no_cache_filter: stage
      additional_contexts: {res: ./res, img: "docker-image://x"}
      network: host
      provenance: mode=max
      sbom: "true"
      pull: true
      target: dev
      shm_size: 2gb
      extra_hosts: ["a=1.2.3.4"]
      isolation: hyperv
      privileged: true
      secrets: [token, {source: token, target: other}]
      tags: ["x:y"]
      ulimits: {nofile: 3}
      platforms: [linux/amd64]
      entitlements: [network.host]
      x-build: 1
    cap_add: [ALL]
    cap_drop: [NET_ADMIN]
    cgroup: private
    cgroup_parent: m-executor-abcd
    command: [echo, "$$HOME", "no", "1.0", ""]
    configs: [{source: conf, target: /etc/conf, uid: "103", gid: "103", mode: 0440}]
    container_name: my-web
    cpu_count: 2
    cpu_percent: 50
    cpu_period: 100000
    cpu_quota: 50000
    cpu_rt_period: 1400us
    cpu_rt_runtime: 400ms
    cpu_shares: 73
    cpus: 0.5
    cpuset: 0,1
    credential_spec: {config: conf, file: "file://x", registry: r}
    depends_on:
      db: {condition: service_healthy, restart: true}
      job: {condition: service_completed_successfully, required: false}
    deploy:
      mode: replicated
      endpoint_mode: dnsrr
      replicas: 1
      labels: {d: 1}
      update_config:
        {parallelism: 2, delay: 10s, failure_action: rollback, monitor: 1m, max_failure_ratio: 0.1, order: start-first}
      rollback_config: {parallelism: 0, delay: 1s, failure_action: pause, order: stop-first}
      resources:
        limits: {cpus: "0.50", memory: 50M, pids: 10}
        reservations:
          cpus: "0.25"
          memory: 20M
          generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}]
          devices: [{capabilities: [gpu], count: all, driver: nvidia, options: {virtualization: false}}]
      restart_policy: {condition: on-failure, delay: 5s, max_attempts: 3, window: 2m}
      placement:
        constraints: ["node.labels.disk == ssd"]
        preferences: [{spread: node.labels.zone}]
        max_replicas_per_node: 1
    develop:
      watch:
        - path: ./web
          action: sync+exec
          target: /app
          ignore: node_modules/
          include: ["*.js"]
          initial_sync: true
          exec: {command: make x}
    device_cgroup_rules: ["c 1:3 mr"]
    devices: ["/dev/a:/dev/b:r", "vendor1.com/device=gpu"]
    dns: 8.8.8.8
    dns_opt: [use-vc]
    dns_search: [a.example, b.example]
    domainname: example.com
    entrypoint: /code/entrypoint.sh -x
    environment: {A: "1", EMPTY: "", NONE: , DOLLAR: $$x, LINES: "a\\nb"}
    expose: ["3000", 8080-8085/tcp]
    external_links: ["redis:cache"]
    extra_hosts: {h: [1.2.3.4, "::1"]}
    gpus: [{driver: x, count: 2, device_ids: ["0"], capabilities: [compute], options: {o: 1}}]
    group_add: [mail, 1000]
    healthcheck:
      {test: "curl x || exit 1", interval: 1m30s, timeout: 10s, retries: 3, start_period: 40s, start_interval: 5s}
    hostname: web
    image: nginx:1
    init: true
    ipc: shareable
    isolation: default
    labels: [a, "b=$$c"]
    links: ["db:database"]
    logging: {driver: json-file, options: {max-size: 10m, max-file: 3}}
    mac_address: 02:42:ac:11:65:43
    mem_limit: 50m
    mem_reservation: 20M
    mem_swappiness: 10
    memswap_limit: -1
    models: {llm: {endpoint_var: U, model_var: M}}
    networks:
      back:
        aliases: [w]
        interface_name: eth0
        ipv4_address: 172.16.238.10
        ipv6_address: "2001:3984:3989::10"
        link_local_ips: [57.123.22.11]
        mac_address: 02:42:ac:11:65:44
        driver_opts: {foo: bar, baz: 1}
        priority: 1000
        gw_priority: 1
      other:
    oom_kill_disable: true
    oom_score_adj: -500
    pid: host
    pids_limit: 10
    platform: linux/amd64
    ports:
      - "8080-8081:80-81"
      - name: web
        target: 443
        host_ip: 127.0.0.1
        published: "8083-9000"
        protocol: tcp
        app_protocol: https
        mode: host
        x-p: 1
    post_start: [{command: ./go.sh, user: root, privileged: true, working_dir: /x, environment: [FOO=BAR]}]
    pre_stop: [{command: [./stop.sh]}]
    privileged: true
    profiles: [web]
    pull_policy: every_12h
    pull_refresh_after: 1d
    read_only: true
    restart: on-failure:3
    runtime: runc
    scale: 1
    secrets: [token]
    security_opt: ["label:user:USER"]
    shm_size: 64m
    stdin_open: true
    stop_grace_period: 1m30s
    stop_signal: SIGUSR1
    storage_opt: {size: 1G}
    sysctls: {net.core.somaxconn: 1024}
    tmpfs: ["/run:mode=755,size=64m"]
    tty: true
    ulimits: {nproc: 65535, nofile: {soft: 20000, hard: 40000}}
    use_api_socket: true
    user: "1000:1000"
    userns_mode: host
    uts: host
    volumes:
      - data:/d:ro
      - ./conf:/conf:z
      - /anonymous
      - {type: tmpfs, target: /t, tmpfs: {size: 10m, mode: 01777}}
      - {type: volume, source: data, target: /v, volume: {nocopy: true, subpath: a, labels: {x: "1"}}}
      - type: bind
        source: ./b
        target: /b
        bind: {propagation: rshared, create_host_path: false, recursive: disabled, selinux: Z}
      - {type: image, source: x/y, target: /i, image: {subpath: z}}
    volumes_from: ["db:ro"]
    working_dir: /code
    x-service: [a]
  db: {image: x}
  job: {image: x, provider: {type: cloud, options: {size: 3, tags: [a, b]}}}
networks:
  back:
    driver: overlay
    driver_opts: {a: 1}
    ipam:
      driver: d
      config:
        - subnet: 172.16.238.0/24
          ip_range: 172.16.238.0/28
          gateway: 172.16.238.1
          aux_addresses: {h: 172.16.238.5}
      options: {foo: bar}
    internal: true
    enable_ipv4: false
    enable_ipv6: true
    attachable: true
    labels: [n=1]
  other: {external: true, name: real}
volumes:
  data: {driver: local, driver_opts: {type: nfs, o: "addr=10.40.0.199,nolock"}, labels: {v: 1}}
configs:
  conf: {content: "a: $$b\\n", name: other, labels: {c: 1}, template_driver: golang}
secrets:
  token: {file: ./token.txt}
models:
  llm: {model: ai/smollm2, name: m, context_size: 1024, runtime_flags: ["--a", "--b=1"]}
"""
FILES = {"token.txt": "t"}


def test_a_file_with_every_key_is_read() -> None:
    web = load(EVERYTHING, files=FILES, profiles=("web",)).project.services["web"]
    unset = [
        name
        for name in services.Service.__struct_fields__
        if getattr(web, name) == getattr(services.Service(), name) and name != "develop"
    ]
    assert unset == ["provider", "network_mode"]


@pytest.mark.parametrize("write", [yaml_text.written, lambda document: yaml.safe_dump(document, sort_keys=False)])
def test_what_is_printed_reads_as_the_same_project(write: object) -> None:
    loaded = load(EVERYTHING, files=FILES, profiles=("web",))
    text = write(rendering.document(loaded.project))  # type: ignore[operator]
    again = load(text, files=FILES, profiles=("web",))
    assert again.project == loaded.project
    assert again.configs == loaded.configs
    assert again.warnings == ()
    assert write(rendering.document(again.project)) == text  # type: ignore[operator]


def test_what_docker_prints_reads_as_it_is_meant() -> None:
    """The forms of `docker compose config`: sizes as text, ports as text, modes as text or, once, decimal."""
    loaded = load(
        """\
        name: app
        services:
          web:
            command: null
            entrypoint: null
            configs: [{source: c, target: /c, mode: "0440"}, {source: c, target: /d, mode: 288}]
            deploy: {resources: {limits: {cpus: 0.5, memory: "52428800"}}, placement: {}}
            environment: {A: "1", B: null}
            image: nginx
            networks: {default: null}
            ports: [{mode: ingress, target: 80, published: "8080", protocol: tcp}]
            volumes: [{type: bind, source: /srv/app/x, target: /x, bind: {create_host_path: true}}]
        networks: {default: {name: app_default}}
        configs: {c: {name: app_c, content: x}}
        """
    )
    web = loaded.project.services["web"]
    assert [grant.mode for grant in web.configs] == [0o440, 0o440]
    assert web.command is None
    assert web.deploy is not None
    assert web.deploy.resources is not None
    assert web.deploy.resources.limits is not None
    assert web.deploy.resources.limits.memory == 52_428_800


_texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,6}", fullmatch=True), _texts, max_size=4), st.lists(_texts, max_size=4))
def test_any_text_survives_printing_and_reading(environment: dict[str, str], command: list[str]) -> None:
    written = {"services": {"web": {"image": "x", "environment": environment, "command": command}}}
    text = yaml_text.written({"services": {"web": rendering._escaped(written["services"]["web"])}})
    project = load(text).project
    web = project.services["web"]
    assert (web.environment, web.command) == (environment, tuple(command))
    assert load(yaml_text.written(rendering.document(project))).project == project


@settings(deadline=None)
@given(
    st.recursive(
        _texts.filter(lambda t: "$" not in t), lambda inner: st.dictionaries(_texts, inner, max_size=3), max_leaves=6
    )
)
def test_interpolation_leaves_trees_without_a_dollar_alone(value: object) -> None:
    def tree(each: object) -> nodes.Node:
        if isinstance(each, dict):
            return nodes.Node({key: tree(below) for key, below in each.items()}, "f:1")
        return nodes.Node(str(each), "f:1", plain=True)

    warnings: list[str] = []
    assert interpolation.interpolate(tree(value), Variables({}), warnings.append) == tree(value)
    assert warnings == []
