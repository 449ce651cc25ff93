"""Images behind a password: which credentials are tried, and who may use what was fetched with them."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import CapturingLogger

from swarmlet.agent.images import access as image_access
from swarmlet.agent.images import fetching as images
from swarmlet.agent.images import keyring
from swarmlet.agent.images.access import ImageAccess, repository
from swarmlet.agent.images.keyring import Entry, Keyring, KeyringError
from swarmlet.agent.images.pulled_images import PulledImages
from swarmlet.clock import SystemClock
from swarmlet.model.container import Container
from swarmlet.model.core import Secret
from swarmlet.model.meta import ObjectMeta
from swarmlet.runtime import runtime
from swarmlet.runtime.credentials import Credentials


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def entry(location: str, username: str = "u", *, is_machines: bool = False) -> Entry:
    return Entry(location, Credentials(username=username, password="p"), is_machines)


@pytest.mark.parametrize(
    ("location", "image", "fits"),
    [
        ("registry.example.com", "registry.example.com/web:1", True),
        ("registry.example.com", "registry.example.com:5000/web:1", False),
        ("registry.example.com:5000", "registry.example.com:5000/web@sha256:1", True),
        ("registry.example.com/team", "registry.example.com/team/web", True),
        ("registry.example.com/team", "registry.example.com/other/web", False),
        ("*.example.com", "registry.example.com/web", True),
        ("*.example.com", "a.registry.example.com/web", False),
        ("*.example.com", "example.com/web", False),
        ("reg*.example.com", "registry.example.com/web", True),
        ("index.docker.io", "nginx", True),
        ("index.docker.io", "library/nginx:1", True),
        ("index.docker.io", "docker.io/library/nginx:1", True),
        ("index.docker.io", "localhost:5000/nginx", False),
        ("index.docker.io", "registry.example.com/nginx", False),
    ],
)
def test_credentials_fit_as_kubelets_do(location: str, image: str, fits: bool) -> None:
    assert bool(Keyring([entry(location)]).lookup(image)) == fits


def test_the_longest_location_is_tried_first_and_the_machines_last() -> None:
    found = Keyring(
        [
            entry("r.io/team", "machine", is_machines=True),
            entry("r.io", "host"),
            entry("r.io/team", "team"),
            entry("*.io", "any"),
            entry("r.io/te", "team"),
        ]
    ).lookup("r.io/team/web")
    assert [each.credentials.username for each in found] == ["team", "host", "any", "machine"]


def secret(type_: str, key: str, document: object) -> Secret:
    return Secret(metadata=ObjectMeta(name="s"), type=type_, data={key: encoded(json.dumps(document))})


def test_secrets_of_both_types_are_read() -> None:
    entries = {
        "https://index.docker.io/v1/": {"auth": encoded("user:pass:word")},
        "r.io:5000/v2/team": {"username": "n"},
    }
    new = keyring.entries_of_secret(secret(keyring.DOCKER_CONFIG_JSON, ".dockerconfigjson", {"auths": entries}))
    assert new == keyring.entries_of_secret(secret(keyring.DOCKER_CONFIG, ".dockercfg", entries))
    assert [each.location for each in new] == ["index.docker.io", "r.io:5000/team"]
    assert new[0].credentials == Credentials(username="user", password="pass:word")
    assert keyring.entries_of_secret(secret("Opaque", ".dockercfg", entries)) == []


def test_a_token_stands_for_name_and_password() -> None:
    (found,) = keyring.entries_of_file(
        json.dumps({"auths": {"r.io": {"identitytoken": "t"}}, "credsStore": "x"}).encode()
    )
    assert found == Entry("r.io", Credentials(identity_token="t"), is_machines=True)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"auths": 1}',
        b'{"auths": {"r": {"auth": "!"}}}',
        b'{"auths": {"r": {"auth": "YQ=="}}}',
        '{"auths": {"r": {"auth": "ÄYQ="}}}'.encode(),
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_said_without_its_content(text: bytes) -> None:
    with pytest.raises(KeyringError) as caught:
        keyring.entries_of_file(text)
    assert "YQ" not in str(caught.value)


def test_passwords_are_not_shown() -> None:
    shown = repr(Entry("r.io", Credentials(username="u", password="hunter2", identity_token="tok")))
    assert "hunter2" not in shown
    assert "tok" not in shown.replace("identity_token", "")


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("web", "web"),
        ("web:1", "web"),
        ("r.io:5000/web", "r.io:5000/web"),
        ("r.io:5000/web:1", "r.io:5000/web"),
        ("r.io/web:1@sha256:a", "r.io/web"),
    ],
)
def test_a_repository_is_a_name_without_tag_and_digest(image: str, name: str) -> None:
    assert repository(image) == name


IMAGE, ID = "r.io/web:1", "sha256:1"
MINE, YOURS, MACHINES = entry("r.io", "mine"), entry("r.io", "yours"), entry("r.io", "m", is_machines=True)


async def fetched(access: ImageAccess, by: Entry | None, *, was_here: bool = False) -> None:
    if by is not None and not was_here:
        await access.begin(IMAGE)
    await access.fetched(IMAGE, ID, by, was_here=was_here)


async def test_what_was_here_before_is_everybodys(tmp_path: Path) -> None:
    access = ImageAccess(tmp_path / "access.json")
    assert access.may_use(IMAGE, ID, ())
    await fetched(access, MINE, was_here=True)
    assert access.may_use(IMAGE, ID, ())


async def test_what_was_fetched_with_credentials_is_theirs(tmp_path: Path) -> None:
    access = ImageAccess(tmp_path / "access.json")
    await fetched(access, MINE)
    assert not access.may_use(IMAGE, ID, ())
    assert not access.may_use("r.io/web:2", "sha256:2", (YOURS,))
    assert not access.may_use(ID, ID, ())
    assert access.may_use(IMAGE, ID, (YOURS, MINE))
    assert access.may_use("r.io/other:1", "sha256:3", ())
    await fetched(access, YOURS, was_here=True)
    assert access.may_use(IMAGE, ID, (MINE,))
    assert access.may_use(IMAGE, ID, (YOURS,))


@pytest.mark.parametrize("by", [None, MACHINES])
async def test_what_the_machine_or_anybody_may_fetch_is_everybodys(tmp_path: Path, by: Entry | None) -> None:
    access = ImageAccess(tmp_path / "access.json")
    await fetched(access, MINE)
    await fetched(access, by, was_here=True)
    assert access.may_use(IMAGE, ID, ())


async def test_a_restarted_daemon_remembers_whose_images_are_and_no_password(tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    await fetched(ImageAccess(path), MINE)
    access = ImageAccess(path)
    assert not access.may_use(IMAGE, ID, ())
    assert access.may_use(IMAGE, ID, (MINE,))
    assert path.stat().st_mode & 0o777 == 0o600
    assert b'"mine"' not in path.read_bytes()


async def test_a_pull_that_does_not_end_leaves_nothing_to_everybody(tmp_path: Path) -> None:
    access = ImageAccess(tmp_path / "access.json")
    await access.begin(IMAGE)
    assert not ImageAccess(tmp_path / "access.json").may_use(IMAGE, ID, ())


async def test_a_disk_that_takes_no_more_keeps_nobody_from_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = CapturingLogger()
    monkeypatch.setattr(image_access, "log", log)
    access = ImageAccess(tmp_path / "gone" / "access.json")
    await fetched(access, MINE)
    assert access.may_use(IMAGE, ID, (MINE,))
    assert not access.may_use(IMAGE, ID, ())
    assert {call.args[0] for call in log.calls} == {"image_access_not_saved"}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = CapturingLogger()
    monkeypatch.setattr(image_access, "log", log)
    path = tmp_path / "access.json"
    path.write_text("{", encoding="utf-8")
    assert ImageAccess(path).may_use(IMAGE, ID, ())
    assert [call.args[0] for call in log.calls] == ["image_access_forgotten"]


async def test_many_writes_at_once_leave_a_whole_file(tmp_path: Path) -> None:
    access = ImageAccess(tmp_path / "access.json")
    await asyncio.gather(*(access.begin(f"r.io/web{number}") for number in range(20)))
    again = ImageAccess(tmp_path / "access.json")
    assert not any(again.may_use(f"r.io/web{number}:1", "", ()) for number in range(20))


class BrokenRuntime:
    """It has no image, and fails in a way that nobody foresaw."""

    async def image_id(self, image: str) -> str:
        raise runtime.ImageMissingError(image)

    async def pull(self, *_: object) -> str:
        await asyncio.sleep(0)
        raise KeyError("Id")


async def test_a_pull_that_fails_unforeseen_is_told_to_all_that_wait_for_it(tmp_path: Path) -> None:
    access, pulled = ImageAccess(tmp_path / "access.json"), PulledImages(None)
    found = images.Images(cast("runtime.Runtime", BrokenRuntime()), SystemClock(), access, pulled)
    container = Container(name="main", image="web:1")
    fetches = (found.fetch(container, Keyring([]), lambda _: None) for _ in range(2))
    outcomes = await asyncio.gather(*fetches, return_exceptions=True)
    assert [type(each) for each in outcomes] == [KeyError, KeyError]
