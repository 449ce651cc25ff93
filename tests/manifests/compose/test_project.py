from __future__ import annotations

import pytest

from swarmlet.errors import TooLargeError
from swarmlet.manifests.compose import files as compose_files
from swarmlet.manifests.compose import normalising
from swarmlet.manifests.reading import ManifestError
from tests.manifests.compose.projects import load, service

WEB = "services: {web: {image: x}}"


# The name.


@pytest.mark.parametrize(
    ("texts", "options", "environment", "name"),
    [
        ((WEB,), {}, {}, "app"),
        ((f"name: shop\n{WEB}",), {}, {}, "shop"),
        ((f"name: shop\n{WEB}", "name: store"), {}, {}, "store"),
        ((f"name: shop-${{STAGE:-dev}}\n{WEB}",), {}, {}, "shop-dev"),
        ((f"name: shop\n{WEB}",), {}, {"COMPOSE_PROJECT_NAME": "env"}, "env"),
        ((f"name: shop\n{WEB}",), {"name": "flag"}, {"COMPOSE_PROJECT_NAME": "env"}, "flag"),
    ],
)
def test_the_name_of_a_project(
    texts: tuple[str, ...], options: dict[str, str], environment: dict[str, str], name: str
) -> None:
    assert load(*texts, environment={"A": "", **environment}, **options).project.name == name


@pytest.mark.parametrize(
    ("folder", "name"), [("My App", "myapp"), ("_x", "x"), ("a.b_c-1", "ab_c-1"), ("-", ""), ("Ünder", "nder")]
)
def test_the_name_of_a_folder_becomes_a_projects(folder: str, name: str) -> None:
    assert normalising.project_name(folder) == name


@pytest.mark.parametrize("name", ["Shop", "my shop", "-x", "a.b"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ManifestError, match="is no name of a project"):
        load(f"name: '{name}'\n{WEB}")


# Profiles.

PROFILES = """\
services:
  web: {image: x}
  debug: {image: x, profiles: [debug], depends_on: [web]}
  admin: {image: x, profiles: [debug, admin]}
"""


@pytest.mark.parametrize(
    ("profiles", "variable", "services"),
    [
        ((), "", ["web"]),
        (("debug",), "", ["admin", "debug", "web"]),
        (("admin",), "", ["admin", "web"]),
        (("*",), "", ["admin", "debug", "web"]),
        (("other",), "", ["web"]),
        ((), "admin, other", ["admin", "web"]),
        (("other",), "admin", ["web"]),
    ],
)
def test_profiles_choose_services(profiles: tuple[str, ...], variable: str, services: list[str]) -> None:
    loaded = load(PROFILES, profiles=profiles, environment={"COMPOSE_PROFILES": variable})
    assert sorted(loaded.project.services) == services


def test_profiles_may_stand_in_the_env_file() -> None:
    assert "debug" in load(PROFILES, files={".env": "COMPOSE_PROFILES=debug"}).project.services


def test_a_dependency_of_a_profile_that_is_not_active_is_an_error() -> None:
    text = "services:\n  web: {image: x, depends_on: [db]}\n  db: {image: x, profiles: [data]}\n"
    with pytest.raises(ManifestError) as caught:
        load(text)
    assert str(caught.value) == (
        "compose.yaml:2: services.web.depends_on.db: there is no service db "
        "(one of a profile that is not active is not there)"
    )
    assert load(text, profiles=("data",)).project.services["web"].depends_on


def test_a_dependency_that_is_not_required_may_be_away() -> None:
    loaded = load("services: {web: {image: x, depends_on: {db: {required: false}}}, db: {image: x, profiles: [data]}}")
    assert loaded.project.services["web"].depends_on == {}


# What goes without saying.


def test_a_service_is_in_the_default_network() -> None:
    project = load(WEB).project
    assert list(project.services["web"].networks) == ["default"]
    assert project.networks["default"].name == "app_default"


@pytest.mark.parametrize("keys", ["network_mode: none", "network_mode: host", "networks: [n]"])
def test_a_service_that_says_its_network_is_not(keys: str) -> None:
    assert "default" not in service(keys, top="networks: {n: }").networks


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ("network_mode: service:db", ["db"]),
        ("ipc: service:db", ["db"]),
        ("pid: service:db", ["db"]),
        ("volumes_from: ['db:ro', 'container:other']", ["db"]),
        ("links: ['db:database', cache]", ["db", "cache"]),
        ("links: [db]\ndepends_on: {db: {condition: service_healthy}}", ["db"]),
    ],
)
def test_some_keys_imply_dependencies(keys: str, names: list[str]) -> None:
    found = service(keys, top="  db: {image: x}\n  cache: {image: x}").depends_on
    assert list(found) == names
    assert found["db"].condition == ("service_healthy" if "depends_on" in keys else "service_started")


@pytest.mark.parametrize(
    ("section", "written", "name"),
    [
        ("volumes", "{}", "app_thing"),
        ("volumes", "{name: own}", "own"),
        ("volumes", "{external: true}", "thing"),
        ("volumes", "{external: true, name: own}", "own"),
        ("volumes", "{external: {name: own}}", "own"),
        ("networks", "", "app_thing"),
        ("networks", "{external: true}", "thing"),
    ],
)
def test_the_names_of_resources(section: str, written: str, name: str) -> None:
    use = "volumes: ['thing:/x']" if section == "volumes" else "networks: [thing]"
    project = load(f"services: {{web: {{image: x, {use}}}}}\n{section}: {{thing: {written}}}").project
    assert getattr(project, section)["thing"].name == name


def test_what_nobody_uses_is_left_out() -> None:
    project = load(
        """\
        services:
          web: {image: x, volumes: ["a:/a"], networks: [a], configs: [a], secrets: [a], models: [a]}
          off: {image: x, profiles: [p], volumes: ["b:/b"]}
        volumes: {a: , b: , c: }
        networks: {a: , b: }
        configs: {a: {content: x}, b: {file: none}}
        secrets: {a: {file: a}, b: {environment: NONE}}
        models: {a: {model: m}, b: {model: m}}
        """,
        files={"a": "x"},
    ).project
    sections = (project.volumes, project.networks, project.configs, project.secrets, project.models)
    assert [list(section) for section in sections] == [["a"]] * 5


def test_the_old_version_is_a_word_and_no_more() -> None:
    loaded = load(f"version: '3.8'\n{WEB}")
    assert loaded.warnings == ("compose.yaml:1: version: is of old Compose files and means nothing; remove it",)


def test_extensions_are_kept_and_mean_nothing() -> None:
    loaded = load(
        "x-common: &c {restart: always, init: true}\nservices: {web: {<<: *c, image: x, init: false, x-a: 1}}"
    )
    web = loaded.project.services["web"]
    assert (web.restart, web.init, web.extensions) == ("always", False, {"x-a": 1})
    assert loaded.project.extensions == {"x-common": {"restart": "always", "init": True}}


def test_merge_keys_and_anchors() -> None:
    loaded = load(
        """\
        x-env: &env {A: 1, B: 1}
        x-more: &more {B: 2, C: 2}
        services:
          one: &one
            image: x
            environment: {<<: [*env, *more], D: 4}
          two: {<<: *one, image: y}
        """
    )
    assert loaded.project.services["two"].image == "y"
    assert loaded.project.services["two"].environment == {"A": "1", "B": "1", "C": "2", "D": "4"}


# Configs and secrets.


def test_what_is_in_configs_and_secrets() -> None:
    loaded = load(
        """\
        services: {web: {image: x, configs: [a, b, c, d], secrets: [s, t, u]}}
        configs:
          a: {file: ./conf/a.txt}
          b: {environment: B}
          c: {content: "hello $B\\n"}
          d: {external: true}
        secrets: {s: {file: s.txt}, t: {environment: T}, u: {external: true, name: other}}
        """,
        files={"conf/a.txt": "in a", "s.txt": "in s", ".env": "T=from env"},
        environment={"B": "bee"},
    )
    assert loaded.configs == {"a": b"in a", "b": b"bee", "c": b"hello bee\n"}
    assert loaded.secrets == {"s": b"in s", "t": b"from env"}
    assert loaded.project.secrets["u"].name == "other"


def test_what_is_secret_is_not_in_what_is_printed_of_a_project() -> None:
    loaded = load("services: {web: {image: x, secrets: [s]}}\nsecrets: {s: {file: s}}", files={"s": "tops3cret"})
    assert "tops3cret" not in repr(loaded)
    assert loaded.secrets == {"s": b"tops3cret"}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{file: none}", "compose.yaml:2: configs.c.file: there is no file none"),
        ("{environment: NONE}", "compose.yaml:2: configs.c.environment: the variable NONE is not set"),
        ("{}", "compose.yaml:2: configs.c: needs one of file, environment, content and external"),
        (
            "{file: a, content: b}",
            "compose.yaml:2: configs.c: needs one of file, environment, content and external, not",
        ),
        ("{external: true, file: a}", "compose.yaml:2: configs.c: needs one of"),
        ("[a]", "compose.yaml:2: configs.c: must be a mapping"),
    ],
)
def test_what_is_wrong_with_a_config(written: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load(f"services: {{web: {{image: x, configs: [c]}}}}\nconfigs: {{c: {written}}}")
    assert str(caught.value).startswith(message)


def test_a_config_has_a_size() -> None:
    big = "x" * (compose_files.CONTENT_BYTES_MAX + 1)
    with pytest.raises(TooLargeError, match="big: over 1048576 bytes"):
        load("services: {web: {image: x, configs: [c]}}\nconfigs: {c: {file: big}}", files={"big": big})


# Keys that speak of each other.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services:\n  web: {}", "compose.yaml:2: services.web: has neither image nor build"),
        ("services:\n  web:", "compose.yaml:2: services.web: must be a mapping, not nothing"),
        ("services: {}", "compose.yaml:1: services: there is no service here"),
        ("volumes: {}", "services: there is no service here"),
        ("", "services: there is no service here"),
        ("servces: {}", "compose.yaml:1: servces: no such key; did you mean services?"),
        ("services:\n  'a b': {image: x}", "compose.yaml:2: services.a b: a name has letters, digits, and . _ -"),
        (
            (
                "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [c]}\n"
                "  c: {image: x, depends_on: [a]}"
            ),
            "compose.yaml:4: services.c.depends_on.a: the services wait for each other: a -> b -> c -> a",
        ),
        (
            "services:\n  a: {image: x, depends_on: [a]}",
            "compose.yaml:2: services.a.depends_on.a: the services wait for each other: a -> a",
        ),
        (
            "services:\n  a: {image: x, network_mode: host, networks: [n]}\nnetworks: {n: }",
            "compose.yaml:2: services.a.network_mode: cannot stand beside networks",
        ),
        (
            "services:\n  a: {image: x, network_mode: host, ports: ['80:80']}",
            "compose.yaml:2: services.a.ports: cannot be published with network_mode: host",
        ),
        (
            "services:\n  a: {image: x, container_name: n, scale: 2}",
            "compose.yaml:2: services.a.container_name: one name cannot be that of 2 containers",
        ),
        (
            "services:\n  a: {image: x, scale: 2, deploy: {replicas: 3}}",
            "compose.yaml:2: services.a.scale: differs from deploy.replicas; set one of the two",
        ),
        (
            "services:\n  a: {image: x, mem_limit: 1g, deploy: {resources: {limits: {memory: 2g}}}}",
            "compose.yaml:2: services.a.mem_limit: differs from deploy.resources.limits.memory",
        ),
        (
            "services:\n  a: {image: x, cpus: 1, deploy: {resources: {limits: {cpus: 2}}}}",
            "compose.yaml:2: services.a.cpus: differs from deploy.resources.limits.cpus",
        ),
        (
            "services:\n  a: {image: x, volumes: ['v:/v']}\nvolumes: {v: {external: true, driver: x}}",
            "compose.yaml:3: volumes.v: is external, so that nothing but its name can be said here",
        ),
        (
            "services:\n  a: {image: x, ports: [80], ports: [81]}",
            'compose.yaml:2:30: the key "ports" stands twice here',
        ),
        ("services:\n\ta: {image: x}", "compose.yaml:2:1: a tab indents this line"),
        ("services: {a: {image: *x}}", "compose.yaml:1:23: *x stands for nothing"),
    ],
)
def test_what_does_not_go_together(text: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "keys",
    [
        "scale: 2\ndeploy: {replicas: 2}",
        "mem_limit: 1g\ndeploy: {resources: {limits: {memory: 1024m}}}",
        "cpus: '0.5'\ndeploy: {resources: {limits: {cpus: .5}}}",
        "container_name: one\nscale: 1",
    ],
)
def test_what_agrees_goes_together(keys: str) -> None:
    assert service(keys)


def test_a_provider_needs_no_image() -> None:
    project = load("services: {db: {provider: {type: cloud, options: {size: 3, zones: [a, b]}}}}").project
    provider = project.services["db"].provider
    assert provider is not None
    assert provider.options == {"size": 3, "zones": ["a", "b"]}


def test_a_warning_about_a_key_has_the_place_of_what_is_nearest() -> None:
    loaded = load("services:\n  web:\n    image: x\n    dns:\n    - 1.1.1.1\n    deploy:\n      placement: {}\n")
    assert loaded.warning("services.web.dns[0]", "m") == "compose.yaml:5: services.web.dns[0]: m"
    assert loaded.warning("services.web.dns[7].x", "m") == "compose.yaml:4: services.web.dns[7].x: m"
    assert loaded.warning("services.web.deploy.placement", "m") == "compose.yaml:7: services.web.deploy.placement: m"
    assert loaded.warning("services.web.deploy.mode", "m") == "compose.yaml:6: services.web.deploy.mode: m"
    assert loaded.warning("networks.default", "m") == "networks.default: m"
