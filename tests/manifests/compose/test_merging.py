from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.manifests.compose import merging, nodes, rendering
from swarmlet.manifests.compose.nodes import Node
from swarmlet.manifests.reading import ManifestError
from tests.manifests.compose.projects import load


def merged(base: str, over: str, **arguments: Any) -> dict[str, Any]:
    """Return the service `web` of two files, each written as the keys of it."""
    loaded = load(
        f"services: {{web: {{image: busybox, {base}}}}}\nvolumes: {{a: , b: }}\nnetworks: {{n: , m: }}",
        f"services: {{web: {{{over}}}}}",
        **arguments,
    )
    found = rendering.document(loaded.project)["services"]["web"]
    ports = [
        {key: value for key, value in port.items() if key not in ("mode", "protocol")}
        for port in found.get("ports", [])
    ]
    found |= {"ports": ports} if ports else {}
    return {key: value for key, value in found.items() if key != "image" and (key != "networks" or "networks" in over)}


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ("user: a", "user: b", {"user": "b"}),
        ("user: a", "tty: true", {"user": "a", "tty": True}),
        ("dns: [1.1.1.1]", "dns: [8.8.8.8]", {"dns": ["1.1.1.1", "8.8.8.8"]}),
        ("dns: 1.1.1.1", "dns: 8.8.8.8", {"dns": ["1.1.1.1", "8.8.8.8"]}),
        ("dns: [1.1.1.1]", "dns: [1.1.1.1]", {"dns": ["1.1.1.1"]}),
        ("command: [echo, foo]", "command: [echo, bar]", {"command": ["echo", "bar"]}),
        ("command: echo foo", "command: [bar]", {"command": ["bar"]}),
        ("entrypoint: [a, b]", "entrypoint: c", {"entrypoint": ["c"]}),
        (
            "healthcheck: {test: [CMD, a], retries: 3}",
            "healthcheck: {test: b}",
            {"healthcheck": {"test": ["CMD-SHELL", "b"], "retries": 3}},
        ),
        ("environment: {A: 1, B: 2}", "environment: [B=3, C=4]", {"environment": {"A": "1", "B": "3", "C": "4"}}),
        ("labels: [a=1]", "labels: {b: 2}", {"labels": {"a": "1", "b": "2"}}),
        (
            "volumes: ['a:/work']",
            "volumes: ['b:/work']",
            {"volumes": [{"type": "volume", "source": "b", "target": "/work"}]},
        ),
        (
            "volumes: ['a:/work:ro']",
            "volumes: [{type: volume, source: b, target: /work/}, 'a:/x']",
            {
                "volumes": [
                    {"type": "volume", "source": "b", "target": "/work"},
                    {"type": "volume", "source": "a", "target": "/x"},
                ]
            },
        ),
        (
            "ports: ['8080:80']",
            "ports: ['8443:443', '8080:80']",
            {"ports": [{"target": 80, "published": "8080"}, {"target": 443, "published": "8443"}]},
        ),
        (
            "ports: ['8080:80']",
            "ports: [{target: 80, published: 8080, name: web}]",
            {"ports": [{"target": 80, "published": "8080", "name": "web"}]},
        ),
        ("networks: [n]", "networks: {m: {aliases: [x]}}", {"networks": {"n": {}, "m": {"aliases": ["x"]}}}),
        (
            "networks: {n: {aliases: [x]}}",
            "networks: {n: {aliases: [y], priority: 3}}",
            {"networks": {"n": {"aliases": ["x", "y"], "priority": 3.0}}},
        ),
        (
            "ulimits: {nofile: 1}",
            "ulimits: {nofile: {soft: 2, hard: 3}}",
            {"ulimits": {"nofile": {"soft": 2, "hard": 3}}},
        ),
        (
            "ulimits: {nofile: {soft: 2, hard: 3}}",
            "ulimits: {nofile: 1}",
            {"ulimits": {"nofile": {"soft": 1, "hard": 1}}},
        ),
        (
            "logging: {driver: a, options: {x: 1}}",
            "logging: {driver: a, options: {y: 2}}",
            {"logging": {"driver": "a", "options": {"x": "1", "y": "2"}}},
        ),
        (
            "logging: {driver: a, options: {x: 1}}",
            "logging: {driver: b, options: {y: 2}}",
            {"logging": {"driver": "b", "options": {"y": "2"}}},
        ),
        (
            "deploy: {replicas: 2, resources: {limits: {cpus: 1, memory: 1g}}}",
            "deploy: {resources: {limits: {cpus: 2}}}",
            {"deploy": {"replicas": 2, "resources": {"limits": {"cpus": 2.0, "memory": "1073741824"}}}},
        ),
        (
            "devices: ['/dev/a:/dev/x']",
            "devices: ['/dev/b:/dev/x']",
            {"devices": [{"source": "/dev/b", "target": "/dev/x", "permissions": "rwm"}]},
        ),
        ("cap_add: [A]", "cap_add: [B, A]", {"cap_add": ["A", "B"]}),
        ("expose: ['80']", "expose: [80, 443]", {"expose": ["80", "443"]}),
        ("x-note: {a: 1}", "x-note: {b: 2}", {"x-note": {"b": 2}}),
        (
            "blkio_config: {device_read_bps: [{path: /dev/a, rate: 1k}]}",
            "blkio_config: {device_read_bps: [{path: /dev/a, rate: 2k}]}",
            {"blkio_config": {"device_read_bps": [{"path": "/dev/a", "rate": "2048"}]}},
        ),
        (
            "build: ./a",
            "build: {target: dev}",
            {"build": {"context": "/srv/app/a", "dockerfile": "Dockerfile", "target": "dev"}},
        ),
        (
            "build: {args: [A=1]}",
            "build: {args: {B: 2}}",
            {"build": {"dockerfile": "Dockerfile", "args": {"A": "1", "B": "2"}}},
        ),
        (
            "extra_hosts: ['a=1.1.1.1']",
            "extra_hosts: {b: 2.2.2.2}",
            {"extra_hosts": {"a": ["1.1.1.1"], "b": ["2.2.2.2"]}},
        ),
        # Tags.
        ("ports: ['8080:80'], environment: {A: 1}", "ports: !reset [], environment: {A: !reset null}", {}),
        ("ports: ['8080:80']", "ports: !override ['8443:443']", {"ports": [{"target": 443, "published": "8443"}]}),
        ("environment: {A: 1}", "environment: !override {B: 2}", {"environment": {"B": "2"}}),
        ("deploy: {replicas: 2, mode: global}", "deploy: {mode: !reset ''}", {"deploy": {"replicas": 2}}),
        ("dns: [1.1.1.1]", "dns: !override 8.8.8.8", {"dns": ["8.8.8.8"]}),
        ("user: a", "user: !override b", {"user": "b"}),
        ("user: a", "tty: !reset true", {"user": "a"}),
        # Nothing says nothing.
        ("ports: ['8080:80']", "ports: ", {"ports": [{"target": 80, "published": "8080"}]}),
        ("command: [a]", "command: ", {}),
    ],
)
def test_one_file_over_another(base: str, over: str, result: dict[str, Any]) -> None:
    assert merged(base, over) == result


def test_dependencies_merge_by_service() -> None:
    loaded = load(
        "services: {web: {image: x, depends_on: [db, cache]}, db: {image: x}, cache: {image: x}}",
        "services: {web: {depends_on: {db: {condition: service_healthy}}}}",
    )
    found = loaded.project.services["web"].depends_on
    assert {name: each.condition for name, each in found.items()} == {
        "db": "service_healthy",
        "cache": "service_started",
    }


def test_configs_and_secrets_are_one_by_target() -> None:
    loaded = load(
        "services: {web: {image: x, configs: [a], secrets: [a]}}\nconfigs: &f {a: {content: a}, b: {content: b}}\n"
        "secrets: {a: {file: a}, b: {file: b}}",
        "services: {web: {configs: [{source: b, target: /a}], secrets: [{source: b, target: a}]}}",
        files={"a": "", "b": ""},
    )
    web = loaded.project.services["web"]
    assert [(each.source, each.target) for each in (*web.configs, *web.secrets)] == [
        ("b", "/a"),
        ("b", "/run/secrets/a"),
    ]


def test_one_file_has_one_entry_for_a_target_too() -> None:
    web = load(
        "services: {web: {image: x, ports: ['80:80', {target: 80, published: 80, name: p}, '81:80'], "
        "volumes: ['data:/d', 'other:/d:ro'], command: [a, a]}}\nvolumes: {data: , other: }"
    ).project.services["web"]
    assert [(port.published, port.name) for port in web.ports] == [("80", "p"), ("81", "")]
    assert [(mount.source, mount.read_only) for mount in web.volumes] == [("other", True)]
    assert web.command == ("a", "a")


def test_flags_may_be_said_twice() -> None:
    text = "services: {web: {image: x, models: [m]}}\nmodels: {m: {model: y, runtime_flags: [--a, '1']}}"
    loaded = load(text, "models: {m: {runtime_flags: [--b, '1']}}")
    assert loaded.project.models["m"].runtime_flags == ("--a", "1", "--b", "1")


def test_sections_of_files_come_together() -> None:
    loaded = load(
        "services: {web: {image: x, volumes: ['a:/a'], networks: [n]}}\nvolumes: {a: {driver: x}}\nnetworks: {n: {}}",
        "services: {api: {image: y, volumes: ['b:/b']}}\nvolumes: {a: {labels: [l=1]}, b: }\n"
        "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}",
        "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.0.1}]}}}",
    )
    project = loaded.project
    assert sorted(project.services) == ["api", "web"]
    assert (project.volumes["a"].driver, project.volumes["a"].labels) == ("x", {"l": "1"})
    ipam = project.networks["n"].ipam
    assert ipam is not None
    assert [(each.subnet, each.gateway) for each in ipam.config] == [("10.0.0.0/24", "10.0.0.1")]


def test_documents_of_one_file_merge_too() -> None:
    loaded = load("services: {web: {image: x}}\n---\nservices: {web: {user: me}}\n")
    assert (loaded.project.services["web"].image, loaded.project.services["web"].user) == ("x", "me")


def test_a_tag_in_a_middle_file_holds_against_the_first() -> None:
    loaded = load(
        "services: {web: {image: x, dns: [1.1.1.1]}}",
        "services: {web: {dns: !override [2.2.2.2]}}",
        "services: {web: {dns: [3.3.3.3]}}",
    )
    assert loaded.project.services["web"].dns == ("2.2.2.2", "3.3.3.3")


@pytest.mark.parametrize(
    ("base", "over", "message"),
    [
        (
            "services: {web: {image: x, deploy: {}}}",
            "services: {web: {deploy: text}}",
            "services.web.deploy: cannot be put",
        ),
        (
            "services: {web: {image: x, ports: ['80']}}",
            "services: {web: {ports: {a: 1}}}",
            "services.web.ports: cannot",
        ),
        ("services: {web: {image: x}}", "services: []", "services: must be a mapping, not a list"),
        ("services: {web: {image: x}}", "services: {web: text}", "services.web: must be a mapping, not the text"),
        ("services: {web: {image: x}}", "- a", "a Compose file is a mapping with services:, not a list"),
        ("services: {web: {image: x}}", "a: !what 1", "the tag !what means nothing here"),
    ],
)
def test_what_cannot_be_put_together_names_the_place(base: str, over: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load(base, over)
    assert str(caught.value).startswith("compose.1.yaml:1")
    assert message in str(caught.value)


# Properties, on trees of any shape.

_scalars = st.sampled_from(["a", "b", "1", ""])
_trees = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3, unique_by=repr) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    ),
    max_leaves=12,
)


def tree(value: Any) -> Node:
    if isinstance(value, dict):
        return Node({key: tree(each) for key, each in value.items()}, "f:1")
    return Node([tree(each) for each in value] if isinstance(value, list) else value, "f:1")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), _trees, max_size=4))
def test_an_empty_file_changes_nothing(value: dict[str, Any]) -> None:
    empty = tree({})
    assert nodes.plain_value(merging.settled(merging.merged(tree(value), empty))) == value
    assert nodes.plain_value(merging.settled(merging.merged(empty, tree(value)))) == value


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), st.dictionaries(st.sampled_from("xyz"), _scalars), max_size=4))
def test_a_file_over_itself_is_itself(value: dict[str, Any]) -> None:
    assert nodes.plain_value(merging.settled(merging.merged(tree(value), tree(value)))) == value


_mappings = st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), _scalars), max_size=3)


@settings(deadline=None)
@given(_mappings, _mappings, _mappings)
def test_merging_mappings_is_associative(one: Any, two: Any, three: Any) -> None:
    left = merging.merged(merging.merged(tree(one), tree(two)), tree(three))
    right = merging.merged(tree(one), merging.merged(tree(two), tree(three)))
    assert nodes.plain_value(left) == nodes.plain_value(right)


@pytest.mark.parametrize("nothing", ["null", "{}"])
def test_reset_takes_away_a_whole_service(nothing: str) -> None:
    loaded = load("services: {a: {image: x}, b: {image: y}}", f"services: {{a: !reset {nothing}}}")
    assert list(loaded.project.services) == ["b"]
