from __future__ import annotations

import pytest

from swarmlet.errors import TooLargeError
from swarmlet.manifests.compose import extending, loading
from swarmlet.manifests.reading import ManifestError
from tests.manifests.compose.projects import load


def test_a_service_extends_another_of_its_file() -> None:
    loaded = load(
        """\
        services:
          common:
            image: busybox
            environment: {TZ: utc, PORT: 80}
            security_opt: ["label:role:ROLE"]
          cli:
            extends: {service: common}
            environment: [PORT=8080]
            security_opt: ["label:user:USER"]
        """
    )
    cli = loaded.project.services["cli"]
    assert cli.image == "busybox"
    assert cli.environment == {"TZ": "utc", "PORT": "8080"}
    assert cli.security_opt == ("label:role:ROLE", "label:user:USER")


def test_a_chain_is_followed_to_its_end() -> None:
    loaded = load(
        """\
        services:
          base: {image: busybox, user: root}
          common: {image: alpine, extends: {service: base}}
          cli: {extends: common}
        """
    )
    assert (loaded.project.services["cli"].image, loaded.project.services["cli"].user) == ("alpine", "root")


def test_a_mount_of_the_same_target_is_replaced() -> None:
    loaded = load(
        """\
        services:
          common: {image: busybox, volumes: ["common-volume:/var/lib/backup/data:rw"]}
          cli: {extends: {service: common}, volumes: ["cli-volume:/var/lib/backup/data:ro"]}
        volumes: {common-volume: , cli-volume: }
        """
    )
    (mount,) = loaded.project.services["cli"].volumes
    assert (mount.source, mount.read_only) == ("cli-volume", True)


def test_another_file_has_its_own_folder() -> None:
    loaded = load(
        "services: {web: {extends: {file: common/base.yaml, service: app}, volumes: ['./here:/here']}}",
        files={
            "common/base.yaml": """\
                services:
                  app:
                    extends: {file: ../deep/er.yaml, service: root}
                    build: ./src
                    env_file: app.env
                    volumes: ["./there:/there"]
                """,
            "deep/er.yaml": "services: {root: {image: x, volumes: ['./deep:/deep']}}",
            "common/app.env": "A=1",
        },
    )
    web = loaded.project.services["web"]
    assert [mount.source for mount in web.volumes] == ["/srv/app/deep/deep", "/srv/app/common/there", "/srv/app/here"]
    assert web.build is not None
    assert web.build.context == "/srv/app/common/src"
    assert web.environment == {"A": "1"}


def test_tags_hold_against_what_is_extended() -> None:
    loaded = load(
        """\
        services:
          base: {image: x, ports: ["80:80"], environment: {A: 1, B: 2}, dns: [1.1.1.1]}
          web: {extends: base, ports: !reset [], environment: {A: !reset null}, dns: !override [2.2.2.2]}
        """
    )
    web = loaded.project.services["web"]
    assert (web.ports, web.environment, web.dns) == ((), {"B": "2"}, ("2.2.2.2",))


def test_tags_hold_against_earlier_files_too() -> None:
    loaded = load(
        "services: {web: {image: x, dns: [1.1.1.1]}}",
        "services: {base: {image: y}, web: {extends: base, dns: !override [2.2.2.2]}}",
    )
    assert loaded.project.services["web"].dns == ("2.2.2.2",)


def test_tags_of_what_is_extended_are_not_those_of_the_service() -> None:
    loaded = load(
        "services: {web: {image: x, dns: [1.1.1.1]}}",
        "services: {base: {image: y, dns: !override [2.2.2.2]}, web: {extends: base}}",
    )
    assert loaded.project.services["web"].dns == ("1.1.1.1", "2.2.2.2")


def test_a_service_may_extend_one_that_is_included() -> None:
    loaded = load(
        "include: [sub/compose.yaml]\nservices: {web: {extends: base, user: me}}",
        files={"sub/compose.yaml": "services: {base: {image: x, volumes: ['./d:/d']}}"},
    )
    web = loaded.project.services["web"]
    assert (web.image, web.user, web.volumes[0].source) == ("x", "me", "/srv/app/sub/d")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "services:\n  a: {image: x, extends: b}\n  b: {image: x, extends: a}",
            "compose.yaml:3: services.b.extends: the services extend each other in a circle: a -> b -> a",
        ),
        (
            "services:\n  a: {image: x, extends: a}",
            "compose.yaml:2: services.a.extends: the services extend each other",
        ),
        (
            "services:\n  a: {extends: base}\n  bass: {image: x}",
            "compose.yaml:2: services.a.extends: there is no service base; did you mean bass?",
        ),
        (
            "services:\n  a: {extends: {file: none.yaml, service: b}}",
            "compose.yaml:2: services.a.extends: there is no file none.yaml",
        ),
        (
            "services:\n  a: {extends: {file: other.yaml, service: b}}",
            "compose.yaml:2: services.a.extends: there is no service b in other.yaml",
        ),
        (
            "services:\n  a: {extends: {file: 'https://x/y.yaml', service: b}}",
            "compose.yaml:2: services.a.extends.file: 'https://x/y.yaml' is elsewhere; only files of this machine",
        ),
        ("services:\n  a: {extends: {file: other.yaml}}", "compose.yaml:2: services.a.extends: service is not set"),
        ("services:\n  a: {extends: {services: x}}", "compose.yaml:2: services.a.extends.services: no such key; did"),
        (
            "services:\n  a: {image: x, extends: {file: loop.yaml, service: b}}",
            "loop.yaml:1: services.c.extends: the services extend each other in a circle: a -> b -> c -> b",
        ),
        (
            "services:\n  a: {extends: {file: broken.yaml, service: b}}",
            "broken.yaml:1: services.b.ports[0]: 'x' is no port",
        ),
    ],
)
def test_what_cannot_be_extended(text: str, message: str) -> None:
    files = {
        "other.yaml": "services: {c: {image: x}}",
        "loop.yaml": "services: {b: {extends: c}, c: {extends: {file: loop.yaml, service: b}}}",
        "broken.yaml": "services: {b: {image: x, ports: [x]}}",
    }
    with pytest.raises(ManifestError) as caught:
        load(text, files=files)
    assert str(caught.value).startswith(message)


def test_what_is_extended_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extending, "VALUES_MAX", 100)
    services = "".join(f"  s{number}: {{extends: base}}\n" for number in range(20))
    with pytest.raises(TooLargeError, match="over 100 values with what is extended"):
        load(f"services:\n  base: {{image: x, environment: {{A: 1, B: 2, C: 3}}}}\n{services}")


def test_a_chain_has_an_end() -> None:
    services = "".join(f"  s{i}: {{image: x, extends: s{i + 1}}}\n" for i in range(extending.CHAIN_MAX + 1))
    with pytest.raises(ManifestError, match="a chain of over 20 services"):
        load(f"services:\n{services}  s{extending.CHAIN_MAX + 1}: {{image: x}}\n")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("compose.yaml", "base.yaml:1"),
        ("app/compose.yaml", "app/base.yaml:1"),
        ("/srv/app/compose.yaml", "/srv/app/base.yaml:1"),
        ("other/compose.yaml", "base.yaml:1"),
        ("<stdin>", "base.yaml:1"),
    ],
)
def test_other_files_are_shown_as_the_first_one_is(source: str, shown: str) -> None:
    def read(path: str) -> bytes:
        if path != "/srv/app/base.yaml":
            raise FileNotFoundError(path)
        return b"services: {a: {imag: x}}"

    text = "services: {web: {extends: {file: base.yaml, service: a}}}"
    with pytest.raises(ManifestError) as caught:
        loading.load([(source, text)], read, {}, loading.Options(folder="/srv/app/."))
    assert str(caught.value).startswith(f"{shown}: services.web.imag: no such key")
