"""Whom a NetworkPolicy holds, what it lets through, and which of them hold a Pod."""

from __future__ import annotations

from typing import Any

import pytest

from tests.explain.board import Board

ONE, BOTH = "now 1 Pod: default/front-1", "now 2 Pods: default/front-1, other/front-2"


@pytest.fixture
def net(board: Board) -> Board:
    """A "web" and a "front" in one namespace, and a "front" in another."""
    board.node("h1")
    board.put("v1", "Namespace", "default", meta={"labels": {"team": "a"}})
    board.put("v1", "Namespace", "other", meta={"labels": {"team": "b"}})
    board.pod("web-1")
    board.pod("front-1", meta={"labels": {"app": "front"}})
    board.pod("front-2", namespace="other", meta={"labels": {"app": "front"}, "namespace": "other"})
    return board


def policy(board: Board, name: str = "web", types: str = "Ingress", **spec: Any) -> None:
    whole = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": types.split(), **spec}
    board.put("networking.k8s.io/v1", "NetworkPolicy", name, spec=whole)


def why(board: Board, name: str = "web") -> list[str]:
    return board.why("networkpolicies.networking.k8s.io", name)


def test_whom_it_holds_and_whom_it_lets_in(net: Board) -> None:
    front = {"podSelector": {"matchLabels": {"app": "front"}}}
    ports = [{"port": "http"}, {"port": 9000, "endPort": 9001, "protocol": "UDP"}]
    policy(net, ingress=[{"from": [front], "ports": ports}, {"ports": [{"port": 443, "protocol": "TCP"}]}])
    assert why(net) == [
        "NetworkPolicy web holds 1 Pod of namespace default (app=web): web-1",
        f"  - Pods with app=front of its namespace may reach them at http/TCP, 9000-9001/UDP; {ONE}",
        "  - anybody may reach them at 443/TCP",
    ]


def test_peers_of_other_namespaces_addresses_and_nobody(net: Board) -> None:
    peers = [
        {"namespaceSelector": {"matchLabels": {"team": "b"}}},
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "front"}}},
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
        {"podSelector": {"matchLabels": {"app": "db"}}},
    ]
    policy(net, types="Ingress Egress", egress=[{"to": peers}])
    assert why(net)[1:] == [
        "  - nobody may reach them, but for their own node, as always",
        "  - they may reach all Pods of namespaces with team=b at any port; now 1 Pod: other/front-2",
        f"  - they may reach Pods with app=front of all namespaces at any port; {BOTH}",
        "  - they may reach addresses of 10.0.0.0/8 but 10.1.0.0/16 at any port",
        "  ! they may reach Pods with app=db of its namespace at any port; there is no such Pod now",
    ]


def test_one_that_holds_nobody(net: Board) -> None:
    policy(net, podSelector={"matchLabels": {"app": "wbe"}}, ingress=[{}])
    net.pod("host-1", meta={"labels": {"app": "wbe"}}, spec={"hostNetwork": True})
    assert why(net)[:2] == [
        "! NetworkPolicy web holds no Pod: its selector (app=wbe) finds none in namespace default",
        "  -> let spec.podSelector and the labels of the Pods be the same",
    ]


@pytest.mark.parametrize(
    ("network", "line"),
    [
        (
            {"policies": True, "why": {}, "faults": {"policies": "no"}},
            "  ✗ on h1, which answers you, the rules of NetworkPolicies are not as they should be: no",
        ),
        (
            {"policies": False, "why": {"policies": "no Pod network"}, "faults": {}},
            "  ! on h1, which answers you, NetworkPolicies are not enforced: no Pod network",
        ),
    ],
)
def test_what_the_machine_that_answers_does_not_do(net: Board, network: dict[str, Any], line: str) -> None:
    policy(net, ingress=[{}])
    net.network = network
    assert line in why(net)


def test_a_pod_names_the_policies_that_hold_it(net: Board) -> None:
    policy(net, "in", ingress=[{}])
    policy(net, "deny", types="Egress")
    policy(net, "all", podSelector={}, types="Ingress")
    told = net.why("pods", "web-1")
    assert "NetworkPolicies all, in say who may reach it" in told
    assert "! it may reach nobody, but for its own node, as always: NetworkPolicy deny lets nothing pass" in told
    assert "! nobody may reach it, but for its own node, as always: NetworkPolicy all lets nothing pass" in net.why(
        "pods", "front-1"
    )
