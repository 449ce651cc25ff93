"""One whole daemon in this process: real files, real TLS, real sockets on loopback, plain processes as containers."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import aiohttp
import pytest

from swarmlet import node
from swarmlet.addresses import split_address
from swarmlet.api import keepalive
from swarmlet.cli import founding
from swarmlet.clock import SystemClock
from swarmlet.config import Config, Network
from swarmlet.consensus import recovery
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.errors import ConfigError, CutOffError
from swarmlet.identity import authority, tls
from swarmlet.identity.access import BACKUP_PATH
from swarmlet.identity.authority import Authority
from swarmlet.identity.incarnation import FIRST
from swarmlet.identity.state import NodeFiles
from swarmlet.model import api_service, kinds
from swarmlet.model.cluster import ClusterIdentity
from swarmlet.store.backup import Reader
from swarmlet.transport.tls_peers import TlsPeers
from tests.identity.conftest import make_files

pytestmark = pytest.mark.slow
READY_SECONDS_MAX = 20


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def config(tmp_path: Path) -> Config:
    data_dir = tmp_path / "data"
    return Config(
        data_dir=data_dir,
        node_name="alpha",
        listen=f"127.0.0.1:{free_port()}",
        status_listen=f"127.0.0.1:{free_port()}",
        socket=data_dir / "swarmlet.sock",
        runtime="process",
        network=Network(
            mode="none", dns=False, services="off", policies=False
        ),  # this machine's kernel is others', too
    )


async def found(config: Config) -> None:
    await founding.found(config, clock=SystemClock(), rng=random.Random(1))


@pytest.fixture
async def daemon(config: Config) -> AsyncIterator[asyncio.Task[None]]:
    await found(config)
    async with running(config) as task:
        yield task


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[asyncio.Task[None]]:
    """Run the daemon of a member, ready."""
    task = asyncio.create_task(node.run(config))
    async with asyncio.timeout(READY_SECONDS_MAX):
        while not await says_ready(config) and not task.done():  # noqa: ASYNC110  another process would be asked so
            await asyncio.sleep(0.05)
    yield task
    task.cancel()
    await asyncio.wait([task])


async def says_ready(config: Config) -> bool:
    try:
        status = await local(config, "/status")
    except (aiohttp.ClientError, OSError):
        return False
    return bool(status["healthy"] and [each for each in status["nodes"] if each["ready"]])


async def local(config: Config, path: str) -> dict[str, object]:
    connector = aiohttp.UnixConnector(str(config.socket))
    async with aiohttp.ClientSession(connector=connector) as session, session.get(f"http://localhost{path}") as answer:
        return dict(await answer.json(content_type=None))


async def test_a_cluster_of_one_leads_itself_and_is_ready(config: Config, daemon: asyncio.Task[None]) -> None:
    status = await local(config, "/status")
    assert status["leader_name"] == "alpha"
    assert [(each["name"], each["role"]) for each in status["nodes"]] == [("alpha", "leader")]


async def test_only_its_owner_may_open_the_administrators_socket(config: Config, daemon: asyncio.Task[None]) -> None:
    assert stat.S_IMODE(config.socket.stat().st_mode) == 0o600


async def test_the_status_listener_shows_health_and_metrics_and_no_objects(
    config: Config, daemon: asyncio.Task[None]
) -> None:
    async with aiohttp.ClientSession(f"http://{config.status_listen}") as session:
        async with session.get("/readyz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
        async with session.get("/metrics") as answer:
            assert "swarmlet_consensus_is_leader 1.0" in await answer.text()
        async with session.get("/api/v1/secrets") as answer:
            assert answer.status == 404


async def test_the_tls_port_refuses_who_shows_no_credential(config: Config, daemon: asyncio.Task[None]) -> None:
    context = tls.client_context(NodeFiles(config.data_dir).authority_pem())
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.get(f"https://{config.listen}/api/v1/pods") as answer,
    ):
        assert answer.status in (401, 403)
        assert (await answer.json())["kind"] == "Status"


async def test_the_leases_are_what_the_leader_hears(config: Config, daemon: asyncio.Task[None]) -> None:
    leases = await local(config, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")
    assert [each["spec"]["holderIdentity"] for each in leases["items"]] == ["alpha"]


async def test_a_machine_that_is_no_member_is_told_so(config: Config) -> None:
    with pytest.raises(ConfigError, match=r"swarmlet (init|join)"):
        await node.run(config)


async def test_an_address_that_is_taken_is_named_with_its_key(config: Config) -> None:
    await found(config)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = replace(config, status_listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ConfigError, match="status_listen: cannot listen on"):
            await node.run(busy)


# Backups, and being left behind.


async def authority_of(config: Config) -> Authority:
    """Return the cluster's CA, as the log has it."""
    disk = SqliteDisk(config.consensus_dir)
    try:
        found_ = await recovery.read(disk)
    finally:
        disk.close()
    (stored,) = found_.store.list(kinds.CLUSTER_IDENTITY.resource)
    cluster = cast("ClusterIdentity", stored.object)
    return Authority(cluster_id=cluster.cluster_id, certificate_pem=cluster.ca_certificate, key_pem=cluster.ca_key)


async def asked_for_a_backup(config: Config, context: ssl.SSLContext) -> tuple[int, bytes]:
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"https://{config.listen}{BACKUP_PATH}") as answer,
    ):
        return answer.status, await answer.read()


async def test_only_an_administrator_gets_a_backup(config: Config, tmp_path: Path) -> None:
    """The CA's key is in it, which no machine of the cluster may ask another for."""
    await found(config)
    ca = await authority_of(config)
    key = authority.new_key()
    (tmp_path / "key").write_text(key)
    (tmp_path / "crt").write_text(
        ca.sign_user(authority.new_request(key), "admin", ("system:masters",), SystemClock().now())
    )
    admin = tls.client_context(ca.certificate_pem)
    admin.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    async with running(config):
        assert (await asked_for_a_backup(config, tls.client_context(ca.certificate_pem)))[0] == 403
        assert (await asked_for_a_backup(config, tls.peer_context(NodeFiles(config.data_dir))))[0] == 403
        status, content = await asked_for_a_backup(config, admin)
    reader = Reader()
    reader.feed(content)
    assert (status, reader.finish().node) == (200, "alpha")
    assert reader.counts["nodes"] == 1


async def test_a_certificate_of_before_is_renewed_while_the_daemon_serves(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    await found(config)
    files, ca = NodeFiles(config.data_dir), await authority_of(config)
    request, identity = authority.new_request(files.key_pem()), files.load().identity
    with monkeypatch.context() as patch:
        patch.setattr(api_service, "NAMES", ())
        files.renew(ca.sign_node(request, identity, "127.0.0.1", SystemClock().now()))
    strict = ssl.create_default_context(cadata=ca.certificate_pem)
    host, port = split_address(config.listen)

    async def asked_by_name() -> bool:
        try:
            _, writer = await asyncio.open_connection(host, port, ssl=strict, server_hostname=api_service.NAMES[2])
        except ssl.SSLCertVerificationError:
            return False
        writer.close()
        return True

    async with running(config), asyncio.timeout(READY_SECONDS_MAX):
        while not await asked_by_name():  # noqa: ASYNC110  another process would be asked so
            await asyncio.sleep(0.05)


async def test_who_is_connected_is_looked_after(config: Config, daemon: asyncio.Task[None]) -> None:
    """A connection to a machine that died would else stay for hours, and the watch on it."""
    context = tls.unverified_context()
    host, port = split_address(config.listen)
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    mine = writer.get_extra_info("sockname")
    theirs = next(each for each in established(port) if each.getpeername() == mine)
    with theirs:
        assert theirs.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == keepalive.SILENT_SECONDS
        assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == keepalive.GONE_SECONDS * 1_000
    writer.close()


def established(port: int) -> Iterator[socket.socket]:
    """Yield copies of this process' sockets that are connected to a port of its own."""
    for name in Path("/proc/self/fd").iterdir():
        try:
            found_ = socket.socket(fileno=os.dup(int(name.name)))
        except OSError:
            continue
        try:
            if found_.family == socket.AF_INET and found_.getsockname()[1] == port:
                found_.getpeername()
                yield found_
                continue
        except OSError:
            pass
        found_.close()


async def test_a_machine_that_was_left_behind_sets_its_data_aside_and_says_so(config: Config, tmp_path: Path) -> None:
    await found(config)
    files = make_files(tmp_path / "later", await authority_of(config), "b" * 16, "beta")
    now = SystemClock().now()
    later = TlsPeers(
        node_id="b" * 16,
        cluster_id=files.load().cluster_id,
        client_context=tls.peer_context(files),
        identify=tls.peer_identity,
        rng=random.Random(1),
        incarnation=FIRST.next("later", now),
    )
    async with running(config) as daemon:
        links = asyncio.create_task(later.run())
        later.set_addresses({NodeFiles(config.data_dir).load().node_id: config.listen})
        with pytest.raises(CutOffError) as told:
            async with asyncio.timeout(READY_SECONDS_MAX):
                await daemon
        links.cancel()
    (aside,) = config.data_dir.glob("former-*")
    assert str(told.value) == (
        f"the cluster was recovered without this machine at {now:%Y-%m-%d %H:%M:%S} UTC; its data is set aside in "
        f"{aside}; to bring it back, `swarmlet join` anew"
    )
    assert (aside / "raft" / "raft.db").exists()
    NodeFiles(config.data_dir).prepare()
