from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import msgspec
import pytest
from cryptography import x509

from swarmlet import errors
from swarmlet.api.operations import cluster
from swarmlet.api.operations.membership import node_key, token_key
from swarmlet.clock import SystemClock
from swarmlet.errors import UnavailableError
from swarmlet.identity import attempts, authority, calls, tls, tokens
from swarmlet.identity.authority import Authority
from swarmlet.identity.joining import Joiner, JoinRequest
from swarmlet.identity.registration import node_id_of
from swarmlet.identity.tokens import JoinToken
from swarmlet.model import objects
from swarmlet.model.core import Node, NodeStatus
from swarmlet.model.meta import Condition
from swarmlet.store.commands import Command, Delete, Put
from swarmlet.store.replica import MemberStatus
from tests.api.daemons import Daemon, World, serving
from tests.identity.conftest import CLUSTER
from tests.identity.times import NOW, FixedClock

KEY = authority.new_key()
NEWCOMER = "d" * 16


@pytest.fixture
def world(ca: Authority, tmp_path: Path) -> World:
    made = World(tmp_path, ca)
    made.found()
    return made


@pytest.fixture(scope="session")
def ca() -> Authority:
    return Authority.create(CLUSTER, NOW)


@pytest.fixture
async def alpha(world: World) -> AsyncIterator[Daemon]:
    async with serving(world) as daemon:
        yield daemon


def join_request(world: World, **changes: object) -> JoinRequest:
    request = JoinRequest(
        token_id=world.token.token_id,
        secret=world.token.secret,
        csr=authority.new_request(KEY),
        name="delta",
        advertise="127.0.0.1:7604",
        node_id=NEWCOMER,
        time=world.clock.now(),
    )
    return msgspec.structs.replace(request, **changes)


async def join(world: World, daemon: Daemon, *, clock: FixedClock | None = None, **changes: object):
    joiner = Joiner(peer=daemon.address, token=world.token, clock=clock or world.clock)
    return await joiner.ask(join_request(world, **changes), world.ca.certificate_pem)


async def locally(daemon: Daemon, method: str, path: str, body: object = None) -> tuple[int, object]:
    """Ask as the local administrator, by the unix socket."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(daemon.socket))) as session,
        session.request(method, f"http://local{path}", json=body) as response,
    ):
        return response.status, await response.json(content_type=None)


async def as_node(daemon: Daemon, caller: Daemon, method: str, path: str, body: bytes = b"") -> bytes:
    return (await calls.call(daemon.address, method, path, tls.peer_context(caller.files), body)).body


def node(world: World, name: str) -> Node | None:
    stored = world.store.get(node_key(name))
    return stored.object if stored else None


def make_ready(world: World, name: str) -> None:
    ready = Condition(type="Ready", status="True")
    changed = msgspec.structs.replace(node(world, name), status=NodeStatus(conditions=(ready,)))
    world.store.apply(Command(b"", (Put(node_key(name), objects.to_json(changed)),)))


# The CA.


async def test_anybody_may_fetch_the_ca(world: World, alpha: Daemon) -> None:
    answer = await calls.call(alpha.address, "GET", "/swarmlet/v1/ca", tls.unverified_context())
    assert answer.body.decode() == world.ca.certificate_pem


async def test_a_joiner_finds_the_ca_that_its_token_names(world: World, alpha: Daemon) -> None:
    joiner = Joiner(peer=alpha.address, token=world.token, clock=SystemClock())  # it looks at the answer's Date
    assert await joiner.fetch_authority() == world.ca.certificate_pem


async def test_a_joiner_refuses_another_ca(world: World, alpha: Daemon) -> None:
    other = JoinToken(tokens.authority_hash(bytes(32)), world.token.token_id, world.token.secret)
    with pytest.raises(errors.UnauthorizedError, match="wrong CA"):
        await Joiner(peer=alpha.address, token=other, clock=SystemClock()).fetch_authority()


async def test_a_joiner_whose_clock_is_off_is_told_both_times(world: World, alpha: Daemon) -> None:
    late = FixedClock(NOW + timedelta(hours=1))
    with pytest.raises(errors.CallerError, match=r"clocks differ by \d+ s: this machine says .* UTC, .* UTC"):
        await Joiner(peer=alpha.address, token=world.token, clock=late).fetch_authority()


async def test_a_peer_that_cannot_be_reached_is_one_clear_line(world: World) -> None:
    with pytest.raises(errors.UnavailableError, match=r"127\.0\.0\.1:1 cannot be reached \(.*refused"):
        await Joiner(peer="127.0.0.1:1", token=world.token, clock=FixedClock()).fetch_authority()


# Joining.


async def test_an_invited_machine_gets_its_certificate(world: World, alpha: Daemon) -> None:
    answer = await join(world, alpha)
    certificate = x509.load_pem_x509_certificate(answer.certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"swarmlet://{CLUSTER}/node/{NEWCOMER}"]
    assert (answer.cluster_id, answer.ca) == (CLUSTER, world.ca.certificate_pem)


async def test_an_invited_machine_becomes_a_spare(world: World, alpha: Daemon) -> None:
    answer = await join(world, alpha)
    assert world.members[NEWCOMER] == MemberStatus(NEWCOMER, "127.0.0.1:7604", "spare")
    assert [member.address for member in answer.members] == [alpha.address], "a spare cannot give the state on"


async def test_a_join_holds_the_name_with_a_node_that_is_not_ready(world: World, alpha: Daemon) -> None:
    await join(world, alpha)
    held = node(world, "delta")
    assert node_id_of(held) == NEWCOMER
    assert held.metadata.uid
    assert [(c.type, c.status, c.reason) for c in held.status.conditions] == [("Ready", "False", "Joining")]


async def test_the_history_tells_which_machine_joined(world: World, alpha: Daemon) -> None:
    await join(world, alpha)
    entry = world.store.history.rows()[-1]
    assert (entry.key.resource, entry.origin.who, entry.origin.note) == (
        "nodes",
        f"system:node:{entry.key.name}",
        "joined with a token",
    )


@pytest.mark.parametrize("changes", [{"secret": "x" * 26}, {"secret": ""}, {"token_id": "zzzzzzzz"}])
async def test_a_wrong_token_admits_nobody(world: World, alpha: Daemon, changes: dict[str, str]) -> None:
    with pytest.raises(errors.UnauthorizedError, match="wrong join token"):
        await join(world, alpha, **changes)
    assert (list(world.members), node(world, "delta")) == (["a" * 16], None)


async def test_an_expired_token_admits_nobody(world: World, alpha: Daemon) -> None:
    world.clock.time = NOW + timedelta(hours=24)
    with pytest.raises(errors.UnauthorizedError, match="expired"):
        await join(world, alpha)


async def test_a_revoked_token_admits_nobody(world: World, alpha: Daemon) -> None:
    world.store.apply(Command(b"", (Delete(token_key("abcdefgh")),)))
    with pytest.raises(errors.UnauthorizedError, match="wrong join token"):
        await join(world, alpha)


@pytest.mark.parametrize("off", [timedelta(seconds=31), timedelta(seconds=-31)])
async def test_a_clock_that_is_off_admits_nobody(world: World, alpha: Daemon, off: timedelta) -> None:
    with pytest.raises(errors.CallerError, match="clocks differ by 31 s"):
        await join(world, alpha, clock=FixedClock(NOW + off))


async def test_a_clock_a_little_off_is_forgiven(world: World, alpha: Daemon) -> None:
    await join(world, alpha, clock=FixedClock(NOW + timedelta(seconds=29)))


async def test_a_name_that_is_taken_is_refused(world: World, alpha: Daemon) -> None:
    with pytest.raises(errors.AlreadyExistsError, match=r'"alpha" is taken.*swarmlet node rm alpha'):
        await join(world, alpha, name="alpha")
    assert NEWCOMER not in world.members


async def test_a_node_id_that_is_taken_is_refused(world: World, alpha: Daemon) -> None:
    with pytest.raises(errors.AlreadyExistsError, match="node id"):
        await join(world, alpha, node_id="a" * 16)


async def test_the_same_machine_may_ask_again(world: World, alpha: Daemon) -> None:
    await join(world, alpha)
    assert (await join(world, alpha)).certificate
    assert len(world.members) == 2


async def test_nobody_takes_over_a_node_with_another_key(world: World, alpha: Daemon) -> None:
    await join(world, alpha)
    with pytest.raises(errors.AlreadyExistsError):
        await join(world, alpha, csr=authority.new_request(authority.new_key()))


async def test_a_join_is_tried_again_while_there_is_no_leader(world: World, alpha: Daemon) -> None:
    alpha.replica.failures = [UnavailableError("no leader"), UnavailableError("no leader")]
    await join(world, alpha)
    assert NEWCOMER in world.members


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "My_Host"}, "name"),
        ({"advertise": "h1:x"}, "advertise"),
        ({"node_id": "../.."}, "node_id"),
        ({"csr": "none"}, "csr"),
    ],
)
async def test_a_wrong_value_is_named(world: World, alpha: Daemon, changes: dict[str, str], field: str) -> None:
    with pytest.raises(errors.InvalidError, match=field):
        await join(world, alpha, **changes)
    assert len(world.members) == 1


async def test_guessing_is_bounded(world: World, alpha: Daemon) -> None:
    for _ in range(attempts.FAILURES_MAX):
        with pytest.raises(errors.UnauthorizedError):
            await join(world, alpha, secret="x" * 26)
    with pytest.raises(errors.BusyError, match="too many failed attempts"):
        await join(world, alpha)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"token_id": 1}', b'{"time": "2026-01-01T00:00:00"}'])
async def test_a_body_that_is_no_join_is_refused(world: World, alpha: Daemon, body: bytes) -> None:
    with pytest.raises(errors.CallerError, match="the body is not what /swarmlet/v1/join takes"):
        await calls.call(alpha.address, "POST", "/swarmlet/v1/join", tls.unverified_context(), body or b" ")


async def test_a_huge_body_is_refused(world: World, alpha: Daemon) -> None:
    body = b" " * (cluster.BODY_BYTES_MAX + 1)
    with pytest.raises(errors.CallerError, match="over 65536 bytes"):
        await calls.call(alpha.address, "POST", "/swarmlet/v1/join", tls.unverified_context(), body)


# Tokens.


async def test_a_made_token_admits_a_machine(world: World, alpha: Daemon) -> None:
    code, made = await locally(alpha, "POST", "/swarmlet/v1/tokens", {"ttl_seconds": 60})
    token = JoinToken.parse(made["token"])
    assert code == 201
    assert token.trusts(authority.authority_sha256(world.ca.certificate_pem))
    await join(world, alpha, token_id=token.token_id, secret=token.secret)


async def test_the_list_of_tokens_tells_no_secret(world: World, alpha: Daemon) -> None:
    _, made = await locally(alpha, "POST", "/swarmlet/v1/tokens", {"description": "for delta"})
    _, listed = await locally(alpha, "GET", "/swarmlet/v1/tokens")
    assert {token["id"] for token in listed["items"]} == {"abcdefgh", made["id"]}
    assert made["token"].rpartition("_")[2] not in str(listed)


async def test_a_revoked_token_is_gone(world: World, alpha: Daemon) -> None:
    assert (await locally(alpha, "DELETE", "/swarmlet/v1/tokens/abcdefgh"))[0] == 200
    assert (await locally(alpha, "DELETE", "/swarmlet/v1/tokens/abcdefgh"))[0] == 404


async def test_an_api_token_speaks_for_its_user(world: World, alpha: Daemon) -> None:
    wish = {"usage": "api", "user": "ann", "groups": ["system:masters"], "ttl_seconds": 0}
    _, made = await locally(alpha, "POST", "/swarmlet/v1/tokens", wish)
    headers = {"Authorization": f"Bearer {made['token']}"}
    context = tls.client_context(world.ca.certificate_pem)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{alpha.url}/swarmlet/v1/tokens", headers=headers, ssl=context) as response,
    ):
        assert response.status == 200


@pytest.mark.parametrize(
    "wish",
    [
        {"usage": "root"},
        {"ttl_seconds": 1},
        {"ttl_seconds": -60},
        {"usage": "api"},
        {"user": "ann"},
        {"usage": "api", "user": "system:node:alpha"},
    ],
)
async def test_a_token_that_makes_no_sense_is_refused(world: World, alpha: Daemon, wish: dict[str, object]) -> None:
    code, told = await locally(alpha, "POST", "/swarmlet/v1/tokens", wish)
    assert (code, told["kind"]) == (422, "Status")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/swarmlet/v1/tokens"),
        ("POST", "/swarmlet/v1/tokens"),
        ("POST", "/swarmlet/v1/certificates"),
        ("POST", "/swarmlet/v1/leave"),
        ("DELETE", "/swarmlet/v1/nodes/beta"),
    ],
)
async def test_who_shows_nothing_may_only_join(world: World, alpha: Daemon, method: str, path: str) -> None:
    with pytest.raises(errors.ForbiddenError, match="system:anonymous"):
        await calls.call(alpha.address, method, path, tls.client_context(world.ca.certificate_pem))


async def test_a_node_may_not_invite(world: World, alpha: Daemon) -> None:
    async with serving(world, "b" * 16, "beta") as beta:
        with pytest.raises(errors.ForbiddenError, match="system:node:beta"):
            await as_node(alpha, beta, "POST", "/swarmlet/v1/tokens", b"{}")


# Certificates.


async def test_the_local_administrator_gets_a_certificate_that_works(world: World, alpha: Daemon) -> None:
    wish = {"csr": authority.new_request(KEY), "user": "admin", "groups": ["system:masters"]}
    _, made = await locally(alpha, "POST", "/swarmlet/v1/certificates", wish)
    context = tls.client_context(made["ca"])
    (world.folder / "admin.pem").write_text(made["certificate"] + KEY)
    context.load_cert_chain(world.folder / "admin.pem")
    answer = await calls.call(alpha.address, "GET", "/swarmlet/v1/tokens", context)
    assert b"abcdefgh" in answer.body
    assert (made["cluster_id"], made["server"]) == (CLUSTER, "https://127.0.0.1:7600")


# Leaving and removing.


async def test_a_node_leaves_through_another(world: World, alpha: Daemon) -> None:
    async with serving(world, "b" * 16, "beta") as beta:
        alpha.replica.is_leader = True
        make_ready(world, "alpha")
        assert await locally(alpha, "POST", "/swarmlet/v1/leave") == (200, {})
        assert (alpha.left, beta.left, alpha.replica.transfers) == ([True], [], 1)
        assert (list(world.members), node(world, "alpha")) == (["b" * 16], None)


async def test_the_last_node_cannot_leave(world: World, alpha: Daemon) -> None:
    code, told = await locally(alpha, "POST", "/swarmlet/v1/leave")
    assert (code, alpha.left) == (409, [])
    assert "only node" in told["message"]


async def test_without_quorum_a_leave_is_refused_with_what_to_do(world: World, alpha: Daemon) -> None:
    async with serving(world, "b" * 16, "beta"):
        alpha.replica.has_quorum = False
        code, told = await locally(alpha, "POST", "/swarmlet/v1/leave")
        assert (code, alpha.left) == (503, [])
        assert "bring back its voters" in told["message"]


async def test_a_leave_that_would_break_the_quorum_is_refused_and_changes_nothing(world: World, alpha: Daemon) -> None:
    async with serving(world, "b" * 16, "beta") as beta:
        beta.replica.quorum_needs = {"a" * 16}
        code, told = await locally(alpha, "POST", "/swarmlet/v1/leave")
        assert (code, alpha.left) == (409, [])
        assert told["message"] == 'removing "alpha" would break the quorum'
        assert node(world, "alpha") is not None


async def test_a_node_leaves_past_a_member_that_is_dead(world: World, alpha: Daemon) -> None:
    world.members["0" * 16] = MemberStatus("0" * 16, "127.0.0.1:1", "voter")
    async with serving(world, "b" * 16, "beta"):
        assert (await locally(alpha, "POST", "/swarmlet/v1/leave"))[0] == 200


async def test_a_dead_node_is_removed(world: World, alpha: Daemon) -> None:
    await join(world, alpha)
    assert (await locally(alpha, "DELETE", "/swarmlet/v1/nodes/delta"))[0] == 200
    assert (list(world.members), node(world, "delta")) == (["a" * 16], None)


async def test_the_name_of_a_removed_node_is_free(world: World, alpha: Daemon) -> None:
    await join(world, alpha)
    await locally(alpha, "DELETE", "/swarmlet/v1/nodes/delta")
    await join(world, alpha, node_id="e" * 16, csr=authority.new_request(authority.new_key()))
    assert node_id_of(node(world, "delta")) == "e" * 16


async def test_a_ready_node_is_removed_only_by_force(world: World, alpha: Daemon) -> None:
    await join(world, alpha)
    make_ready(world, "delta")
    code, told = await locally(alpha, "DELETE", "/swarmlet/v1/nodes/delta")
    assert (code, NEWCOMER in world.members) == (409, True)
    assert "swarmlet leave" in told["message"]
    assert (await locally(alpha, "DELETE", "/swarmlet/v1/nodes/delta?force=true"))[0] == 200


async def test_a_member_without_a_node_object_is_removed_by_its_id(world: World, alpha: Daemon) -> None:
    world.members[NEWCOMER] = MemberStatus(NEWCOMER, "127.0.0.1:1", "voter")
    assert (await locally(alpha, "DELETE", f"/swarmlet/v1/nodes/{NEWCOMER}"))[0] == 200
    assert NEWCOMER not in world.members


async def test_a_node_that_nobody_knows_is_not_found(world: World, alpha: Daemon) -> None:
    assert (await locally(alpha, "DELETE", "/swarmlet/v1/nodes/omega"))[0] == 404


async def test_a_node_may_remove_only_itself(world: World, alpha: Daemon) -> None:
    async with serving(world, "b" * 16, "beta") as beta:
        with pytest.raises(errors.ForbiddenError, match="only itself"):
            await as_node(alpha, beta, "DELETE", "/swarmlet/v1/nodes/alpha?force=true")


async def test_a_removed_nodes_certificate_opens_nothing(world: World, alpha: Daemon) -> None:
    async with serving(world, "b" * 16, "beta") as beta:
        del world.members["b" * 16]
        with pytest.raises(errors.UnauthorizedError, match="not a member"):
            await as_node(alpha, beta, "DELETE", "/swarmlet/v1/nodes/beta?force=true")


async def test_the_api_speaks_tls_1_3(alpha: Daemon) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(errors.SwarmletError):
        await calls.call(alpha.address, "GET", "/swarmlet/v1/ca", old)
