"""Each change that comes by the API bears in the history who asked for it, when and from where."""

from __future__ import annotations

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from swarmlet.api.access.origins import Signer, clean, noted
from swarmlet.api.middleware import USER
from swarmlet.identity.users import User
from tests.api.conftest import START, Api, DirectReplica, FakeAuthenticator, FakeClock
from tests.api.documents import CONFIG_MAPS as MAPS
from tests.api.documents import MERGE, config_map


async def test_a_write_is_of_who_asked_through_which_client_and_machine(
    api: Api, replica: DirectReplica, authenticator: FakeAuthenticator
):
    authenticator.user = User("ann", ("system:masters",))
    agent = "kubectl/v1.35.0 (linux/amd64) kubernetes/abc"
    await api.read("POST", MAPS, json=config_map("a"), headers={"User-Agent": agent})
    entry = replica.store.history.rows()[-1]
    assert entry.key.name == "a"
    assert entry.origin.at == START
    told = entry.origin
    assert (told.who, told.node, told.address, told.agent, told.verb) == (
        "ann",
        "node-a",
        "127.0.0.1",
        "kubectl/v1.35.0",
        "create",
    )


async def test_each_way_of_writing_is_signed(api: Api, replica: DirectReplica):
    await api.read("POST", MAPS, json=config_map("a"))
    await api.read("PUT", f"{MAPS}/a", json=config_map("a", x="1"))
    await api.read("PATCH", f"{MAPS}/a", json={"data": {"x": "2"}}, headers=MERGE)
    await api.read("DELETE", f"{MAPS}/a")
    await api.read("POST", MAPS, json=config_map("b"))
    await api.read("DELETE", MAPS)
    mine = [entry.origin for entry in replica.store.history.rows() if entry.key.resource == "configmaps"]
    assert [origin.verb for origin in mine] == ["create", "update", "patch", "delete", "create", "deletecollection"]
    assert {origin.who for origin in mine} == {"local-admin"}


async def test_one_request_leaves_no_trace_on_the_next(api: Api, replica: DirectReplica, authenticator):
    authenticator.user = User("ann", ("system:masters",))
    await api.read("POST", MAPS, json=config_map("a"))
    authenticator.user = User("bob", ("system:masters",))
    await api.read("POST", MAPS, json=config_map("b"))
    assert [entry.origin.who for entry in replica.store.history.rows()[-2:]] == ["ann", "bob"]


async def test_what_follows_a_request_in_the_same_task_is_not_in_its_name():
    request = make_mocked_request("POST", "/x")
    request[USER] = User("ann", ())

    async def handler(_request) -> web.Response:
        assert noted("").who == "ann"
        return web.Response()

    await Signer(node_name="n1", clock=FakeClock())(request, handler)
    assert noted("").who == ""


def test_what_a_client_says_of_itself_is_cut_and_fit_for_a_terminal():
    assert clean("a\x1b[31mb\n" + "c" * 99, 10) == "a?[31mb?cc"
