"""Defaults, rules, rows and descriptions of NetworkPolicies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from swarmlet.api.tables import columns
from swarmlet.cli.descriptions import kinds as descriptions
from swarmlet.errors import InvalidError
from swarmlet.model import decode, defaults, kinds, objects, validation
from swarmlet.model.network_policy import NetworkPolicy

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def made(spec: dict) -> NetworkPolicy:
    document = {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    return defaults.fill(decode.decode(kinds.NETWORK_POLICY, document).object)


def problems(spec: dict) -> dict[str, str]:
    try:
        validation.validate(made(spec))
    except InvalidError as error:
        return dict(error.causes)
    return {}


def peered(peer: dict) -> dict:
    return {"ingress": [{"from": [peer]}]}


def ported(**port: object) -> dict:
    return {"egress": [{"ports": [port]}]}


def test_the_types_follow_from_the_rules_where_none_are_given() -> None:
    assert made({}).spec.policy_types == ("Ingress",)
    assert made({"ingress": [{}]}).spec.policy_types == ("Ingress",)
    assert made({"egress": [{}]}).spec.policy_types == ("Ingress", "Egress")
    assert made({"egress": []}).spec.policy_types == ("Ingress",)
    assert made({"policyTypes": ["Egress"]}).spec.policy_types == ("Egress",)


def test_a_port_is_of_tcp_where_nothing_is_said() -> None:
    spec = made({"ingress": [{"ports": [{"port": 80}]}], "egress": [{"ports": [{"protocol": "UDP"}]}]}).spec
    assert (spec.ingress[0].ports[0].protocol, spec.egress[0].ports[0].protocol) == ("TCP", "UDP")


def test_what_is_empty_is_not_what_is_absent() -> None:
    given = {"podSelector": {}, "ingress": [{}, {"from": [{"podSelector": {}}]}], "policyTypes": ["Ingress"]}
    assert objects.to_document(made(given))["spec"] == given
    assert objects.to_document(made({}))["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        ported(port=80, endPort=80),
        ported(port="http"),
        ported(protocol="SCTP"),
        peered({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.3.4/32"]}}),
        peered({"ipBlock": {"cidr": "fd00::/8", "except": ["fd00:1::/32"]}}),
        peered({"podSelector": {}, "namespaceSelector": {"matchLabels": {"team": "a"}}}),
        {"policyTypes": ["Egress", "Ingress"]},
    ],
)
def test_a_policy_that_keeps_the_rules(spec: dict) -> None:
    assert problems(spec) == {}


@pytest.mark.parametrize(
    ("spec", "path", "message"),
    [
        (ported(port=0), "spec.egress[0].ports[0].port", "must be between 1 and 65535, inclusive"),
        (ported(port="A"), "spec.egress[0].ports[0].port", "must contain at least one letter (a-z)"),
        (ported(protocol="ICMP"), "spec.egress[0].ports[0].protocol", 'supported values: "SCTP", "TCP", "UDP"'),
        (ported(port=80, endPort=79), "spec.egress[0].ports[0].endPort", "must be greater than or equal to `port`"),
        (ported(port=80, endPort=70_000), "spec.egress[0].ports[0].endPort", "must be between 1 and 65535"),
        (ported(port="http", endPort=9), "spec.egress[0].ports[0].endPort", "when `port` is non-numeric"),
        (ported(endPort=9), "spec.egress[0].ports[0].endPort", "when `port` is not specified"),
        (peered({}), "spec.ingress[0].from[0]", "must specify a peer"),
        (
            peered({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}),
            "spec.ingress[0].from[0]",
            "may not specify both ipBlock and another peer",
        ),
        (peered({"ipBlock": {}}), "spec.ingress[0].from[0].ipBlock.cidr", "Required value"),
        (peered({"ipBlock": {"cidr": "10.0.0.1"}}), "spec.ingress[0].from[0].ipBlock.cidr", "must be a valid CIDR"),
        (
            peered({"ipBlock": {"cidr": "fd00::%x }/64"}}),
            "spec.ingress[0].from[0].ipBlock.cidr",
            "must be a valid CIDR",
        ),
        (
            peered({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}),
            "spec.ingress[0].from[0].ipBlock.except[0]",
            "must be a strict subset of `cidr`",
        ),
        (
            peered({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "192.168.0.0/16"]}}),
            "spec.ingress[0].from[0].ipBlock.except[1]",
            "must be a strict subset of `cidr`",
        ),
        ({"policyTypes": ["Both"]}, "spec.policyTypes[0]", 'supported values: "Egress", "Ingress"'),
        ({"policyTypes": ["Egress"] * 3}, "spec.policyTypes", "may not specify more than two policyTypes"),
        ({"podSelector": {"matchLabels": {"a": "b c"}}}, "spec.podSelector.matchLabels", "a valid label must be"),
        (
            {"egress": [{"to": [{"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]}]},
            "spec.egress[0].to[0].namespaceSelector.matchExpressions[0].values",
            "must be specified when `operator` is",
        ),
    ],
)
def test_a_broken_rule_is_told_by_its_field(spec: dict, path: str, message: str) -> None:
    found = problems(spec)
    assert message in found.get(path, ""), found


def test_a_row_tells_whom_the_policy_is_for() -> None:
    table = columns.of(kinds.NETWORK_POLICY)
    assert [each.name for each in table.columns] == ["Name", "Pod-Selector", "Age"]
    policy = objects.with_metadata(
        made({"podSelector": {"matchLabels": {"b": "2", "a": "1"}}}), creation_timestamp=NOW - timedelta(minutes=5)
    )
    assert table.cells(policy, NOW) == ["web", "a=1,b=2", "5m"]
    assert table.cells(made({}), NOW)[1] == "<none>"


def test_a_description_has_the_words_of_kubectl() -> None:
    spec = {
        "podSelector": {"matchLabels": {"app": "web"}},
        "ingress": [
            {
                "ports": [{"port": 80}, {"port": 9000, "endPort": 9009, "protocol": "UDP"}],
                "from": [
                    {"podSelector": {"matchLabels": {"app": "front"}}, "namespaceSelector": {}},
                    {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
                ],
            },
            {},
        ],
    }
    lines = descriptions.rendered(descriptions.describe(objects.to_document(made(spec))))
    told = [line.strip() for line in lines[lines.index("Spec:") + 1 :]]
    assert told == [
        "PodSelector:               app=web",
        "Allowing ingress traffic:  To Port: 80/TCP",
        "To Port: 9000-9009/UDP",
        "From:",
        "NamespaceSelector: <none>",
        "PodSelector: app=front",
        "From:",
        "IPBlock:",
        "CIDR: 10.0.0.0/8",
        "Except: 10.1.0.0/16",
        "----------",
        "To Port: <any> (traffic allowed to all ports)",
        "From: <any> (traffic not restricted by source)",
        "Egress traffic:            not affected",
        "Policy Types:              Ingress",
    ]
    isolated = descriptions.rendered(descriptions.describe(objects.to_document(made({"policyTypes": ["Egress"]}))))
    assert "  Allowing egress traffic:  <none> (Selected pods are isolated for egress connectivity)" in isolated
