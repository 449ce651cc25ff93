from __future__ import annotations

from typing import Any

import msgspec
import pytest

from swarmlet.manifests.reading import ManifestError
from tests.manifests.compose.projects import service


def port(target: int, published: str = "", **others: str) -> dict[str, Any]:
    return {"target": target, "published": published, **others}


@pytest.mark.parametrize(
    ("ports", "result"),
    [
        ('"3000"', [port(3000)]),
        ("3000", [port(3000)]),
        ("3000-3002", [port(3000), port(3001), port(3002)]),
        ('"8000:8000"', [port(8000, "8000")]),
        ("22:22", [port(22, "22")]),
        ('"9090-9091:8080-8081"', [port(8080, "9090"), port(8081, "9091")]),
        ('"49100:22"', [port(22, "49100")]),
        ('"8000-9000:80"', [port(80, "8000-9000")]),
        ('"127.0.0.1:8001:8001"', [port(8001, "8001", host_ip="127.0.0.1")]),
        ('"127.0.0.1::80"', [port(80, "", host_ip="127.0.0.1")]),
        (
            '"127.0.0.1:5000-5001:5000-5001"',
            [port(5000, "5000", host_ip="127.0.0.1"), port(5001, "5001", host_ip="127.0.0.1")],
        ),
        ('"::1:6000:6000"', [port(6000, "6000", host_ip="::1")]),
        ('"[::1]:6001:6001"', [port(6001, "6001", host_ip="::1")]),
        ('"6060:6060/udp"', [port(6060, "6060", protocol="udp")]),
        ('"53/UDP"', [port(53, protocol="udp")]),
        ("{target: 80}", [port(80)]),
        ("{target: 80, published: 8080}", [port(80, "8080")]),
        ('{target: "80", published: "8083-9000"}', [port(80, "8083-9000")]),
        (
            "{name: web, target: 80, host_ip: 127.0.0.1, published: '8080', app_protocol: http, mode: host}",
            [port(80, "8080", name="web", host_ip="127.0.0.1", app_protocol="http", mode="host")],
        ),
    ],
)
def test_ports(ports: str, result: list[dict[str, Any]]) -> None:
    defaults = {"protocol": "tcp", "mode": "ingress", "host_ip": "", "name": "", "app_protocol": "", "extensions": {}}
    found = service(f"ports: [{ports}]").ports
    assert [msgspec.structs.asdict(each) for each in found] == [{**defaults, **each} for each in result]


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        ('"web"', "'web' is no port"),
        ('"80:web"', "is no port"),
        ('"8000-8001:80-82"', "has 2 host ports for 3 container ports"),
        ('"70000:80"', "'70000' is no port or range of ports from 1 to 65535"),
        ('"9-8"', "is no port or range"),
        ('"0:70000"', "is no port or range"),
        ('"1-60000"', "is over 1000 ports"),
        ("{published: 80}", "target is not set"),
        ("{target: 0}", "target: must be at least 1"),
        ("{target: 80, published: x}", "published: 'x' is no port"),
        ("{target: 80, host: 1}", "host: no such key; did you mean host_ip?"),
        ("[80]", "is no port"),
    ],
)
def test_what_is_no_port(ports: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        service(f"ports:\n  - {ports}")
    assert str(caught.value).startswith("compose.yaml:5: services.web.ports[0]")
    assert message in str(caught.value)


VOLUMES = "volumes: {data: }"


@pytest.mark.parametrize(
    ("volume", "result"),
    [
        ("data:/var/lib/data", {"type": "volume", "source": "data", "target": "/var/lib/data"}),
        ("data:/d:ro", {"type": "volume", "source": "data", "target": "/d", "read_only": True}),
        ("data:/d:rw", {"type": "volume", "source": "data", "target": "/d"}),
        ("data:/d:nocopy", {"type": "volume", "source": "data", "target": "/d", "volume": {"nocopy": True}}),
        ("/cache", {"type": "volume", "target": "/cache"}),
        ("/cache/", {"type": "volume", "target": "/cache"}),
        (
            "./conf:/etc/conf:ro,z",
            {
                "type": "bind",
                "source": "/srv/app/conf",
                "target": "/etc/conf",
                "read_only": True,
                "bind": {"create_host_path": True, "selinux": "z"},
            },
        ),
        (
            "../shared:/s:Z,rshared",
            {
                "type": "bind",
                "source": "/srv/shared",
                "target": "/s",
                "bind": {"create_host_path": True, "selinux": "Z", "propagation": "rshared"},
            },
        ),
        (
            "~/x:/x:cached",
            {
                "type": "bind",
                "source": "/users/me/x",
                "target": "/x",
                "consistency": "cached",
                "bind": {"create_host_path": True},
            },
        ),
        (
            "/var/run/docker.sock:/var/run/docker.sock",
            {
                "type": "bind",
                "source": "/var/run/docker.sock",
                "target": "/var/run/docker.sock",
                "bind": {"create_host_path": True},
            },
        ),
        (".:/code", {"type": "bind", "source": "/srv/app", "target": "/code", "bind": {"create_host_path": True}}),
        (
            "{type: bind, source: ./x, target: /x, bind: {create_host_path: false, recursive: disabled}}",
            {
                "type": "bind",
                "source": "/srv/app/x",
                "target": "/x",
                "bind": {"create_host_path": False, "recursive": "disabled"},
            },
        ),
        (
            "{type: volume, source: data, target: /d, volume: {nocopy: true, subpath: a/b, labels: [x=1]}}",
            {
                "type": "volume",
                "source": "data",
                "target": "/d",
                "volume": {"nocopy": True, "subpath": "a/b", "labels": {"x": "1"}},
            },
        ),
        (
            "{type: tmpfs, target: /t, tmpfs: {size: 64m, mode: 01777}}",
            {"type": "tmpfs", "target": "/t", "tmpfs": {"size": 64 * 1024 * 1024, "mode": 0o1777}},
        ),
        (
            "{type: image, source: x/y, target: /i, image: {subpath: z}}",
            {"type": "image", "source": "x/y", "target": "/i", "image": {"subpath": "z"}},
        ),
        (
            "{type: npipe, source: a, target: /b, consistency: consistent}",
            {"type": "npipe", "source": "a", "target": "/b", "consistency": "consistent"},
        ),
        ("{type: cluster, source: a, target: /b}", {"type": "cluster", "source": "a", "target": "/b"}),
    ],
)
def test_volumes(volume: str, result: dict[str, Any]) -> None:
    quoted = volume if volume.startswith("{") else f'"{volume}"'
    found = service(f"volumes: [{quoted}]", top=VOLUMES).volumes
    assert [msgspec.to_builtins(each) for each in found] == [result]


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ('"data:relative"', "'relative' is no absolute path in the container"),
        ('"data:/d:rx"', "'rx' is no option of a volume"),
        ('"a:b:c:d"', "is no volume; it is [SOURCE:]TARGET[:OPTIONS]"),
        ('"data:"', "is no volume"),
        ('""', "is no volume"),
        (r'"C:\\data:/d"', "is a path of Windows"),
        ('"C:/data:/d"', "is a path of Windows"),
        ('"my data:/d"', "is no name of a volume; a folder begins with ./ or /"),
        ("{type: bind, target: /x}", "a bind mount needs a source"),
        ("{type: volume, source: data}", "target is not set"),
        ("{type: disk, target: /x}", "type: must be one of bind"),
        ("{source: data, target: /x}", "type is not set"),
        ("{type: bind, source: /x, target: /x, bind: {selinux: y}}", "bind.selinux: must be one of Z, z"),
        ("{type: tmpfs, target: /x, tmpfs: {size: big}}", "tmpfs.size: 'big' is no size"),
    ],
)
def test_what_is_no_volume(volume: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        service(f"volumes:\n  - {volume}", top=VOLUMES)
    assert str(caught.value).startswith("compose.yaml:5: services.web.volumes[0]")
    assert message in str(caught.value)


def test_home_must_be_known() -> None:
    with pytest.raises(ManifestError, match="HOME, which is not set"):
        service('volumes: ["~/x:/x"]', environment={"A": "1"})


GRANTS = "configs: {c: {content: x}}\nsecrets: {s: {environment: S}}"


@pytest.mark.parametrize(
    ("keys", "result"),
    [
        ("configs: [c]", {"source": "c", "target": "/c"}),
        ("configs: [{source: c, target: /etc/c.conf}]", {"source": "c", "target": "/etc/c.conf"}),
        (
            "configs: [{source: c, uid: '103', gid: 103, mode: 0440}]",
            {"source": "c", "target": "/c", "uid": "103", "gid": "103", "mode": 0o440},
        ),
        ("secrets: [s]", {"source": "s", "target": "/run/secrets/s"}),
        ("secrets: [{source: s, target: cert}]", {"source": "s", "target": "/run/secrets/cert"}),
        ("secrets: [{source: s, target: /etc/cert}]", {"source": "s", "target": "/etc/cert"}),
        (
            "secrets: [{source: s, mode: 0o400}]",
            {"source": "s", "target": "/run/secrets/s", "mode": 0o400},
        ),
    ],
)
def test_configs_and_secrets(keys: str, result: dict[str, Any]) -> None:
    web = service(keys, top=GRANTS, environment={"S": "x"})
    assert [msgspec.to_builtins(each) for each in (*web.configs, *web.secrets)] == [result]


@pytest.mark.parametrize(
    ("keys", "field", "result"),
    [
        ("command: bundle exec thin -p 3000", "command", ("bundle", "exec", "thin", "-p", "3000")),
        ("""command: sh -c 'echo "hello $$X"'""", "command", ("sh", "-c", 'echo "hello $X"')),
        ("command: [a, 'b c']", "command", ("a", "b c")),
        ("command: []", "command", ()),
        ("command: ''", "command", ()),
        ("command: null", "command", None),
        ("entrypoint: /code/entrypoint.sh", "entrypoint", ("/code/entrypoint.sh",)),
        ("entrypoint: []", "entrypoint", ()),
        ("dns: 8.8.8.8", "dns", ("8.8.8.8",)),
        ("dns: [8.8.8.8, 9.9.9.9]", "dns", ("8.8.8.8", "9.9.9.9")),
        ("dns_search: example.com", "dns_search", ("example.com",)),
        ("tmpfs: /run", "tmpfs", ("/run",)),
        ("tmpfs: ['/run:size=64m', /tmp]", "tmpfs", ("/run:size=64m", "/tmp")),
        (
            "environment: {A: 1, B: yes, C: true, D: '', E: 1.10}",
            "environment",
            {"A": "1", "B": "yes", "C": "true", "D": "", "E": "1.10"},
        ),
        ("environment: [A=1, 'B=x=y', C=]", "environment", {"A": "1", "B": "x=y", "C": ""}),
        ("labels: [a=1, b]", "labels", {"a": "1", "b": ""}),
        ("labels: {a: 1, b: , c: true}", "labels", {"a": "1", "b": "", "c": "true"}),
        ("annotations: [a=1]", "annotations", {"a": "1"}),
        ("sysctls: [net.core.somaxconn=1024]", "sysctls", {"net.core.somaxconn": "1024"}),
        ("sysctls: {net.ipv4.tcp_syncookies: 0}", "sysctls", {"net.ipv4.tcp_syncookies": "0"}),
        ("extra_hosts: ['a=1.2.3.4', 'b:5.6.7.8']", "extra_hosts", {"a": ("1.2.3.4",), "b": ("5.6.7.8",)}),
        (
            "extra_hosts: ['v6=::1', 'v7:::1', 'v8=[::1]']",
            "extra_hosts",
            {"v6": ("::1",), "v7": ("::1",), "v8": ("::1",)},
        ),
        ("extra_hosts: {a: 1.2.3.4, b: [5.6.7.8, '::1']}", "extra_hosts", {"a": ("1.2.3.4",), "b": ("5.6.7.8", "::1")}),
        ("extra_hosts: ['a=1.1.1.1', 'a=2.2.2.2']", "extra_hosts", {"a": ("1.1.1.1", "2.2.2.2")}),
        ("expose: [3000, '8080-8085/tcp']", "expose", ("3000", "8080-8085/tcp")),
        ("group_add: [mail, 1000]", "group_add", ("mail", "1000")),
        ("cap_add: [NET_ADMIN]", "cap_add", ("NET_ADMIN",)),
        ("restart: no", "restart", "no"),
        ("restart: on-failure:3", "restart", "on-failure:3"),
        ("user: 1000:1000", "user", "1000:1000"),
        ("user: 1000", "user", "1000"),
        ("init: yes", "init", True),
        ("attach: 'false'", "attach", False),
        ("mac_address: 02:42:ac:11:00:02", "mac_address", "02:42:ac:11:00:02"),
    ],
)
def test_texts_lists_and_mappings(keys: str, field: str, result: object) -> None:
    assert getattr(service(keys), field) == result


@pytest.mark.parametrize(
    ("keys", "field", "result"),
    [
        ("depends_on: [db]", "depends_on", {"db": {}}),
        (
            "depends_on: {db: {condition: service_healthy, restart: true, required: false}}",
            "depends_on",
            {"db": {"condition": "service_healthy", "restart": True, "required": False}},
        ),
        ("depends_on: {db: {required: true}}", "depends_on", {"db": {}}),
        ("ulimits: {nproc: 65535}", "ulimits", {"nproc": {"soft": 65535, "hard": 65535}}),
        ("ulimits: {nofile: {soft: 20000, hard: 40000}}", "ulimits", {"nofile": {"soft": 20000, "hard": 40000}}),
        ("ulimits: {memlock: -1}", "ulimits", {"memlock": {"soft": -1, "hard": -1}}),
        (
            "devices: [/dev/ttyUSB0]",
            "devices",
            [{"source": "/dev/ttyUSB0", "target": "/dev/ttyUSB0", "permissions": "rwm"}],
        ),
        (
            "devices: ['/dev/sda:/dev/xvda:r']",
            "devices",
            [{"source": "/dev/sda", "target": "/dev/xvda", "permissions": "r"}],
        ),
        ("devices: ['/dev/a:/dev/b']", "devices", [{"source": "/dev/a", "target": "/dev/b", "permissions": "rwm"}]),
        ("devices: ['vendor1.com/device=gpu']", "devices", [{"source": "vendor1.com/device=gpu"}]),
        ("gpus: all", "gpus", [{"count": -1, "capabilities": ["gpu"]}]),
        ("gpus: [{driver: nvidia, count: 2}]", "gpus", [{"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}]),
        ("gpus: [{device_ids: ['0'], capabilities: [gpu]}]", "gpus", [{"device_ids": ["0"], "capabilities": ["gpu"]}]),
        ("build: ./web", "build", {"context": "/srv/app/web", "dockerfile": "Dockerfile"}),
        (
            "build: https://github.com/x/y.git#main",
            "build",
            {"context": "https://github.com/x/y.git#main", "dockerfile": "Dockerfile"},
        ),
        (
            "build: {context: ., args: [A=1, B], target: dev}",
            "build",
            {"context": "/srv/app", "dockerfile": "Dockerfile", "args": {"A": "1", "B": None}, "target": "dev"},
        ),
        (
            "healthcheck: {test: curl -f http://localhost}",
            "healthcheck",
            {"test": ["CMD-SHELL", "curl -f http://localhost"]},
        ),
        (
            "healthcheck: {test: [CMD, curl, x], retries: 3}",
            "healthcheck",
            {"test": ["CMD", "curl", "x"], "retries": 3},
        ),
        ("healthcheck: {test: [NONE]}", "healthcheck", {"disable": True}),
        ("healthcheck: {test: NONE}", "healthcheck", {"disable": True}),
        ("healthcheck: {disable: true}", "healthcheck", {"disable": True}),
        (
            "deploy: {restart_policy: {condition: unless-stopped}}",
            "deploy",
            {"restart_policy": {"condition": "any"}},
        ),
        ("deploy: {restart_policy: {condition: no}}", "deploy", {"restart_policy": {"condition": "none"}}),
        ("models: [llm]", "models", {"llm": {}}),
        (
            "models: {llm: {endpoint_var: URL, model_var: M}}",
            "models",
            {"llm": {"endpoint_var": "URL", "model_var": "M"}},
        ),
        (
            "post_start: [{command: ./go.sh now, user: root, privileged: true, environment: [A=B]}]",
            "post_start",
            [{"command": ["./go.sh", "now"], "user": "root", "privileged": True, "environment": {"A": "B"}}],
        ),
        ("pre_stop: [{command: [a], working_dir: /x}]", "pre_stop", [{"command": ["a"], "working_dir": "/x"}]),
        (
            "logging: {driver: syslog, options: {syslog-address: 'tcp://x', max-file: 3}}",
            "logging",
            {"driver": "syslog", "options": {"syslog-address": "tcp://x", "max-file": "3"}},
        ),
    ],
)
def test_structures(keys: str, field: str, result: object) -> None:
    top = "  db: {image: x}\nmodels: {llm: {model: ai/x}}"
    assert msgspec.json.decode(msgspec.json.encode(getattr(service(keys, top=top), field))) == result


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('command: "a \'b"', '4: services.web.command: "a \'b" is no command: no closing quotation'),
        ("environment: [=1]", "4: services.web.environment[0]: must be KEY=VALUE"),
        ("environment: text", "4: services.web.environment: must be a mapping"),
        ("environment: {A: [1]}", "4: services.web.environment.A: must be text, not a list"),
        ("labels: text", "4: services.web.labels: must be a mapping, not the text 'text'"),
        ("extra_hosts: [somehost]", "4: services.web.extra_hosts[0]: must be HOST=ADDRESS"),
        ("extra_hosts: text", "4: services.web.extra_hosts: must be a mapping"),
        ("devices: ['a:b:c:d']", "4: services.web.devices[0]: 'a:b:c:d' is no device"),
        ("depends_on: {db: service_healthy}", "4: services.web.depends_on.db: must be a mapping"),
        (
            "depends_on: {db: {condition: healthy}}",
            "4: services.web.depends_on.db.condition: must be one of service_comp",
        ),
        ("depends_on: [[db]]", "4: services.web.depends_on[0]: must be a name, not a list"),
        ("healthcheck: {test: [curl, x]}", "4: services.web.healthcheck.test: must begin with NONE, CMD or CMD-SHELL"),
        ("healthcheck: {test: [CMD]}", "4: services.web.healthcheck.test: a command is missing"),
        ("healthcheck: {interval: 30}", "4: services.web.healthcheck.interval: '30' is no duration"),
        ("ulimits: {nofile: {soft: 1}}", "4: services.web.ulimits.nofile: hard is not set"),
        ("ulimits: {nofile: {soft: 2, hard: 1}}", "4: services.web.ulimits.nofile: soft (2) is over hard (1)"),
        ("gpus: some", "4: services.web.gpus: must be a list"),
        ("restart: true", '4: services.web.restart: must be text, not true; write it in quotes: "true"'),
        ("restart: sometimes", "4: services.web.restart: must be no, always, on-failure[:TIMES] or unless-stopped"),
        ("pull_policy: maybe", "4: services.web.pull_policy: must be always"),
        ("expose: [web]", "4: services.web.expose[0]: 'web' is no port"),
        ("expose: [65536]", "4: services.web.expose[0]: '65536' is no port"),
        ("expose: [8-1]", "4: services.web.expose[0]: '8-1' is no port"),
        ("expose: [1-1001]", "4: services.web.expose: over 1000 ports"),
        ("privileged: 2", "4: services.web.privileged: must be true or false, not the text '2'"),
        ("scale: many", "4: services.web.scale: must be a whole number"),
        ("scale: -1", "4: services.web.scale: must be at least 0, not -1"),
        ("oom_score_adj: 2000", "4: services.web.oom_score_adj: must be at most 1000"),
        ("cpus: much", "4: services.web.cpus: must be a number"),
        ("cpus: .nan", "4: services.web.cpus: must be a number"),
        ("mem_limit: {}", "4: services.web.mem_limit: must be a number, not a mapping"),
        ("configs: [{target: /x}]", "4: services.web.configs[0]: source is not set"),
        ("configs: [{source: c, mode: rwx}]", "4: services.web.configs[0].mode: 'rwx' is no file mode"),
        ("secrets: [nothing]", "4: services.web.secrets[0]: there is no secret nothing"),
        ("networks: [back]", "4: services.web.networks.back: there is no network back"),
        ("volumes: [data:/d]", "4: services.web.volumes[0]: there is no volume data"),
        (
            "depends_on: [dd]",
            "4: services.web.depends_on.dd: there is no service dd (one of a profile that is not acti",
        ),
        ("labels: {com.docker.compose.project: x}", "4: services.web.labels.com.docker.compose.project: com.docker"),
        ("profiles: [-x]", "4: services.web.profiles[0]: a profile has letters"),
        ("imag: x", "4: services.web.imag: no such key; did you mean image?"),
        ("enviroment: {}", "4: services.web.enviroment: no such key; did you mean environment?"),
        (
            "deploy: {resources: {limits: {memry: 1}}}",
            "4: services.web.deploy.resources.limits.memry: no such key; did",
        ),
        ("provider: {options: {}}", "4: services.web.provider: type is not set"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_key(keys: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        service(keys, top="  db: {image: x}\nconfigs: {c: {content: x}}", profiles=("*",))
    assert str(caught.value).startswith(f"compose.yaml:{message}")
