"""A Service that has endpoints and does not answer all the same; and its EndpointSlices."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.model import cluster_dns
from tests.explain.board import Board, ago

UNAVAILABLE = {
    "type": "NetworkUnavailable",
    "status": "True",
    "reason": "NoRouteCreated",
    "message": "UDP 4789 is taken",
    "lastTransitionTime": ago(20),
}


@pytest.fixture
def web(board: Board) -> Board:
    """Two nodes, and a Service whose one ready endpoint is on h1."""
    board.node("h1")
    board.node("h2")
    board.pod("web-1")
    service(board)
    board.put(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "web-x",
        meta={"labels": {"kubernetes.io/service-name": "web"}},
        addressType="IPv4",
        endpoints=[
            {"addresses": ["10.42.0.2"], "conditions": {"ready": True}, "nodeName": "h1"},
            {"addresses": ["10.42.1.2"], "conditions": {"ready": False}, "nodeName": "h2"},
        ],
        ports=[{"name": "", "port": 8080, "protocol": "TCP"}],
    )
    return board


def service(board: Board, *, status: dict[str, Any] | None = None, **spec: Any) -> None:
    whole = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]} | spec
    board.put("v1", "Service", "web", spec=whole, status=status or {})


def told(board: Board) -> list[str]:
    """Return what is said below the headline."""
    headline, *rest = board.why("services", "web")
    assert "Service web has 1 ready endpoint" in headline
    return rest


def test_what_serves_has_no_more_to_be_said(web: Board) -> None:
    web.network = {"services": "nftables", "why": {}, "faults": {}}
    assert told(web) == []


@pytest.mark.parametrize(
    ("network", "line"),
    [
        (
            {"services": "off", "why": {}, "faults": {}},
            "nothing balances connections to Services: its configuration says network.services: off",
        ),
        (
            {"services": "nftables", "why": {}, "faults": {"services": "nft: not permitted"}},
            "connections to Services are not balanced as they should be: nft: not permitted",
        ),
        (
            {"services": "nftables", "why": {}, "faults": {"dns": "Address already in use"}},
            "names do not resolve: Address already in use",
        ),
    ],
)
def test_what_the_machine_that_answers_cannot_do(web: Board, network: dict[str, Any], line: str) -> None:
    web.network = network
    assert told(web)[0] == f"  ✗ on h1, which answers you, {line}"


def test_nodes_without_a_pod_network(web: Board) -> None:
    lost = "has no Pod network (UDP 4789 is taken)"
    web.node("h1", conditions=[UNAVAILABLE])
    assert told(web) == [
        f"  ✗ node h1 {lost}: its 1 endpoint cannot be reached from elsewhere, since 11:59:40 (20 s ago)",
        "    -> swarmlet why node/h1",
    ]
    web.node("h1")
    web.node("h2", conditions=[UNAVAILABLE])
    assert told(web)[0] == f"  ! node h2 {lost}, since 11:59:40 (20 s ago)"
    assert web.why("nodes", "h2")[1] == (
        "  ✗ it has no Pod network: UDP 4789 is taken; no new Pods go there, since 11:59:40 (20 s ago)"
    )


def test_a_port_of_the_machines_that_another_has(web: Board) -> None:
    message = "port 80/TCP of every node is the Service default/other's"
    error = {"type": "LoadBalancerPortsError", "status": "True", "message": message, "lastTransitionTime": ago(5)}
    service(web, type="LoadBalancer", status={"conditions": [error]})
    assert told(web) == [
        f"  ✗ it is published on no machine: {message}, since 11:59:55 (5 s ago)",
        "    -> give one of the two another port",
    ]
    service(web, type="LoadBalancer")
    assert told(web) == ["  ! its status names no machine yet on which it is published"]


def test_a_port_that_a_program_of_the_machine_has(web: Board) -> None:
    message = "node h2 cannot listen on 0.0.0.0:30080/TCP: Address already in use"
    web.event("Service/web", "FailedToOpenPort", message)
    assert told(web) == [f"  ! {message}, 11:59:50 (10 s ago)"]


def test_machines_without_an_endpoint_under_a_local_policy(web: Board) -> None:
    service(web, type="NodePort", externalTrafficPolicy="Local", internalTrafficPolicy="Local")
    outside, inside = told(web)
    assert outside == "  - from outside only h1 answers, which has a ready endpoint (externalTrafficPolicy: Local)"
    assert "only h1 answers: each reaches the endpoints of its own node alone (internalTrafficPolicy: Local)" in inside


def test_whom_a_load_balancer_answers(web: Board) -> None:
    published = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    service(web, type="LoadBalancer", loadBalancerSourceRanges=["198.51.100.0/24"], status=published)
    assert told(web) == ["  - the ports of its load balancer answer only 198.51.100.0/24 (loadBalancerSourceRanges)"]


def test_a_headless_service_translates_no_port(web: Board) -> None:
    service(web, clusterIP="None")
    assert told(web) == ["  - it is headless, so its name leads to the Pods themselves: ask at 8080, not 80"]
    service(web, clusterIP="None", ports=[{"port": 80}])
    assert told(web) == []


def test_policies_that_say_who_may_come(web: Board) -> None:
    def policy(name: str, app: str, *types: str, **spec: Any) -> None:
        selector = {"matchLabels": {"app": app}}
        whole = {"podSelector": selector, "policyTypes": types, **spec}
        web.put("networking.k8s.io/v1", "NetworkPolicy", name, spec=whole)

    policy("other", "db", "Ingress")
    policy("out", "web", "Egress")
    assert told(web) == []
    policy("deny", "web", "Ingress")
    assert told(web)[0] == "  ! nobody but its Pods' own nodes may reach them: NetworkPolicy deny lets nobody in"
    policy("front", "web", "Ingress", ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "front"}}}]}])
    assert told(web) == [
        "  - NetworkPolicies deny, front say who may reach its Pods",
        "    -> swarmlet describe networkpolicy deny",
    ]


def test_an_endpoint_slice_tells_of_its_service(web: Board) -> None:
    web.network = {"services": "off", "why": {"services": "no nft"}, "faults": {}}
    assert web.why("endpointslices.discovery.k8s.io", "web-x")[:3] == [
        "✗ EndpointSlice web-x of the Service web has 1 ready endpoint and 1 that is not, at 8080/TCP",
        "  ✗ Service web has 1 ready endpoint and 1 that is not",
        "    ✗ on h1, which answers you, nothing balances connections to Services: no nft",
    ]


def test_an_endpoint_slice_of_nobody(board: Board) -> None:
    board.put("discovery.k8s.io/v1", "EndpointSlice", "lone", addressType="IPv4", endpoints=[])
    assert "is of no Service" in board.why("endpointslices.discovery.k8s.io", "lone")[0]
    labels = {"kubernetes.io/service-name": "gone"}
    board.put("discovery.k8s.io/v1", "EndpointSlice", "left", meta={"labels": labels}, addressType="IPv4", endpoints=[])
    assert "of the Service gone, which there is not" in board.why("endpointslices.discovery.k8s.io", "left")[0]


def test_the_service_of_dns_needs_no_endpoints(board: Board) -> None:
    meta = {"labels": {cluster_dns.PROXY_NAME_LABEL: cluster_dns.PROXY}}
    board.put("v1", "Service", "kube-dns", namespace="kube-system", meta=meta, spec={"clusterIP": cluster_dns.ADDRESS})
    (line,) = board.why("services", "kube-dns", "kube-system")
    assert line == "Service kube-dns is the cluster's DNS: every node answers at 10.43.0.10 itself"
    board.network = {"services": "nftables", "why": {}, "faults": {"dns": "Address already in use"}}
    assert "names do not resolve: Address already in use" in board.why("services", "kube-dns", "kube-system")[1]
