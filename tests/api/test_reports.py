from __future__ import annotations

import dataclasses

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from swarmlet.api.app import ApiServer
from swarmlet.api.operations.reports import ClusterInfo, Reports, build_status_app
from swarmlet.model import kinds
from swarmlet.model.core import Node, NodeStatus
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodStatus
from swarmlet.model.singletons import MAY_RUN_UNTIL, STRICT_SINGLETON
from swarmlet.store.replica import MemberStatus
from tests.api.conftest import START, Api, DirectReplica, FakeClock


@pytest.fixture
def nodes(replica: DirectReplica) -> None:
    for name, node_id in (("node-a", "n1"), ("node-b", "n2")):
        metadata = ObjectMeta(name=name, labels={"swarmlet.io/node-id": node_id})
        status = NodeStatus(conditions=(Condition(type="Ready", status="True" if name == "node-a" else "False"),))
        replica.put(kinds.NODE, Node(metadata=metadata, status=status))
    for index, phase in enumerate(("Running", "Running", "Pending")):
        metadata = ObjectMeta(name=f"p{index}", namespace="default")
        replica.put(kinds.POD, Pod(metadata=metadata, status=PodStatus(phase=phase)))


async def test_status_tells_the_cluster_at_a_glance(api: Api, nodes: None, clock: FakeClock) -> None:
    await clock.sleep(75)
    _, status = await api.read("GET", "/status")
    assert (status["cluster_id"], status["node_name"], status["uptime_seconds"]) == ("c1", "node-a", 75)
    assert (status["leader"], status["leader_name"], status["term"]) == ("n1", "node-a", 3)
    assert (status["commit"], status["applied"], status["healthy"]) == (7, 7, True)
    assert [(node["name"], node["role"], node["ready"]) for node in status["nodes"]] == [
        ("node-a", "leader", True),
        ("node-b", "", False),
    ]
    assert status["pods"] == {"Pending": 1, "Running": 2}


async def test_without_quorum_it_is_alive_and_not_ready(api: Api, replica: DirectReplica) -> None:
    replica.has_quorum = False
    async with api.get("/livez") as alive, api.get("/readyz") as ready:
        assert (alive.status, ready.status) == (200, 503)
        assert "[-]quorum failed" in await ready.text()
    _, status = await api.read("GET", "/status")
    assert (status["healthy"], status["leader"]) == (False, "")


async def test_verbose_health_lists_its_checks(api: Api) -> None:
    async with api.get("/readyz?verbose") as response:
        assert await response.text() == "[+]ping ok\n[+]quorum ok\nreadyz check passed\n"


async def test_further_checks_count_for_being_ready(replica: DirectReplica, clock: FakeClock) -> None:
    info = ClusterInfo(cluster_id="c", node_id="n", node_name="a", started=START, checks={"engine": lambda: False})
    reports = Reports(replica=replica, info=info, clock=clock, registry=CollectorRegistry())
    async with (
        TestClient(TestServer(build_status_app(reports))) as client,
        client.get("/readyz") as response,
    ):
        assert (response.status, "[-]engine failed" in await response.text()) == (503, True)


async def test_the_status_listener_serves_reports_and_nothing_else(server: ApiServer, nodes: None) -> None:
    async with TestClient(TestServer(build_status_app(server.reports))) as client:
        codes = {}
        for path in ("/status", "/healthz", "/readyz", "/livez", "/metrics", "/api/v1/secrets", "/version"):
            async with client.get(path) as response:
                codes[path] = response.status
        assert set(list(codes.values())[:5]) == {200}
        assert set(list(codes.values())[5:]) == {404}
        async with client.post("/status") as response:
            assert response.status == 405


async def test_a_cluster_of_one_that_has_no_node_yet_is_told(api: Api) -> None:
    _, status = await api.read("GET", "/status")
    assert status["nodes"] == [
        {
            "name": "",
            "node_id": "n1",
            "ready": False,
            "role": "leader",
            "why": "",
            "address": "10.0.0.1:7600",
            "silent_seconds": None,
        }
    ]


async def test_status_tells_what_was_stopped_here_and_what_is_waited_for(
    replica: DirectReplica, clock: FakeClock
) -> None:
    told_of = {STRICT_SINGLETON: "true", MAY_RUN_UNTIL: "2026-01-01T12:03:04Z"}
    for name, its in (("one", told_of), ("web", {})):
        metadata = ObjectMeta(name=name, namespace="default", annotations=its)
        replica.put(kinds.POD, Pod(metadata=metadata, spec=PodSpec(node_name="n2")))
    info = ClusterInfo(
        cluster_id="c", node_id="n", node_name="a", started=START, fenced=lambda: (START, ("default/db-0",))
    )
    told = Reports(replica=replica, info=info, clock=clock, registry=CollectorRegistry()).document()["fencing"]
    assert (told["cut_off_since"], told["stopped"]) == (START, ["default/db-0"])
    assert told["waiting"] == [{"pod": "default/one", "node": "n2", "until": "2026-01-01T12:03:04Z"}]


def test_what_the_machine_does_of_the_network_is_told(replica: DirectReplica, clock: FakeClock) -> None:
    network = {"mode": "vxlan"}
    info = ClusterInfo(cluster_id="c", node_id="n", node_name="a", started=START, network=lambda: network)
    document = Reports(replica=replica, info=info, clock=clock, registry=CollectorRegistry()).document()
    assert document["network"] == network


async def test_why_a_member_has_its_role_is_told_in_names(
    api: Api, nodes: None, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = replica.status()
    member = MemberStatus(
        "n2", "10.0.0.2:7600", "voter", why="replaces n1, which was silent for 12 s", silent_seconds=4.7
    )
    monkeypatch.setattr(replica, "status", lambda: dataclasses.replace(told, members=(*told.members, member)))
    _, status = await api.read("GET", "/status")
    found = next(node for node in status["nodes"] if node["name"] == "node-b")
    assert found["why"] == 'replaces "node-a", which was silent for 12 s'
    assert found["silent_seconds"] == 4
