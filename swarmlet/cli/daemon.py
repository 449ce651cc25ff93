"""`swarmlet init`, `join` and `run`: making a machine a member, and its daemon."""

from __future__ import annotations

import asyncio
import importlib
import random
import shlex
import shutil
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from swarmlet.cli import exits
from swarmlet.errors import ConfigError

if TYPE_CHECKING:
    from swarmlet.cli.founding import Founded
    from swarmlet.config import Config
    from swarmlet.identity.state import NodeState

THREADS_MAX = 64
"""Of what blocks. Pods mount what may not answer (a file server that is gone), and each call to it keeps a thread: with
Python's four and one a core, a few such Pods would keep the daemon from all others, and from answering its clients."""
UNIT = "swarmlet.service"
UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
SYSTEMD_RUNS = Path("/run/systemd/system")
TOKEN_BYTES_MAX = 4_096

T = TypeVar("T")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The configuration file (default /etc/swarmlet/config.yaml, if any).")
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where this machine keeps its state (default /var/lib/swarmlet).")
]
NameOption = Annotated[str | None, typer.Option("--name", help="This node's name (default: the host name).")]
AdvertiseOption = Annotated[
    str | None,
    typer.Option("--advertise", help="host[:port] under which other machines reach this one (default: found out)."),
]
ListenOption = Annotated[str | None, typer.Option("--listen", help="Where the daemon listens (default 0.0.0.0:7600).")]
NoStartOption = Annotated[bool, typer.Option("--no-start", help="Only write the data folder; do not start the daemon.")]
TokenOption = Annotated[str, typer.Option("--token", envvar="SWARMLET_TOKEN", help="The join token.")]
TokenFileOption = Annotated[Path | None, typer.Option("--token-file", help='A file with the join token; "-": stdin.')]


def register(app: typer.Typer) -> None:
    """Add the commands to the root app."""
    app.command("init")(init)
    app.command("join")(join)
    app.command("run")(run)


def init(
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    name: NameOption = None,
    advertise: AdvertiseOption = None,
    listen: ListenOption = None,
    no_start: NoStartOption = False,
) -> None:
    """Make a new cluster with this machine as its first node, and start the daemon."""
    from swarmlet.cli import founding
    from swarmlet.clock import SystemClock

    loaded = load_config(config, data_dir=data_dir, node_name=name, advertise=advertise, listen=listen)
    founded = asyncio.run(founding.found(loaded, clock=SystemClock(), rng=random.SystemRandom()))
    _tell_founded(founded)
    _start(loaded, config, wanted=not no_start)


def join(
    peer: Annotated[str, typer.Argument(help="Any member of the cluster: host or host:port (port 7600).")],
    token: TokenOption = "",
    token_file: TokenFileOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    name: NameOption = None,
    advertise: AdvertiseOption = None,
    listen: ListenOption = None,
    no_start: NoStartOption = False,
) -> None:
    """Make this machine a member of PEER's cluster, and start the daemon."""
    from swarmlet.cli import founding
    from swarmlet.clock import SystemClock
    from swarmlet.identity.tokens import JoinToken

    loaded = load_config(config, data_dir=data_dir, node_name=name, advertise=advertise, listen=listen)
    invitation = JoinToken.parse(_read_token(token, token_file))
    state = asyncio.run(founding.join(loaded, peer=peer, token=invitation, clock=SystemClock()))
    _tell_joined(state)
    _start(loaded, config, wanted=not no_start)


def run(
    name: Annotated[str, typer.Argument(hidden=True)] = "",
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    listen: ListenOption = None,
) -> None:
    """Run the daemon of this machine in the foreground, until SIGTERM or Ctrl-C; containers keep running.

    `run NAME --image=IMAGE` runs a Pod in the cluster: see `swarmlet create pod --help`.
    """
    if name:
        raise exits.UsageError(
            f"run {name}: `swarmlet run` alone is the daemon; `swarmlet run NAME --image=IMAGE` runs a Pod"
        )
    _run_daemon(load_config(config, data_dir=data_dir, listen=listen))


def load_config(path: Path | None, **flags: Any) -> Config:
    """Read the configuration file, with what the command line says instead."""
    from swarmlet import config

    if flags.get("data_dir") is not None:
        flags["data_dir"] = flags["data_dir"].absolute()
    return config.load(path, flags)


def _read_token(token: str, file: Path | None) -> str:
    if file is None:
        if not token:
            raise exits.UsageError(
                "a token is needed: --token, --token-file or SWARMLET_TOKEN; `swarmlet token create` makes one"
            )
        return token
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
            return stream.read(TOKEN_BYTES_MAX).decode("ascii", "replace").strip()
    except OSError as error:
        raise ConfigError(f"--token-file {file}: {error.strerror or error}") from error


def _tell_founded(founded: Founded) -> None:
    state = founded.state
    print(f'Cluster {state.cluster_id} is made; this machine is its node "{state.name}" at {state.advertise}.')
    if state.advertise.startswith(("127.", "[::1]", "localhost")):
        print("No other machine reaches that address: for a cluster of several, begin anew with --advertise.")
    print("\nTo add a machine, run there:\n")
    print(f"    swarmlet join {state.advertise} --token {founded.token}\n")
    print(f"The token is good until {founded.token_expires:%Y-%m-%d %H:%M} UTC; `swarmlet token create` makes another.")


def _tell_joined(state: NodeState) -> None:
    print(f'This machine is now node "{state.name}" at {state.advertise} of cluster {state.cluster_id}.')


def _start(config: Config, path: Path | None, *, wanted: bool) -> None:
    """Start the daemon: as the systemd service where it is installed and would read the same state, else right here."""
    if not wanted:
        print(f"Start the daemon with `{_run_command(config, path)}`.")
    elif _service_fits(config, path):
        print(f"Starting {UNIT}; `journalctl -fu swarmlet` shows its log.")
        _systemctl("enable", "--now", UNIT)
    else:
        print("The daemon runs in this terminal; Ctrl-C stops it, containers keep running.", flush=True)
        _run_daemon(config)


def how_to_start(config: Config, path: Path | None) -> str:
    """Return the command that starts the daemon on this state."""
    return (
        f"systemctl start {UNIT.removesuffix('.service')}"
        if _service_fits(config, path)
        else _run_command(config, path)
    )


def _run_command(config: Config, path: Path | None) -> str:
    from swarmlet.config import DEFAULT_DATA_DIR, DEFAULT_LISTEN

    words = ["swarmlet", "run"]
    words += ["--config", str(path)] if path else []
    words += ["--data-dir", str(config.data_dir)] if config.data_dir != DEFAULT_DATA_DIR else []
    words += ["--listen", config.listen] if config.listen != DEFAULT_LISTEN else []
    return shlex.join(words)


def _service_fits(config: Config, path: Path | None) -> bool:
    from swarmlet.config import DEFAULT_DATA_DIR, DEFAULT_PATH

    same_state = config.data_dir == DEFAULT_DATA_DIR and path in (None, DEFAULT_PATH)
    installed = any((Path(folder) / UNIT).exists() for folder in UNIT_FOLDERS)
    return same_state and installed and SYSTEMD_RUNS.is_dir() and shutil.which("systemctl") is not None


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], check=False)  # noqa: S603, S607  the user's own systemd, by PATH
    if done.returncode != 0:
        raise ConfigError(f"systemctl {' '.join(arguments)} failed; `journalctl -u swarmlet` says why")


def _run_daemon(config: Config) -> None:
    from swarmlet import node

    _run(node.run(config))


def _run(main: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where it is installed."""
    from concurrent.futures import ThreadPoolExecutor

    try:
        loop_factory = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        loop_factory = None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.get_loop().set_default_executor(ThreadPoolExecutor(THREADS_MAX, "worker"))
        return runner.run(main)
