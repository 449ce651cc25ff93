"""`swarmlet token`, `leave`, `node rm` and `kubeconfig`: the cluster's members and who may speak to it."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, session, spans
from swarmlet.cli.session import Session
from swarmlet.errors import CallerError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swarmlet.client.connection import Connection

ADMIN = "admin"
ADMIN_GROUP = "system:masters"

TtlOption = Annotated[str, typer.Option("--ttl", help='How long it is good: 30m, 24h, 7d, or "never".')]
UsageOption = Annotated[str, typer.Option("--usage", help='"join" admits a machine; "api" speaks to the API.')]
UserOption = Annotated[str, typer.Option("--user", help="Who an api token speaks for.")]
GroupOption = Annotated[list[str] | None, typer.Option("--group", help="A group of that user; may be repeated.")]
DescriptionOption = Annotated[str, typer.Option("--description", help="What it is for, in your words.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Remove it although it is ready.")]
ServerOption = Annotated[str, typer.Option("--server", help="https://host[:port] of any member (default: this one).")]
TokenArgument = Annotated[str, typer.Argument(metavar="ID", help="As `swarmlet token list` shows it.")]
NodeArgument = Annotated[str, typer.Argument(metavar="NAME", help="The node's name, or its node id.")]
SocketOption = Annotated[Path | None, typer.Option("--socket", help="The socket of this machine's daemon.")]
WriteOption = Annotated[bool, typer.Option("--write", help="Put it into $KUBECONFIG or ~/.kube/config.")]
OutputOption = Annotated[str, typer.Option("--output", help='The file to write, closed to others; "-": stdout.')]


def register(app: typer.Typer) -> None:
    """Add the commands, and the groups `token` and `node`, to the root app."""
    token = typer.Typer(name="token", help="Invite machines, and let programs speak to the API.", no_args_is_help=True)
    token.command("create")(session.connected(token_create))
    token.command("list")(session.connected(token_list))
    token.command("revoke")(session.connected(token_revoke))
    app.add_typer(token)
    node = typer.Typer(name="node", help="Look after the machines of the cluster.", no_args_is_help=True)
    node.command("rm")(session.connected(node_rm))
    app.add_typer(node)
    app.command("leave")(leave)
    app.command("kubeconfig")(kubeconfig)


async def token_create(
    link: Session,
    ttl: TtlOption = "24h",
    usage: UsageOption = "join",
    user: UserOption = "",
    group: GroupOption = None,
    description: DescriptionOption = "",
) -> None:
    """Make a token and print it: it is shown this once."""
    wish = {
        "usage": usage,
        "ttl_seconds": ttl_seconds(ttl),
        "user": user,
        "groups": group or [],
        "description": description,
    }
    print((await _ask(link.api.connection, "POST", "/swarmlet/v1/tokens", wish))["token"])


async def token_list(link: Session) -> None:
    """List the tokens, without their secrets."""
    rows = [("ID", "USAGE", "USER", "EXPIRES", "DESCRIPTION")]
    for token in (await _ask(link.api.connection, "GET", "/swarmlet/v1/tokens"))["items"]:
        row = (token["id"], token["usage"], token["user"] or "-", _expiry(token["expires"]), token["description"])
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


async def token_revoke(link: Session, token_id: TokenArgument) -> None:
    """Make a token worthless at once."""
    await _ask(link.api.connection, "DELETE", f"/swarmlet/v1/tokens/{_name(token_id)}")
    print(f"token/{token_id} revoked")


async def node_rm(link: Session, name: NodeArgument, force: ForceOption = False) -> None:
    """Remove a machine that is gone; on one that runs, prefer `swarmlet leave`."""
    path = f"/swarmlet/v1/nodes/{_name(name)}" + ("?force=true" if force else "")
    await _ask(link.api.connection, "DELETE", path)
    print(f"node/{name} removed")


def leave(socket: SocketOption = None) -> None:
    """Take this machine out of the cluster; its Pods are replaced on the others.

    `swarmlet drain` it first where disruption budgets count: leaving asks none.
    """
    _ask_locally(socket, "POST", "/swarmlet/v1/leave")
    print("This machine has left the cluster; its daemon ends now. `swarmlet join` can bring it back as a new node.")


def kubeconfig(
    server: ServerOption = "", output: OutputOption = "-", write: WriteOption = False, socket: SocketOption = None
) -> None:
    """Print a kubeconfig for kubectl, helm and the client libraries, with a certificate of a year for its admin."""
    from swarmlet.cli import kubeconfig_file
    from swarmlet.identity import authority

    if write and output != "-":
        raise exits.UsageError("--write and --output exclude each other")
    key = authority.new_key()
    wish = {"csr": authority.new_request(key), "user": ADMIN, "groups": [ADMIN_GROUP]}
    signed = _ask_locally(socket, "POST", "/swarmlet/v1/certificates", wish)
    document = kubeconfig_document(signed, key, server)
    text = _written(document)
    if write:
        path = kubeconfig_file.path_of(os.environ, Path.home())
        kubeconfig_file.put(path, document)
        print(f"Wrote the context {document['current-context']} to {path}; it is the current one.")
    elif output == "-":
        sys.stdout.write(text)
    else:
        _save(Path(output), text)
        print(f"Wrote {output}; try `kubectl --kubeconfig {output} get nodes`.")


def kubeconfig_document(signed: Mapping[str, str], key_pem: str, server: str) -> dict[str, Any]:
    """Return the kubeconfig that speaks as the admin whose certificate was `signed`."""
    cluster = {
        "server": _server(server or signed["server"]),
        "certificate-authority-data": _base64(signed["ca"]),
    }
    if server and _host(server) != _host(signed["server"]):
        cluster["tls-server-name"] = "localhost"  # in every node's certificate, whatever it is reached by
    name = f"swarmlet-{signed['cluster_id'][:8]}"
    user = f"{ADMIN}@{name}"
    credentials = {"client-certificate-data": _base64(signed["certificate"]), "client-key-data": _base64(key_pem)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }


def ttl_seconds(span: str) -> float:
    """Return a token's lifetime in seconds, 0 for "never"; raise `UsageError` for what is none."""
    if span == "never":
        return 0
    found = spans.seconds(span, "--ttl")
    if not found:
        raise exits.UsageError('--ttl: found 0; allowed: a span such as 24h, or "never"')
    return found


async def _ask(connection: Connection, method: str, path: str, body: Any = None) -> dict[str, Any]:
    from swarmlet.client.connection import Request

    return await connection.json(Request(method=method, path=path, body=body))


def _ask_locally(socket: Path | None, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Ask this machine's own daemon, whatever server the environment names: it is this machine that leaves."""
    from swarmlet.addresses import DEFAULT_SOCKET
    from swarmlet.client import endpoints
    from swarmlet.client.connection import Connection
    from swarmlet.clock import SystemClock

    async def ask() -> dict[str, Any]:
        door = socket or Path(os.environ.get("SWARMLET_SOCKET") or DEFAULT_SOCKET)
        async with Connection(endpoints.local(door), clock=SystemClock(), warn=exits.say) as connection:
            return await _ask(connection, method, path, body)

    return asyncio.run(ask())


def _name(text: str) -> str:
    """Return what may stand in a path: names and ids have none of a path's own signs."""
    if not re.fullmatch(r"[-.a-zA-Z0-9]+", text) or set(text) == {"."}:
        raise CallerError(f"{text!r} is no name or id")
    return text


def _expiry(expires: str | None) -> str:
    if expires is None:
        return "never"
    return f"{datetime.fromisoformat(expires).astimezone(UTC):%Y-%m-%d %H:%M UTC}"


def _server(text: str) -> str:
    from swarmlet.addresses import join_address, split_address

    try:
        return "https://" + join_address(*split_address(text.removeprefix("https://").rstrip("/")))
    except ValueError as error:
        raise CallerError(f"--server: found {text!r}; allowed: https:// and {error}") from None


def _host(server: str) -> str:
    return _server(server).rpartition(":")[0]


def _base64(text: str) -> str:
    import base64

    return base64.b64encode(text.encode()).decode()


def _written(document: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(document, sort_keys=False)


def _save(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o600)
            file.write(text)
    except OSError as error:
        raise ConfigError(f"--output {path}: {error.strerror or error}") from error
