from __future__ import annotations

import asyncio
import base64
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import structlog
import typer
import yaml
from click.testing import Result
from typer.testing import CliRunner

from swarmlet import errors
from swarmlet.cli import cluster
from swarmlet.client import endpoints
from swarmlet.clock import SystemClock
from swarmlet.identity.authority import Authority
from swarmlet.identity.tokens import JoinToken
from swarmlet.store.replica import MemberStatus
from tests.api.daemons import Daemon, World, serving
from tests.identity.conftest import CLUSTER
from tests.identity.times import NOW

SIGNED = {
    "cluster_id": CLUSTER,
    "ca": "CA",
    "certificate": "CERT",
    "server": "https://10.0.0.5:7600",
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The daemon runs in this process: its log must not end in the command's output."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path, Authority.create(CLUSTER, NOW))
    made.clock.time = SystemClock().now()
    made.found()
    return made


@pytest.fixture
async def alpha(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Daemon]:
    async with serving(world) as running:
        monkeypatch.setenv("SWARMLET_SOCKET", str(running.socket))
        yield running


async def swarmlet(*arguments: str) -> Result:
    app = typer.Typer()
    cluster.register(app)
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


async def test_a_join_token_is_printed_alone(alpha: Daemon) -> None:
    result = await swarmlet("token", "create", "--ttl", "30m")
    assert JoinToken.parse(result.stdout)


async def test_an_api_token_is_made_for_a_user(alpha: Daemon) -> None:
    line = ("token", "create", "--usage", "api", "--user", "ann", "--group", "dev", "--group", "ops", "--ttl", "never")
    assert (await swarmlet(*line)).stdout.startswith("swarmlet_api_")
    listed = (await swarmlet("token", "list")).stdout
    assert "ann" in listed
    assert "never" in listed


async def test_tokens_are_listed_in_columns_without_secrets(world: World, alpha: Daemon) -> None:
    listed = (await swarmlet("token", "list")).stdout
    assert [line.split()[0] for line in listed.splitlines()] == ["ID", "abcdefgh"]
    assert world.token.secret not in listed


async def test_a_token_is_revoked(alpha: Daemon) -> None:
    assert (await swarmlet("token", "revoke", "abcdefgh")).stdout == "token/abcdefgh revoked\n"
    assert len((await swarmlet("token", "list")).stdout.splitlines()) == 1


async def test_a_refusal_is_one_clear_line(alpha: Daemon) -> None:
    result = await swarmlet("node", "rm", "omega")
    assert isinstance(result.exception, errors.NotFoundError)
    assert str(result.exception) == 'nodes "omega" not found'


async def test_a_node_is_removed(world: World, alpha: Daemon) -> None:
    world.members["d" * 16] = MemberStatus("d" * 16, "127.0.0.1:1", "voter")
    assert (await swarmlet("node", "rm", "d" * 16)).exit_code == 0
    assert "d" * 16 not in world.members


async def test_a_name_that_would_reach_elsewhere_is_refused(alpha: Daemon) -> None:
    for name in ("..", "../tokens", "a?force=true", "a/b"):
        assert isinstance((await swarmlet("node", "rm", name)).exception, errors.CallerError)


async def test_a_machine_leaves(world: World, alpha: Daemon) -> None:
    async with serving(world, "b" * 16, "beta"):
        assert "has left the cluster" in (await swarmlet("leave")).stdout
    assert alpha.left == [True]


async def test_a_kubeconfig_opens_the_api(world: World, alpha: Daemon) -> None:
    file = world.folder / "kubeconfig"
    result = await swarmlet("kubeconfig", "--server", alpha.url, "--output", str(file))
    endpoint = endpoints.remote(kubeconfig=file)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{endpoint.urls[0]}/swarmlet/v1/tokens", ssl=endpoint.tls) as response,
    ):
        assert response.status == 200
    assert str(file) in result.stdout


@pytest.mark.parametrize("server_name", ["", "localhost"])
async def test_kubectl_takes_the_kubeconfig(world: World, alpha: Daemon, server_name: str) -> None:
    """Go's TLS: the certificates, and the name that stands for every node."""
    file = world.folder / "kubeconfig"
    await swarmlet("kubeconfig", "--server", alpha.url, "--output", str(file))
    line = ["--kubeconfig", str(file), "--tls-server-name", server_name, "get", "--raw", "/swarmlet/v1/tokens"]
    kubectl = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "kubectl", *line, stdout=subprocess.PIPE, env={"HOME": str(world.folder)}
    )
    async with asyncio.timeout(30):
        output, _ = await kubectl.communicate()
    assert b"abcdefgh" in output


async def test_a_kubeconfig_file_is_closed_to_others(world: World, alpha: Daemon) -> None:
    file = world.folder / "kubeconfig"
    file.touch(mode=0o644)
    await swarmlet("kubeconfig", "--output", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_a_kubeconfig_is_put_where_kubectl_looks(
    world: World, alpha: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = world.folder / "own"
    monkeypatch.setenv("KUBECONFIG", str(file))
    told = (await swarmlet("kubeconfig", "--server", alpha.url, "--write")).stdout
    assert told == f"Wrote the context swarmlet-{CLUSTER[:8]} to {file}; it is the current one.\n"
    assert endpoints.remote(kubeconfig=file).urls


async def test_a_kubeconfig_is_printed_as_yaml_named_after_the_cluster(alpha: Daemon) -> None:
    document = yaml.safe_load((await swarmlet("kubeconfig")).stdout)
    assert document["current-context"] == f"swarmlet-{CLUSTER[:8]}"
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:7600"


def test_a_kubeconfig_holds_its_credentials() -> None:
    document = cluster.kubeconfig_document(SIGNED, "KEY", "")
    user = document["users"][0]["user"]
    assert base64.b64decode(user["client-certificate-data"]) == b"CERT"
    assert base64.b64decode(user["client-key-data"]) == b"KEY"


@pytest.mark.parametrize(
    ("server", "url", "name"),
    [
        ("", "https://10.0.0.5:7600", None),
        ("https://10.0.0.5:7600", "https://10.0.0.5:7600", None),
        ("10.0.0.5", "https://10.0.0.5:7600", None),
        ("https://lb.example:443/", "https://lb.example:443", "localhost"),
    ],
)
def test_a_server_by_another_name_is_verified_by_the_name_that_all_nodes_have(
    server: str, url: str, name: str | None
) -> None:
    found = cluster.kubeconfig_document(SIGNED, "KEY", server)["clusters"][0]["cluster"]
    assert (found["server"], found.get("tls-server-name")) == (url, name)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("24h", 86400), ("7d", 604800), ("never", 0)]
)
def test_a_duration_is_read(text: str, seconds: int) -> None:
    assert cluster.ttl_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "-1h", "0s", "0", "forever"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(errors.CallerError, match="--ttl"):
        cluster.ttl_seconds(text)
