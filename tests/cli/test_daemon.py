from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from swarmlet import errors
from swarmlet.cli import daemon
from swarmlet.clock import SystemClock
from swarmlet.config import DEFAULT_DATA_DIR, Config
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.identity import tls
from swarmlet.identity.authority import Authority
from swarmlet.identity.incarnation import FIRST
from swarmlet.identity.state import NodeFiles
from swarmlet.identity.tokens import JoinToken
from swarmlet.model import kinds, objects
from swarmlet.store import commands
from tests.api.daemons import Daemon, World, serving
from tests.identity.conftest import CLUSTER
from tests.identity.times import NOW


def first_operations(state_dir: Path) -> dict[str, object]:
    """What `init` put into the new log, by key."""

    async def load() -> bytes:
        disk = SqliteDisk(state_dir / "raft")
        try:
            return (await disk.load()).entries[0].data
        finally:
            disk.close()

    operations = commands.decode(asyncio.run(load())).operations
    return {str(put.key): objects.from_json(kinds.BY_RESOURCE[put.key.resource], put.object) for put in operations}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWARMLET_TOKEN", raising=False)


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path / "world", Authority.create(CLUSTER, NOW))
    made.folder.mkdir()
    made.clock.time = SystemClock().now()
    made.found()
    return made


@pytest.fixture
async def alpha(world: World) -> AsyncIterator[Daemon]:
    async with serving(world) as running:
        yield running


def config_file(folder: Path, **keys: str) -> Path:
    """A configuration that disturbs nobody: free ports on loopback."""
    found = {"listen": "127.0.0.1:7699", "status_listen": "127.0.0.1:0", "node_name": "delta", **keys}
    found.setdefault("data_dir", str(folder / "state"))
    file = folder / "swarmlet.yaml"
    file.write_text("".join(f"{key}: {value}\n" for key, value in found.items()))
    return file


def swarmlet(*arguments: str, stdin: str = "") -> Result:
    app = typer.Typer()
    daemon.register(app)
    return CliRunner().invoke(app, arguments, input=stdin)


async def join(folder: Path, peer: Daemon, *arguments: str, stdin: str = "") -> Result:
    line = ("join", peer.address, "--config", str(config_file(folder)), "--no-start", *arguments)
    return await asyncio.to_thread(swarmlet, *line, stdin=stdin)


def error(result: Result, kind: type[errors.SwarmletError]) -> str:
    """The one line that the command line prints; `main` does the printing."""
    assert isinstance(result.exception, kind), result.exception
    assert "\n" not in str(result.exception)
    return str(result.exception)


def test_init_makes_this_machine_the_first_node(tmp_path: Path) -> None:
    result = swarmlet("init", "--config", str(config_file(tmp_path)), "--no-start")
    state = NodeFiles(tmp_path / "state").load()
    assert result.exit_code == 0, result.exception
    assert (state.name, state.advertise) == ("delta", "127.0.0.1:7699")
    assert f'Cluster {state.cluster_id} is made; this machine is its node "delta"' in result.stdout


def test_init_prints_a_join_command_whose_token_is_in_the_log(tmp_path: Path) -> None:
    result = swarmlet("init", "--config", str(config_file(tmp_path)), "--no-start")
    line = next(line for line in result.stdout.splitlines() if "swarmlet join" in line)
    token = JoinToken.parse(line.split()[-1])
    assert line.split()[:3] == ["swarmlet", "join", "127.0.0.1:7699"]
    assert f"tokens.internal.swarmlet.io/{token.token_id}" in first_operations(tmp_path / "state")


def test_init_says_how_to_start_the_daemon(tmp_path: Path) -> None:
    file = config_file(tmp_path, data_dir="/elsewhere")
    result = swarmlet("init", "--config", str(file), "--data-dir", str(tmp_path / "state"), "--no-start")
    line = f"`swarmlet run --config {file} --data-dir {tmp_path / 'state'} --listen 127.0.0.1:7699`"
    assert line in result.stdout


def test_on_a_machine_of_defaults_the_daemon_is_started_without_options() -> None:
    assert daemon._run_command(Config(node_name="a"), None) == "swarmlet run"


def test_init_warns_where_no_other_machine_could_join(tmp_path: Path) -> None:
    file = str(config_file(tmp_path))
    result = swarmlet("init", "--config", file, "--no-start")
    other = swarmlet("init", "--config", file, "--data-dir", str(tmp_path / "b"), "--advertise", "h1", "--no-start")
    assert "--advertise" in result.stdout
    assert "--advertise" not in other.stdout


def test_init_begins_the_log_with_identity_namespaces_and_the_first_node(tmp_path: Path) -> None:
    swarmlet("init", "--config", str(config_file(tmp_path)), "--no-start")
    keys = [key for key in first_operations(tmp_path / "state") if not key.startswith("tokens")]
    assert keys == [
        "clusteridentities.internal.swarmlet.io/cluster",
        "namespaces/default",
        "namespaces/kube-system",
        "namespaces/kube-public",
        "namespaces/kube-node-lease",
        "nodes/delta",
    ]


def test_init_writes_files_that_tls_accepts(tmp_path: Path) -> None:
    swarmlet("init", "--config", str(config_file(tmp_path)), "--no-start")
    tls.server_context(NodeFiles(tmp_path / "state"))


def test_init_twice_is_refused(tmp_path: Path) -> None:
    file = str(config_file(tmp_path))
    swarmlet("init", "--config", file, "--no-start")
    assert "already a member" in error(swarmlet("init", "--config", file, "--no-start"), errors.ConfigError)


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    flags = ("--data-dir", str(tmp_path / "other"), "--name", "echo", "--advertise", "h9:1")
    swarmlet("init", "--config", str(config_file(tmp_path)), "--no-start", *flags)
    state = NodeFiles(tmp_path / "other").load()
    assert (state.name, state.advertise) == ("echo", "h9:1")


def test_init_with_a_port_in_use_writes_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = swarmlet("init", "--config", str(config_file(tmp_path)), "--listen", address, "--no-start")
    assert f"listen: cannot listen on {address}" in error(result, errors.ConfigError)
    assert list((tmp_path / "state").iterdir()) == []


async def test_join_makes_this_machine_a_member(tmp_path: Path, world: World, alpha: Daemon) -> None:
    result = await join(tmp_path, alpha, "--token", str(world.token))
    state = NodeFiles(tmp_path / "state").load()
    assert result.exit_code == 0, result.exception
    assert (state.cluster_id, state.name, state.advertise) == (CLUSTER, "delta", "127.0.0.1:7699")
    assert [peer.address for peer in state.peers] == [alpha.address]
    assert world.members[state.node_id].role == "spare"


async def test_who_joins_a_recovered_cluster_belongs_to_its_life(tmp_path: Path, world: World) -> None:
    world.incarnation = FIRST.next("second", NOW)
    async with serving(world) as alpha:
        await join(tmp_path, alpha, "--token", str(world.token))
    assert NodeFiles(tmp_path / "state").load().incarnation == world.incarnation


async def test_join_claims_the_disk_so_that_one_found_empty_is_a_lost_one(
    tmp_path: Path, world: World, alpha: Daemon
) -> None:
    await join(tmp_path, alpha, "--token", str(world.token))
    disk = SqliteDisk(tmp_path / "state" / "raft", claimed=True)
    contents = await disk.load()
    disk.close()
    assert contents.node_id == NodeFiles(tmp_path / "state").load().node_id


async def test_join_writes_files_that_tls_accepts(tmp_path: Path, world: World, alpha: Daemon) -> None:
    await join(tmp_path, alpha, "--token", str(world.token))
    tls.server_context(NodeFiles(tmp_path / "state"))


async def test_the_token_may_come_from_a_file(tmp_path: Path, world: World, alpha: Daemon) -> None:
    (tmp_path / "token").write_text(f"{world.token}\n")
    assert (await join(tmp_path, alpha, "--token-file", str(tmp_path / "token"))).exit_code == 0


async def test_the_token_may_come_from_stdin(tmp_path: Path, world: World, alpha: Daemon) -> None:
    assert (await join(tmp_path, alpha, "--token-file", "-", stdin=f"{world.token}\n")).exit_code == 0


async def test_the_token_may_come_from_the_environment(
    tmp_path: Path, world: World, alpha: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMLET_TOKEN", str(world.token))
    assert (await join(tmp_path, alpha)).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((), errors.CallerError, "a token is needed"),
        (("--token", "abc"), errors.InvalidError, "token: not a join token"),
        (("--token-file", "/nonexistent"), errors.ConfigError, "--token-file /nonexistent: No such file"),
        (("--name", "Bad_Name"), errors.ConfigError, "--name: found 'Bad_Name'"),
    ],
)
async def test_a_join_that_cannot_be_is_one_clear_line(
    tmp_path: Path, alpha: Daemon, arguments: tuple[str, ...], kind: type[errors.SwarmletError], message: str
) -> None:
    assert message in error(await join(tmp_path, alpha, *arguments), kind)
    assert not (tmp_path / "state" / "node.json").exists()


async def test_a_peer_that_is_off_is_one_clear_line(tmp_path: Path, world: World) -> None:
    line = ("join", "127.0.0.1:1", "--config", str(config_file(tmp_path)), "--token", str(world.token))
    result = await asyncio.to_thread(swarmlet, *line)
    assert "127.0.0.1:1 cannot be reached" in error(result, errors.UnavailableError)


async def test_a_refused_join_leaves_the_folder_free_for_the_next(tmp_path: Path, world: World, alpha: Daemon) -> None:
    assert "taken" in error(
        await join(tmp_path, alpha, "--token", str(world.token), "--name", "alpha"), errors.AlreadyExistsError
    )
    assert (await join(tmp_path, alpha, "--token", str(world.token))).exit_code == 0


def test_a_default_data_dir_starts_the_unit_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / daemon.UNIT).touch()
    monkeypatch.setattr(daemon, "UNIT_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(daemon, "SYSTEMD_RUNS", tmp_path)
    monkeypatch.setattr("shutil.which", lambda _: "/bin/systemctl")
    assert daemon._service_fits(Config(node_name="a"), None)
    assert not daemon._service_fits(Config(node_name="a", data_dir=DEFAULT_DATA_DIR / "other"), None)
    assert not daemon._service_fits(Config(node_name="a"), tmp_path / "other.yaml")
