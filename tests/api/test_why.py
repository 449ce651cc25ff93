"""Asking why through the API: who may, what is found by a name, and what is kept from whom."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from swarmlet.api.operations import why as why_api
from swarmlet.identity import access
from swarmlet.identity.access import WHY_PATH, Attributes
from swarmlet.identity.users import ANONYMOUS, AUTHENTICATED, User
from swarmlet.model import kinds
from swarmlet.model.core import Node
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.services import Service
from tests.api.conftest import Api, DirectReplica, FakeAuthenticator
from tests.api.documents import DEPLOYMENTS, deployment


def put_pod(replica: DirectReplica, name: str = "web", *, namespace: str = "default", node: str = "") -> None:
    metadata = ObjectMeta(name=name, namespace=namespace, uid=f"uid-{name}")
    replica.put(kinds.POD, Pod(metadata=metadata, spec=PodSpec(node_name=node)))


async def why(api: Api, name: str, **query: str) -> tuple[int, dict]:
    return await api.read("GET", WHY_PATH, params={"name": name, "namespace": "default"} | query)


async def test_what_is_called_so_is_explained_whatever_it_is(api: Api, replica: DirectReplica) -> None:
    await api.read("POST", DEPLOYMENTS, json=deployment("web"))
    put_pod(replica)
    code, answer = await why(api, "web")
    assert code == 200
    assert [each["object"] for each in answer["items"]] == ["deployments.apps/default/web", "pods/default/web"]
    _, answer = await why(api, "web", resource="pods")
    (explained,) = answer["items"]
    assert explained["findings"][0]["text"] == "Pod web waits for a node"
    assert explained["findings"][0]["about"] == "pods/default/web"


async def test_what_is_not_there_brings_what_is_called_nearly_so(api: Api, replica: DirectReplica) -> None:
    put_pod(replica, "web-1")
    put_pod(replica, "db", namespace="other")
    code, status = await why(api, "web1")
    assert (code, status["reason"]) == (404, "NotFound")
    assert status["message"] == 'nothing is called "web1" in namespace default; did you mean pod/web-1?'
    assert (await why(api, "db", resource="pods"))[1]["message"] == (
        'pods "db" not found in namespace default; there is one in namespace other'
    )
    assert (await why(api, "zzz", resource="pods"))[1]["message"] == 'pods "zzz" not found in namespace default'


async def test_names_are_compared_with_those_that_begin_alike_and_not_with_all_that_there_are(
    api: Api, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To compare a name with 30,000 others would stop the daemon for half a second and more."""
    for name in ("aweb-1x", "web-1", "yweb-1x"):
        put_pod(replica, name)
    monkeypatch.setattr(why_api, "COMPARED_MAX", 1)
    assert (await why(api, "web-1x"))[1]["message"].endswith("did you mean pod/web-1?")


@pytest.mark.parametrize(
    ("query", "said"),
    [({"resource": "secrets"}, "resource: secrets is not explained"), ({"name": ""}, "name: say what")],
)
async def test_a_question_that_nobody_can_answer_is_refused(api: Api, query: dict[str, str], said: str) -> None:
    code, status = await why(api, **{"name": "web"} | query)
    assert code == 400
    assert said in status["message"]


async def test_who_may_not_read_an_object_may_not_ask_about_it(
    api: Api, replica: DirectReplica, authenticator: FakeAuthenticator
) -> None:
    put_pod(replica)
    authenticator.user = User("eve", (AUTHENTICATED,))
    code, status = await why(api, "web", resource="pods")
    assert (code, status["reason"]) == (403, "Forbidden")
    assert 'User "eve" cannot get resource "pods"' in status["message"]
    assert (await why(api, "web"))[0] == 403
    authenticator.user = ANONYMOUS
    assert (await why(api, "web"))[0] == 403


async def test_an_answer_is_silent_of_what_its_reader_may_not_read(
    api: Api, replica: DirectReplica, authenticator: FakeAuthenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_pod(replica, node="h1")
    replica.put(kinds.NODE, Node(metadata=ObjectMeta(name="h1", uid="uid-h1")))
    everything = await why(api, "web", resource="pods")
    assert "node h1" in msgspec.json.encode(everything).decode()
    rule = access.Rule(verbs=("get",), api_groups=("",), resources=("pods",))
    monkeypatch.setitem(access.RULES, "readers", (rule,))
    authenticator.user = User("eve", (AUTHENTICATED, "readers"))
    assert access.allowed(authenticator.user, Attributes(verb="get", resource="pods", namespace="default"))
    code, answer = await why(api, "web", resource="pods")
    assert code == 200
    assert "node h1" not in msgspec.json.encode(answer).decode()


async def test_of_a_service_it_is_told_what_the_machine_that_answers_does(
    api: Api, replica: DirectReplica, machine_network: dict[str, Any]
) -> None:
    replica.put(kinds.SERVICE, Service(metadata=ObjectMeta(name="web", namespace="default", uid="uid-web")))
    machine_network |= {"services": "nftables", "why": {}, "faults": {"services": "nft is gone"}}
    _, answer = await why(api, "web", resource="services")
    (headline,) = answer["items"][0]["findings"]
    assert any(each["text"].startswith("on node-a, which answers you,") for each in headline["causes"])
