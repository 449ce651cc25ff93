"""Compose projects as manifests: key by key, and whole."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from swarmlet.api.queries import WriteOptions
from swarmlet.api.targets import Target
from swarmlet.api.writing import admission
from swarmlet.manifests.compose import checking, loading
from swarmlet.manifests.compose.conversion import converting, unsupported
from swarmlet.manifests.compose.conversion.converting import Converted
from swarmlet.manifests.compose.conversion.draft import FileBeside
from swarmlet.manifests.compose.model.networking import Attachment, Network
from swarmlet.manifests.compose.model.services import Service
from swarmlet.manifests.reading import ManifestError
from swarmlet.model import kinds

FOLDER = "/shop"


def convert(text: str, files: dict[str, str] | None = None) -> Converted:
    """Convert a project of the folder /shop; `files` are others, by their path in it."""
    contents = {f"{FOLDER}/{name}": content.encode() for name, content in (files or {}).items()}

    def read(path: str) -> bytes:
        if path not in contents:
            raise FileNotFoundError(path)
        return contents[path]

    loaded = loading.load([("compose.yaml", text)], read, {}, loading.Options(folder=FOLDER))

    def find(path: str) -> dict[str, FileBeside] | None:
        below = {name.removeprefix(f"{path}/"): each for name, each in contents.items() if name.startswith(f"{path}/")}
        chosen = {"": contents[path]} if path in contents else below
        return {name: FileBeside(each, 0o755 if each.startswith(b"#!") else 0o644) for name, each in chosen.items()}

    converted = converting.convert(loaded, find)
    admit(converted)
    return converted


def admit(converted: Converted) -> list[str]:
    """Take every document through the API's admission; return its warnings."""
    warnings: list[str] = []
    for document in converted.documents:
        kind = kinds.BY_GVK[document["apiVersion"], document["kind"]]
        value = admission.read(kind, document, WriteOptions(field_validation="Strict"), warnings)
        target = Target(kind, "default", value.metadata.name)
        admission.created(target, value, datetime(2026, 1, 1, tzinfo=UTC), random.Random(1))
    return warnings


def one(keys: str, files: dict[str, str] | None = None) -> Converted:
    """Convert a project of one service, web, with these keys."""
    indented = "\n".join(f"    {line}" for line in keys.strip().splitlines())
    return convert(f"services:\n  web:\n    image: web:1\n{indented}\n", files)


def found(converted: Converted, kind: str, name: str = "") -> dict[str, Any]:
    matching = [each for each in converted.documents if each["kind"] == kind and name in ("", each["metadata"]["name"])]
    assert len(matching) == 1, [(each["kind"], each["metadata"]["name"]) for each in converted.documents]
    return matching[0]


def workload(converted: Converted) -> dict[str, Any]:
    (found_,) = [each for each in converted.documents if each["kind"] in ("Deployment", "DaemonSet", "Job")]
    return found_


def at(document: Any, path: str) -> Any:
    """Return what stands at a path ("spec.containers.0.image", "~" for a dot in a key), None where nothing does."""
    for part in (each.replace("~", ".") for each in path.split(".")):
        if isinstance(document, list):
            document = document[int(part)] if int(part) < len(document) else None
        else:
            document = (document or {}).get(part)
    return document


POD = "spec.template.spec"
MAIN = f"{POD}.containers.0"
OPTIONS = "spec.template.metadata.annotations.swarmlet~io/container-options"


@pytest.mark.parametrize(
    ("keys", "path", "value"),
    [
        ("command: echo $$(date) $$HOME", f"{MAIN}.args", ["echo", "$$(date)", "$HOME"]),
        ("entrypoint: [sh, -c]\ncommand: [true]".replace("true", "'true'"), f"{MAIN}.command", ["sh", "-c"]),
        ("entrypoint: []\ncommand: [run]", f"{MAIN}.command", ["run"]),
        ("entrypoint: []\ncommand: [run]", f"{MAIN}.args", None),
        (
            "environment: {A: 1, B: '$$(A)'}",
            f"{MAIN}.env",
            [{"name": "A", "value": "1"}, {"name": "B", "value": "$$(A)"}],
        ),
        ("working_dir: /app", f"{MAIN}.workingDir", "/app"),
        ("pull_policy: always", f"{MAIN}.imagePullPolicy", "Always"),
        ("tty: true", f"{MAIN}.tty", True),
        ("user: node", OPTIONS, '{"web": {"user": "node"}}'),
        ("user: 'node:1000'", OPTIONS, '{"web": {"user": "node:1000"}}'),
        ("init: true", OPTIONS, '{"web": {"init": true}}'),
        ("stop_signal: SIGQUIT", OPTIONS, '{"web": {"stopSignal": "SIGQUIT"}}'),
        ("ulimits: {nofile: 9}", OPTIONS, '{"web": {"ulimits": {"nofile": {"hard": 9, "soft": 9}}}}'),
        ("stdin_open: true", f"{MAIN}.stdin", True),
        ("user: '1000:2000'", f"{MAIN}.securityContext", {"runAsUser": 1000, "runAsGroup": 2000}),
        ("user: '0'", f"{MAIN}.securityContext", {"runAsUser": 0}),
        ("group_add: ['44']", f"{POD}.securityContext.supplementalGroups", [44]),
        ("privileged: true", f"{MAIN}.securityContext.privileged", True),
        ("read_only: true", f"{MAIN}.securityContext.readOnlyRootFilesystem", True),
        ("cap_add: [CAP_NET_ADMIN]", f"{MAIN}.securityContext.capabilities", {"add": ["NET_ADMIN"]}),
        ("cap_drop: [all]", f"{MAIN}.securityContext.capabilities", {"drop": ["ALL"]}),
        ("security_opt: [no-new-privileges:true]", f"{MAIN}.securityContext.allowPrivilegeEscalation", False),
        ("security_opt: [seccomp=unconfined]", f"{MAIN}.securityContext.seccompProfile.type", "Unconfined"),
        ("security_opt: [apparmor:mine]", f"{MAIN}.securityContext.appArmorProfile.localhostProfile", "mine"),
        ("security_opt: ['label:type:svirt_t']", f"{MAIN}.securityContext.seLinuxOptions", {"type": "svirt_t"}),
        ("sysctls: {net.ipv4.tcp_syncookies: 0}", f"{POD}.securityContext.sysctls.0.value", "0"),
        ("stop_grace_period: 1m30s", f"{POD}.terminationGracePeriodSeconds", 90),
        ("tty: false", f"{POD}.terminationGracePeriodSeconds", 10),
        ("tty: false", f"{POD}.enableServiceLinks", False),
        ("hostname: box", f"{POD}.hostname", "box"),
        ("extra_hosts: ['db:10.0.0.9']", f"{POD}.hostAliases", [{"ip": "10.0.0.9", "hostnames": ["db"]}]),
        ("dns: 9.9.9.9", f"{POD}.dnsConfig.nameservers", ["9.9.9.9"]),
        ("dns_search: [example.com]", f"{POD}.dnsConfig.searches", ["example.com"]),
        (
            "dns_opt: ['ndots:2', use-vc]",
            f"{POD}.dnsConfig.options",
            [{"name": "ndots", "value": "2"}, {"name": "use-vc"}],
        ),
        ("network_mode: host", f"{POD}.hostNetwork", True),
        ("pid: host", f"{POD}.hostPID", True),
        ("ipc: host", f"{POD}.hostIPC", True),
        ("platform: linux/amd64", f"{POD}.nodeSelector", {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}),
        ("shm_size: 64m", f"{POD}.volumes.0.emptyDir", {"medium": "Memory", "sizeLimit": "64Mi"}),
        ("tmpfs: '/run:size=8m,mode=1777'", f"{POD}.volumes.0.emptyDir", {"medium": "Memory", "sizeLimit": "8Mi"}),
        ("tmpfs: /run", f"{MAIN}.volumeMounts.0.mountPath", "/run"),
        ("labels: {tier: front}", "spec.template.metadata.labels.tier", "front"),
        ("labels: {rule: Host(`a.b`)}", "spec.template.metadata.annotations.rule", "Host(`a.b`)"),
        ("annotations: {note: a b}", "spec.template.metadata.annotations.note", "a b"),
        ("deploy: {labels: {owner: team}}", "metadata.labels.owner", "team"),
        ("scale: 3", "spec.replicas", 3),
        ("deploy: {replicas: 0}", "spec.replicas", 0),
        ("mem_limit: 1g", f"{MAIN}.resources.limits", {"memory": "1Gi"}),
        ("cpus: 0.5", f"{MAIN}.resources.limits", {"cpu": "500m"}),
        ("cpu_quota: 150000", f"{MAIN}.resources.limits", {"cpu": "1500m"}),
        ("mem_reservation: 100000", f"{MAIN}.resources.requests", {"memory": "100000"}),
        (
            "deploy: {resources: {limits: {cpus: '2', memory: 50M}}}",
            f"{MAIN}.resources.limits",
            {"cpu": "2", "memory": "50Mi"},
        ),
        ("gpus: all", f"{MAIN}.resources.limits", {"nvidia.com/gpu": "1"}),
        (
            "deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 2, capabilities: [gpu]}]}}}",
            f"{MAIN}.resources.limits",
            {"nvidia.com/gpu": "2"},
        ),
        (
            (
                "deploy: {resources: {reservations: {generic_resources: ["
                "{discrete_resource_spec: {kind: a.b/c, value: 1}}]}}}"
            ),
            f"{MAIN}.resources.limits",
            {"a.b/c": "1"},
        ),
        ("post_start: [{command: [warm, up]}]", f"{MAIN}.lifecycle.postStart.exec.command", ["warm", "up"]),
        (
            "pre_stop: [{command: [a, b c]}, {command: [d]}]",
            f"{MAIN}.lifecycle.preStop.exec.command",
            ["/bin/sh", "-c", "'a' 'b c' && 'd'"],
        ),
        ("healthcheck: {test: ['NONE']}", f"{MAIN}.readinessProbe", None),
        (
            "healthcheck: {test: curl -f localhost}",
            f"{MAIN}.readinessProbe.exec.command",
            ["/bin/sh", "-c", "curl -f localhost"],
        ),
        ("healthcheck: {test: [CMD, ok], interval: 10s, retries: 5}", f"{MAIN}.livenessProbe.failureThreshold", 5),
        ("healthcheck: {test: [CMD, ok], interval: 10s, timeout: 2.5s}", f"{MAIN}.readinessProbe.timeoutSeconds", 3),
        ("healthcheck: {test: [CMD, ok], interval: 20s, start_period: 1m}", f"{MAIN}.startupProbe.periodSeconds", 5),
        (
            "healthcheck: {test: [CMD, ok], interval: 20s, start_period: 1m}",
            f"{MAIN}.startupProbe.failureThreshold",
            24,
        ),
        ("deploy: {endpoint_mode: vip}", "kind", "Deployment"),
        ("deploy: {mode: global}", "kind", "DaemonSet"),
        ("deploy: {mode: replicated-job, replicas: 3}", "spec.completions", 3),
        ("restart: 'no'", "kind", "Job"),
        ("restart: 'no'", "spec.backoffLimit", 0),
        ("restart: on-failure:4", "spec.backoffLimit", 4),
        ("restart: on-failure", "spec.backoffLimit", 2**31 - 1),
        ("restart: on-failure", f"{POD}.restartPolicy", "OnFailure"),
        ("restart: unless-stopped", "kind", "Deployment"),
        ("restart: 'no'\nports: ['80']", "kind", "Deployment"),
        ("deploy: {restart_policy: {condition: none}}", "kind", "Job"),
        ("volumes: [data:/data]\n", "kind", "Deployment"),
        (
            "deploy: {update_config: {parallelism: 2, order: start-first}}",
            "spec.strategy.rollingUpdate",
            {"maxSurge": 2, "maxUnavailable": 0},
        ),
        (
            "deploy: {update_config: {parallelism: 0}}",
            "spec.strategy.rollingUpdate",
            {"maxSurge": 0, "maxUnavailable": "100%"},
        ),
        ("deploy: {update_config: {delay: 10s, monitor: 20s}}", "spec.minReadySeconds", 20),
        (
            "deploy: {update_config: {failure_action: rollback}}",
            "metadata.annotations",
            {"swarmlet.io/auto-rollback": "true"},
        ),
        (
            "deploy: {placement: {constraints: [node.labels.disk==ssd, 'node.hostname != h1']}}",
            f"{POD}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms.0.matchExpressions",
            [
                {"key": "disk", "operator": "In", "values": ["ssd"]},
                {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["h1"]},
            ],
        ),
        (
            "deploy: {placement: {preferences: [{spread: node.labels.zone}]}}",
            f"{POD}.topologySpreadConstraints.0.topologyKey",
            "zone",
        ),
        (
            "deploy: {placement: {max_replicas_per_node: 1}}",
            f"{POD}.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution.0.topologyKey",
            "kubernetes.io/hostname",
        ),
        (
            "deploy: {placement: {max_replicas_per_node: 2, preferences: [{spread: node.hostname}]}}",
            f"{POD}.topologySpreadConstraints.0.topologyKey",
            "kubernetes.io/hostname",
        ),
        ("deploy: {update_config: {delay: 15m}}", "spec.progressDeadlineSeconds", 1500),
        ("gpus: [{count: 2}, {driver: nvidia, count: 1}]", f"{MAIN}.resources.limits.nvidia~com/gpu", "3"),
    ],
)
def test_a_key_is_honoured(keys: str, path: str, value: Any) -> None:
    top = "\nvolumes: {data: {}}\n" if "data:/data" in keys else ""
    indented = "\n".join(f"    {line}" for line in keys.strip().splitlines())
    converted = convert(f"services:\n  web:\n    image: web:1\n{indented}\n{top}")
    assert at(workload(converted), path) == value


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("container_name: box", "container_name: Pods are called after their service"),
        ("devices: ['/dev/ttyUSB0']", "devices: ignored: devices are handed out by name"),
        ("logging: {driver: syslog}", "logging: ignored"),
        ("group_add: [audio]", "group_add: 'audio' is left out"),
        ("sysctls: {kernel.msgmax: 1}", "sysctls: kernel.msgmax is left out"),
        ("security_opt: [odd:1]", "security_opt: 'odd:1' ignored"),
        ("tmpfs: '/run:noexec'", "tmpfs: the option noexec is ignored"),
        ("pids_limit: 10", "pids_limit: ignored"),
        ("memswap_limit: 1g", "memswap_limit: ignored"),
        ("cpuset: 0-1", "cpuset: ignored"),
        ("domainname: example.com", "domainname: ignored"),
        ("mac_address: 02:42:ac:11:65:43", "mac_address: ignored"),
        ("extra_hosts: ['gate:host-gateway']", "extra_hosts: gate is left out"),
        ("extra_hosts: ['a_b:10.0.0.1']", "extra_hosts: 'a_b' is left out"),
        ("volumes: [{type: volume, target: /b, volume: {labels: {a: b}}}]", "volume.labels are ignored"),
        ("hostname: BOX_1", "hostname: 'BOX_1' ignored"),
        ("networks: {default: {ipv4_address: 172.16.238.10}}", "ipv4_address: ignored"),
        ("networks: {default: {aliases: [Bad_Name]}}", "'Bad_Name' cannot be a name here"),
        ("build: .", "build: images are not built here: web:1 must be where"),
        ("pull_policy: daily", "'daily' is not known here"),
        ("ports: ['127.0.0.1:8080:80']", "127.0.0.1:8080 is open on the machine that the Pod runs on"),
        ("ports: ['127.0.0.1:8080:80', '127.0.0.1:8081:80']", "ports: 127.0.0.1:8081 is left out: one port of"),
        ("networks: {default: {aliases: [db]}}", "aliases: db is another service's name, and leads there"),
        ("ports: ['8000-8009:80']", "8000-8009 is a range: its first port is taken"),
        ("volumes: [/cache]", "/cache has no name: it begins empty with each Pod"),
        (
            "volumes: [{type: bind, source: /srv/f, target: /f, bind: {create_host_path: false}}]",
            "bind.create_host_path is ignored",
        ),
        ("volumes: ['/srv/files:/files']", "/srv/files is a path of the machine"),
        ("restart: on-failure:3\nports: ['80']", "a service that serves others is started again"),
        ("deploy: {placement: {constraints: [node.role==manager]}}", "there are no managers and workers here"),
        ("deploy: {placement: {max_replicas_per_node: 2}}", "2 is not enforced"),
        ("deploy: {rollback_config: {parallelism: 1}}", "deploy.rollback_config: ignored"),
        ("deploy: {restart_policy: {delay: 5s}}", "deploy.restart_policy.delay: ignored"),
        ("deploy: {update_config: {max_failure_ratio: 0.5}}", "max_failure_ratio: ignored"),
        ("gpus: all", "count: all is not known before the machine is chosen"),
        ("labels: {a/b/c: x}", "'a/b/c' is left out"),
        ("environment: {'A B=': x}", "environment"),
        ("healthcheck: {interval: 5s}", "healthcheck: has no test"),
    ],
)
def test_what_is_not_honoured_is_named_with_its_place(keys: str, words: str) -> None:
    indented = "\n".join(f"    {line}" for line in keys.splitlines())
    warnings = convert(f"services:\n  db: {{image: db}}\n  web:\n    image: web:1\n{indented}\n").warnings
    (line,) = [each for each in warnings if words in each]
    assert line.startswith("compose.yaml:")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("network_mode: 'service:db'", "cannot share an address"),
        ("pid: 'container:x'", "cannot share it here"),
        ("use_api_socket: true", "masters of their machine"),
        ("deploy: {mode: global-job}", "nothing here runs to its end once on each machine"),
        ("deploy: {placement: {constraints: [engine.labels.x==y]}}", "engine.labels.x is not known of a node here"),
        ("ports: ['80:80', '80:81']", "80 cannot lead to 80 and to 81"),
        (
            "volumes_from: [gone]\ndepends_on: {gone: {condition: service_started, required: false}}",
            "volumes_from: there is no service gone",
        ),
        ("volumes: [{type: npipe, source: a, target: /b}]", "a mount of type npipe cannot be had here"),
    ],
)
def test_what_would_be_something_else_is_refused(keys: str, words: str) -> None:
    text = "\n".join(f"    {line}" for line in keys.splitlines())
    with pytest.raises(ManifestError, match=words):
        convert(f"services:\n  web:\n    image: web:1\n{text}\n  db: {{image: db}}\n")


def test_a_service_without_an_image_is_told_to_build_and_push() -> None:
    with pytest.raises(ManifestError, match=r"compose.yaml:3: services.web.build: images are not built here"):
        convert("services:\n  web:\n    build: .\n")


@pytest.mark.parametrize(
    ("struct", "tables"),
    [
        (Service, (unsupported.SERVICE, unsupported.REFUSED, unsupported.HONOURED)),
        (Attachment, (unsupported.ATTACHMENT, {"aliases", "extensions"})),
        (Network, (unsupported.NETWORK, {"name", "internal", "attachable", "extensions"})),
    ],
)
def test_each_key_is_honoured_named_or_refused(struct: type[msgspec.Struct], tables: tuple[Any, ...]) -> None:
    known = [key for table in tables for key in table]
    assert sorted(known) == sorted(field.name for field in msgspec.structs.fields(struct))


# Volumes, configs, secrets.


SHARED = """
name: shop
services:
  db: {image: db, volumes: [data:/var/lib/db]}
  web:
    image: web
    volumes: ["data:/data:ro", "given:/given", {type: volume, source: data, target: /part, volume: {subpath: a}}]
  pool: {image: web, scale: 3, volumes: [data:/data]}
volumes:
  data: {driver_opts: {size: 10g}}
  given: {external: true, name: kept_elsewhere}
"""


def test_a_named_volume_is_one_claim_that_services_share() -> None:
    converted = convert(SHARED)
    claim = found(converted, "PersistentVolumeClaim")
    assert claim["metadata"]["name"] == "shop-data"
    assert claim["spec"]["resources"]["requests"]["storage"] == "10Gi"
    spec = found(converted, "Deployment", "web")["spec"]["template"]["spec"]
    assert [at(each, "persistentVolumeClaim.claimName") for each in spec["volumes"]] == ["shop-data", "kept-elsewhere"]
    assert spec["containers"][0]["volumeMounts"][0] == {"name": "volume-data", "mountPath": "/data", "readOnly": True}
    assert spec["containers"][0]["volumeMounts"][2]["subPath"] == "a"


def test_who_holds_a_volume_alone_ends_before_its_successor_begins() -> None:
    converted = convert(SHARED)
    assert at(found(converted, "Deployment", "db"), "spec.strategy") == {"type": "Recreate"}
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    assert at(found(converted, "Deployment", "pool"), "spec.strategy") == rolling


def test_volumes_from_mounts_what_another_service_mounts() -> None:
    text = """
services:
  a: {image: a, volumes: ["data:/data", "/srv:/srv", "logs:/logs:ro"], tmpfs: /run}
  b: {image: b, volumes_from: ["a:ro"], volumes: ["own:/logs"]}
  c: {image: c, volumes_from: [b]}
volumes: {data: {}, logs: {}, own: {}}
"""
    converted = convert(text)
    for name in ("b", "c"):
        container = found(converted, "Deployment", name)["spec"]["template"]["spec"]["containers"][0]
        assert [(each["mountPath"], each.get("readOnly", False)) for each in container["volumeMounts"]] == [
            ("/logs", False),
            ("/data", True),
            ("/srv", True),
        ]


@pytest.mark.parametrize("source", ["container:x", "db"])
def test_volumes_that_cannot_be_shared_are_refused(source: str) -> None:
    with pytest.raises(ManifestError, match=r"services.web.volumes_from: .*name the volume"):
        convert(f"services: {{web: {{image: w, volumes_from: ['{source}']}}, db: {{image: d, volumes: [/anonymous]}}}}")


FILES = """
name: shop
services:
  web:
    image: web
    configs: [page, {source: other, target: /etc/other, mode: 0400}]
    secrets: [key]
configs:
  page: {content: "hello"}
  other: {file: ./other.txt}
secrets:
  key: {file: ./key.txt}
"""


def mounted(converted: Converted, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the mount at a path, and its volume."""
    spec = workload(converted)["spec"]["template"]["spec"]
    (mount,) = [each for each in spec["containers"][0]["volumeMounts"] if each["mountPath"] == path]
    (volume,) = [each for each in spec["volumes"] if each["name"] == mount["name"]]
    return mount, volume


def test_configs_and_secrets_are_files_of_objects_whose_name_follows_their_content() -> None:
    files = {"other.txt": "1", "key.txt": "k"}
    before, same = convert(FILES, files), convert(FILES, files)
    after = convert(FILES, files | {"key.txt": "changed"})
    assert before == same
    secret = found(before, "Secret")
    assert secret["metadata"]["name"].startswith("shop-key-")
    assert (secret["data"], secret["immutable"]) == ({"key": "aw=="}, True)
    mount, volume = mounted(before, "/run/secrets/key")
    assert mount == {"name": volume["name"], "mountPath": "/run/secrets/key", "subPath": "key", "readOnly": True}
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    assert mounted(before, "/etc/other")[1]["configMap"]["items"][0]["mode"] == 0o400
    assert mounted(before, "/page")[1]["configMap"]["items"][0]["mode"] == 0o444
    assert workload(before)["spec"]["template"] != workload(after)["spec"]["template"]


def test_no_warning_and_no_repr_holds_a_secret() -> None:
    converted = convert(FILES, {"other.txt": "1", "key.txt": "hunter2-xyz"})
    assert "hunter2" not in "".join(converted.warnings)


def test_a_file_beside_the_project_goes_along_and_what_may_be_secret_as_a_secret() -> None:
    keys = "volumes: ['./nginx.conf:/etc/nginx/nginx.conf:ro', './tls.key:/tls.key:ro', './html:/html:ro']"
    converted = one(keys, {"nginx.conf": "a", "tls.key": "b"})
    assert found(converted, "ConfigMap")["data"] == {"nginx.conf": "a"}
    assert found(converted, "Secret")["data"] == {"tls.key": "Yg=="}
    assert mounted(converted, "/html")[1]["hostPath"] == {"path": "/shop/html"}  # file, folder or socket
    assert [each for each in converted.warnings if "volumes" in each] == [
        line for line in converted.warnings if "/shop/html is a path of the machine" in line
    ]


def test_a_file_that_goes_along_may_be_read_and_run_as_it_lies_there() -> None:
    keys = "volumes: ['./run.sh:/run.sh', './users.htpasswd:/users:ro', './scripts:/scripts:ro']"
    files = {"run.sh": "#!/bin/sh", "users.htpasswd": "me:x", "scripts/a.sh": "#!/bin/sh", "scripts/b": "b"}
    converted = one(keys, files)
    assert mounted(converted, "/run.sh")[1]["configMap"]["items"][0]["mode"] == 0o555
    assert mounted(converted, "/users")[1]["secret"]["items"][0]["mode"] == 0o444
    modes = {each["path"]: each["mode"] for each in mounted(converted, "/scripts")[1]["configMap"]["items"]}
    assert modes == {"a.sh": 0o555, "b": 0o444}


def test_any_name_of_a_file_becomes_a_key() -> None:
    names = ("ä.conf", "ö.conf", 250 * "a", "b c")
    one("volumes: ['./..conf:/x:ro']", {"..conf": "x"})
    converted = one("volumes: ['./d:/d:ro']", {f"d/{name}": name for name in names})  # admission takes it
    data = found(converted, "ConfigMap")["data"]
    items = mounted(converted, "/d")[1]["configMap"]["items"]
    assert {each["path"]: data[each["key"]] for each in items} == {name: name for name in names}


def test_a_folder_that_is_only_read_goes_along_with_its_files() -> None:
    files = {"html/index.html": "hi", "html/css/a.css": "b", "rw/x": "y"}
    converted = one("volumes: ['./html:/html:ro', './rw:/rw']", files)
    data = found(converted, "ConfigMap")["data"]
    mount, volume = mounted(converted, "/html")
    assert "subPath" not in mount
    assert {each["path"]: data[each["key"]] for each in volume["configMap"]["items"]} == {
        "index.html": "hi",
        "css/a.css": "b",
    }
    assert mounted(converted, "/rw")[1]["hostPath"]["path"] == "/shop/rw"


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ("{type: none, o: bind, device: /srv}", {"hostPath": {"path": "/srv", "type": "DirectoryOrCreate"}}),
        ("{type: tmpfs, device: tmpfs}", {"emptyDir": {"medium": "Memory"}}),
    ],
)
def test_a_volume_with_options_of_mount_is_what_they_say(options: str, source: dict[str, Any]) -> None:
    text = f"services: {{web: {{image: w, volumes: [data:/d]}}}}\nvolumes: {{data: {{driver_opts: {options}}}}}\n"
    converted = convert(text)
    assert mounted(converted, "/d")[1] == {"name": "volume-data", **source}
    assert converted.warnings


def test_a_volume_on_nfs_is_refused_rather_than_begun_empty() -> None:
    options = "{type: nfs, o: addr=a, device: ':/x'}"
    text = f"services: {{web: {{image: w, volumes: [data:/d]}}}}\nvolumes: {{data: {{driver_opts: {options}}}}}\n"
    with pytest.raises(ManifestError, match="type 'nfs' cannot be mounted by a claim"):
        convert(text)


# Services.


def test_a_service_is_found_by_its_name_and_published_apart() -> None:
    converted = one("ports: ['8080:80', '53:53/udp', '9000']\nexpose: ['7000-7001']")
    inner = found(converted, "Service", "web")["spec"]
    assert [each["port"] for each in inner["ports"]] == [80, 53, 9000, 7000, 7001]
    outer = found(converted, "Service", "web-published")["spec"]
    assert outer["type"] == "LoadBalancer"
    assert [(each["port"], each["targetPort"], each["protocol"]) for each in outer["ports"]] == [
        (8080, 80, "TCP"),
        (53, 53, "UDP"),
    ]
    assert found(converted, "Service", "web-random-port")["spec"]["type"] == "NodePort"


def test_a_service_that_names_no_port_is_headless() -> None:
    assert found(one("tty: false"), "Service")["spec"]["clusterIP"] == "None"
    assert (
        found(one("ports: ['80:80']\ndeploy: {endpoint_mode: dnsrr}"), "Service", "web")["spec"]["clusterIP"] == "None"
    )


def test_one_that_holds_a_volume_alone_is_found_before_it_is_ready() -> None:
    """Members of a cluster are not ready before they have found each other."""
    converted = convert(
        "services:\n"
        "  etcd: {image: e, ports: ['2379:2379'], volumes: ['data:/data'], networks: {default: {aliases: [store]}}}\n"
        "  web: {image: w, ports: ['80:80']}\n"
        "  many: {image: m, volumes: ['more:/data'], scale: 2}\n"
        "volumes: {data: {}, more: {}}\n"
    )
    services = [each for each in converted.documents if each["kind"] == "Service"]
    early = {each["metadata"]["name"] for each in services if each["spec"].get("publishNotReadyAddresses")}
    assert early == {"etcd", "store"}


def test_one_port_published_on_all_addresses_of_both_families_is_one() -> None:
    outer = found(one("ports: ['0.0.0.0:80:8000', '[::]:80:8000']"), "Service", "web-published")["spec"]
    assert [(each["port"], each["targetPort"]) for each in outer["ports"]] == [(80, 8000)]


def test_port_nought_is_any_port() -> None:
    converted = one("ports: ['0:80', {target: 90, published: 0}]")
    assert [each["port"] for each in found(converted, "Service", "web-random-port")["spec"]["ports"]] == [80, 90]


def test_a_port_of_the_machine_is_a_host_port() -> None:
    converted = one("ports: [{target: 80, published: 8080, mode: host}]")
    assert at(workload(converted), f"{MAIN}.ports") == [{"containerPort": 80, "protocol": "TCP", "hostPort": 8080}]
    assert at(workload(converted), "spec.strategy.rollingUpdate") == {"maxSurge": 0, "maxUnavailable": 1}
    local = one("ports: ['127.0.0.1:8080:80']")
    assert at(workload(local), f"{MAIN}.ports.0.hostIP") == "127.0.0.1"


def test_other_names_are_services_too() -> None:
    converted = convert(
        "services:\n"
        "  web: {image: w, container_name: box, hostname: front, networks: {default: {aliases: [www]}}}\n"
        "  app: {image: a, hostname: same, links: ['web:site']}\n"
        "  job: {image: a, hostname: same}\n"
    )
    names = {each["metadata"]["name"] for each in converted.documents if each["kind"] == "Service"}
    assert names == {"web", "box", "front", "www", "site", "app", "job"}


def test_names_of_any_length_become_names() -> None:
    key = 62 * "a"
    service = f"{{image: a, ports: ['80:80', '81'], volumes: ['{key}b:/b', '{key}c:/c']}}"
    convert(f"services: {{{key}: {service}}}\nvolumes: {{{key}b: {{}}, {key}c: {{}}}}\n")  # admission takes them


@pytest.mark.slow
def test_as_many_services_as_there_may_be_stand_in_a_row() -> None:
    numbers = range(checking.SERVICES_MAX - 1, -1, -1)
    rows = [f"  s{number}: {{image: x, volumes_from: [s{number - 1}, 's{number - 1}:ro']}}" for number in numbers[:-1]]
    text = "\n".join(["services:", *rows, "  s0: {image: x, volumes: ['data:/data']}", "volumes: {data: {}}", ""])
    loaded = loading.load([("compose.yaml", text)], lambda _: b"", {}, loading.Options(folder=FOLDER))
    converted = converting.convert(loaded)
    assert at(found(converted, "Deployment", f"s{numbers[0]}"), f"{MAIN}.volumeMounts.0.mountPath") == "/data"


def test_who_says_no_number_of_replicas_leaves_it_to_others() -> None:
    assert "replicas" not in workload(one("tty: false"))["spec"]


def test_a_name_that_cannot_be_one_here_is_changed_and_told() -> None:
    converted = convert("services: {My_DB.1: {image: a}, 2nd: {image: b}}")
    assert {each["metadata"]["name"] for each in converted.documents} == {"my-db-1", "s-2nd"}
    assert any("services.My_DB.1: is called my-db-1 here" in line for line in converted.warnings)


def test_two_names_that_would_be_one_are_refused() -> None:
    with pytest.raises(ManifestError, match="would be called a-b, as a_b is"):
        convert("services: {a_b: {image: a}, a-b: {image: b}}")


# Order.


ORDERED = """
services:
  web:
    image: web
    depends_on:
      db: {condition: service_healthy, restart: true}
      migrate: {condition: service_completed_successfully}
      cache: {condition: service_started, required: false}
  migrate: {image: web, command: migrate, depends_on: [db]}
  db: {image: db, healthcheck: {test: [CMD, ok]}, environment: {V: "1"}}
  cache: {image: cache}
"""


def depends_on(converted: Converted, name: str) -> str:
    return found(converted, "Deployment", name)["spec"]["template"]["metadata"]["annotations"]["swarmlet.io/depends-on"]


def test_depends_on_names_workloads_and_conditions() -> None:
    converted = convert(ORDERED)
    job = found(converted, "Job")["metadata"]["name"]
    assert depends_on(converted, "web") == f"deployment/db=ready,job/{job}=complete,deployment/cache=started?"
    order = [each["metadata"]["name"] for each in converted.documents if each["kind"] in ("Deployment", "Job")]
    assert order.index("db") < order.index(job) < order.index("web")


def test_a_job_that_names_no_port_has_no_service() -> None:
    names = {each["metadata"]["name"] for each in convert(ORDERED).documents if each["kind"] == "Service"}
    assert names == {"web", "db", "cache"}


def test_a_changed_job_is_another_and_what_waits_for_it_starts_anew() -> None:
    before, after = convert(ORDERED), convert(ORDERED.replace("command: migrate", "command: migrate --all"))
    assert found(before, "Job")["metadata"]["name"] != found(after, "Job")["metadata"]["name"]
    assert depends_on(before, "web") != depends_on(after, "web")


def test_restart_starts_a_service_anew_with_what_it_depends_on() -> None:
    def template(text: str, name: str) -> dict[str, Any]:
        return found(convert(text), "Deployment", name)["spec"]["template"]

    changed = ORDERED.replace('V: "1"', 'V: "2"')
    assert template(ORDERED, "web") != template(changed, "web")
    assert template(ORDERED.replace(", restart: true", ""), "web") == template(
        changed.replace(", restart: true", ""), "web"
    )


def test_a_circle_is_refused() -> None:
    with pytest.raises(ManifestError, match="wait for each other"):
        convert("services: {a: {image: a, depends_on: [b]}, b: {image: b, depends_on: [a]}}")
