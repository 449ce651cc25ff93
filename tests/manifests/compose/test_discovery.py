from __future__ import annotations

import pytest

from swarmlet.manifests.compose import discovery


@pytest.mark.parametrize(
    ("text", "is_compose"),
    [
        ("services: {web: {image: x}}", True),
        ("include: [a.yaml]", True),
        ("version: '3'\nservices:\n", True),
        ("x-a: 1\n---\nservices: {}", True),
        ("apiVersion: v1\nkind: Service\nservices: {}", False),
        ("kind: Pod", False),
        ("volumes: {}", False),
        ("[services]", False),
        ("services: {", False),
        ("", False),
    ],
)
def test_which_texts_are_compose_files(text: str, is_compose: bool) -> None:
    assert discovery.is_compose("f.yaml", text) is is_compose


@pytest.mark.parametrize(
    ("present", "variables", "found"),
    [
        (["/a/b/compose.yaml"], {}, ["/a/b/compose.yaml"]),
        (["/a/b/compose.yaml", "/a/b/docker-compose.yml"], {}, ["/a/b/compose.yaml"]),
        (["/a/b/docker-compose.yml"], {}, ["/a/b/docker-compose.yml"]),
        (
            ["/a/b/compose.yaml", "/a/b/compose.override.yaml", "/a/b/docker-compose.override.yml"],
            {},
            ["/a/b/compose.yaml", "/a/b/compose.override.yaml"],
        ),
        (["/a/b/compose.yml", "/a/b/compose.override.yml"], {}, ["/a/b/compose.yml", "/a/b/compose.override.yml"]),
        (["/a/compose.yaml"], {}, ["/a/compose.yaml"]),
        (["/compose.yaml"], {}, ["/compose.yaml"]),
        ([], {}, []),
        (["/a/b/compose.yaml"], {"COMPOSE_FILE": "x.yaml:../y.yaml"}, ["/a/b/x.yaml", "/a/y.yaml"]),
        ([], {"COMPOSE_FILE": "x.yaml;y.yaml", "COMPOSE_PATH_SEPARATOR": ";"}, ["/a/b/x.yaml", "/a/b/y.yaml"]),
    ],
)
def test_which_files_are_read_where_none_is_named(
    present: list[str], variables: dict[str, str], found: list[str]
) -> None:
    assert discovery.default_files("/a/b", present.__contains__, variables) == found
