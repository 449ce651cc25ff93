from __future__ import annotations

import pytest

from swarmlet.errors import TooLargeError
from swarmlet.manifests.compose import files as compose_files
from swarmlet.manifests.compose import including
from swarmlet.manifests.reading import ManifestError
from tests.manifests.compose.projects import load

WEB = "services: {web: {image: x, depends_on: [db]}}"


def test_what_is_included_has_its_own_folder_and_variables() -> None:
    loaded = load(
        f"include: [sub/compose.yaml]\n{WEB}",
        files={
            "sub/compose.yaml": """\
                services:
                  db:
                    image: "postgres:$TAG-$OWN"
                    volumes: ["./data:/d", "files:/f"]
                    env_file: db.env
                    networks: [back]
                volumes: {files: }
                networks: {back: {internal: true}}
                """,
            "sub/.env": "TAG=sub\nOWN=sub",
            "sub/db.env": "A=$OWN",
            ".env": "TAG=main",
        },
    )
    project = loaded.project
    assert project.services["db"].image == "postgres:main-sub"
    assert project.services["db"].volumes[0].source == "/srv/app/sub/data"
    assert project.services["db"].environment == {"A": "sub"}
    assert project.networks["back"].internal
    assert project.volumes["files"].name == "app_files"


def test_the_long_form_merges_files_and_names_folder_and_variables() -> None:
    loaded = load(
        "include: [{path: [sub/compose.yaml, sub/over.yaml], project_directory: other, env_file: [a.env, b.env]}]\n"
        + WEB,
        files={
            "sub/compose.yaml": "services: {db: {image: 'pg:$A$B', volumes: ['./data:/d']}}",
            "sub/over.yaml": "services: {db: {user: me}}",
            "a.env": "A=1\nB=1",
            "b.env": "B=2",
        },
    )
    db = loaded.project.services["db"]
    assert (db.image, db.user, db.volumes[0].source) == ("pg:12", "me", "/srv/app/other/data")


def test_includes_include() -> None:
    loaded = load(
        f"include: [a/compose.yaml]\n{WEB}",
        files={
            "a/compose.yaml": "include: [../b/compose.yaml]\nservices: {}",
            "b/compose.yaml": "services: {db: {image: x, volumes: ['./d:/d']}}",
        },
    )
    assert loaded.project.services["db"].volumes[0].source == "/srv/app/b/d"


def test_a_later_file_goes_over_what_an_earlier_one_includes() -> None:
    loaded = load(
        f"include: [sub/compose.yaml]\n{WEB}",
        "services: {db: {image: mine}}",
        files={"sub/compose.yaml": "services: {db: {image: theirs, user: u}}"},
    )
    assert (loaded.project.services["db"].image, loaded.project.services["db"].user) == ("mine", "u")


def test_the_same_resource_twice_is_no_conflict() -> None:
    shared = "volumes: {v: {driver: x}}"
    loaded = load(
        "include: [a/compose.yaml, b/compose.yaml]\nservices: {web: {image: x, volumes: ['v:/v']}}\n" + shared,
        files={"a/compose.yaml": shared, "b/compose.yaml": shared},
    )
    assert loaded.project.volumes["v"].driver == "x"


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ("[none.yaml]", "compose.yaml:1: include[0]: there is no file none.yaml"),
        ("[clash.yaml]", "compose.yaml:2: services.web: is defined twice, here and at clash.yaml:1, which is included"),
        ("[loop.yaml]", "loop.yaml: the files include each other in a circle"),
        ("[{file: a.yaml}]", "compose.yaml:1: include[0].file: no such key"),
        ("[{project_directory: x}]", "compose.yaml:1: include[0]: path is not set"),
        ("[{path: {a: 1}}]", "compose.yaml:1: include[0].path: must be a path, or a list of paths"),
        ("[[a]]", "compose.yaml:1: include[0]: must be a path or a mapping, not a list"),
        ("text.yaml", "compose.yaml:1: include: must be a list"),
        ("['oci://docker.io/x/y']", "compose.yaml:1: include[0].path: 'oci://docker.io/x/y' is elsewhere; only files"),
        ("['git@github.com:x/y.git']", "compose.yaml:1: include[0].path: 'git@github.com:x/y.git' is elsewhere"),
        ("[{path: clash.yaml, env_file: none.env}]", "there is no file of variables none.env"),
        ("[bad.yaml]", "bad.yaml:1: services.db.imag: no such key; did you mean image?"),
    ],
)
def test_what_cannot_be_included(include: str, message: str) -> None:
    files = {
        "clash.yaml": "services: {web: {image: other}}",
        "loop.yaml": "include: [loop.yaml]",
        "bad.yaml": "services: {db: {imag: x}}",
    }
    with pytest.raises(ManifestError) as caught:
        load(f"include: {include}\n{WEB}", files=files)
    assert str(caught.value).startswith(message)


def test_includes_have_a_depth() -> None:
    depth = including.DEPTH_MAX + 1
    files = {f"c{i}.yaml": f"include: [c{i + 1}.yaml]" for i in range(depth)} | {f"c{depth}.yaml": "services: {}"}
    with pytest.raises(ManifestError, match="over 10 deep"):
        load(f"include: [c0.yaml]\n{WEB}", files=files)


def test_a_project_reads_so_many_files_and_no_more() -> None:
    count = compose_files.FILES_MAX + 1
    files = {f"e{i}.env": "" for i in range(count)}
    names = ", ".join(files)
    with pytest.raises(TooLargeError, match="reads over 200 files"):
        load(f"services: {{web: {{image: x, env_file: [{names}]}}}}", files=files)
