"""Real TLS on 127.0.0.1."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from swarmlet.errors import ConfigError, UnauthorizedError
from swarmlet.identity import authority, tls
from swarmlet.identity.authority import Authority
from swarmlet.identity.state import NodeFiles
from tests.identity.conftest import CLUSTER, make_files
from tests.identity.times import NOW

Seen = list[object]


@asynccontextmanager
async def serving(files: NodeFiles, seen: Seen) -> AsyncIterator[int]:
    """A TLS server that notes the certificate of each client and answers with one byte."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("ssl_object"))
        writer.write(b"!")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context(files))
    async with server:
        yield server.sockets[0].getsockname()[1]


async def talk(port: int, context: ssl.SSLContext) -> ssl.SSLObject:
    """Connect, read the server's byte (so that both sides have finished the handshake), return the client's side."""
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="127.0.0.1")
        connection = writer.get_extra_info("ssl_object")
        try:
            if await reader.read(1) != b"!":
                raise ConnectionResetError("the server hung up")
        finally:
            writer.close()
        return connection


def user_context(ca: Authority, folder: Path) -> ssl.SSLContext:
    key = authority.new_key()
    certificate = ca.sign_user(authority.new_request(key), "ann", ("dev",), NOW)
    (folder / "both.pem").write_text(certificate + key)
    context = tls.client_context(ca.certificate_pem)
    context.load_cert_chain(folder / "both.pem")
    return context


async def test_a_peer_is_known_by_its_certificate_on_both_sides(alpha: NodeFiles, beta: NodeFiles) -> None:
    seen: Seen = []
    async with serving(alpha, seen) as port:
        connection = await talk(port, tls.peer_context(beta))
    assert tls.check_peer(connection, CLUSTER, "a" * 16).name == "alpha"
    assert tls.peer_identity(seen[0]).node_id == "b" * 16


async def test_another_node_than_the_one_called_is_refused(alpha: NodeFiles, beta: NodeFiles) -> None:
    async with serving(alpha, []) as port:
        connection = await talk(port, tls.peer_context(beta))
    with pytest.raises(UnauthorizedError, match="aaaaaaaaaaaaaaaa"):
        tls.check_peer(connection, CLUSTER, "d" * 16)


async def test_a_client_without_a_certificate_is_let_in_and_is_no_peer(alpha: NodeFiles, ca: Authority) -> None:
    seen: Seen = []
    async with serving(alpha, seen) as port:
        await talk(port, tls.client_context(ca.certificate_pem))
    with pytest.raises(UnauthorizedError):
        tls.peer_identity(seen[0])


async def test_a_user_is_no_peer(alpha: NodeFiles, ca: Authority, tmp_path: Path) -> None:
    seen: Seen = []
    async with serving(alpha, seen) as port:
        await talk(port, user_context(ca, tmp_path))
    certificate = seen[0].getpeercert()
    assert tls.subject_value(certificate, "commonName") == "ann"
    assert tls.node_identity(certificate) is None


async def test_a_client_that_trusts_another_ca_refuses_the_server(alpha: NodeFiles) -> None:
    other = Authority.create("d" * 16, NOW)
    async with serving(alpha, []) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await talk(port, tls.client_context(other.certificate_pem))


async def test_a_node_of_another_cluster_is_refused_by_the_server(
    alpha: NodeFiles, ca: Authority, tmp_path: Path
) -> None:
    stranger = make_files(tmp_path / "stranger", Authority.create("d" * 16, NOW), "b" * 16, "beta")
    context = tls.client_context(ca.certificate_pem)
    context.load_cert_chain(stranger.certificate, stranger.key)
    async with serving(alpha, []) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await talk(port, context)


async def test_a_user_cannot_pose_as_a_server(ca: Authority, beta: NodeFiles, tmp_path: Path) -> None:
    key = authority.new_key()
    posing = NodeFiles(tmp_path)
    posing.authority.write_text(ca.certificate_pem)
    posing.key.write_text(key)
    posing.certificate.write_text(ca.sign_user(authority.new_request(key), "mallory", ("dev",), NOW))
    async with serving(posing, []) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
            await talk(port, tls.peer_context(beta))


async def test_tls_1_2_is_refused(alpha: NodeFiles, ca: Authority) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.load_verify_locations(cadata=ca.certificate_pem)
    async with serving(alpha, []) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await talk(port, old)


@pytest.mark.parametrize("context", [tls.server_context, tls.peer_context])
def test_files_that_do_not_fit_each_other_make_one_clear_line(
    context: Callable[[NodeFiles], ssl.SSLContext], ca: Authority, tmp_path: Path
) -> None:
    files = make_files(tmp_path / "node", ca, "a" * 16, "alpha")
    files.key.write_text(authority.new_key())
    with pytest.raises(ConfigError, match=r"node\.key"):
        context(files)
