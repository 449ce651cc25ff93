"""Compose's networks as NetworkPolicies, and ports of the machines that two services want."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.manifests.compose.conversion.converting import Converted
from swarmlet.manifests.reading import ManifestError
from tests.manifests.compose.test_conversion import convert

SERVICE = "com.docker.compose.service"
TIERS = """
services:
  web: {image: w, networks: [front], ports: ["8080:80", "53:53/udp"]}
  api: {image: a, networks: [front, back]}
  db: {image: d, networks: [back]}
networks: {front: {}, back: {}}
"""


def policies(converted: Converted) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each["spec"] for each in converted.documents if each["kind"] == "NetworkPolicy"}


def peers(rules: list[dict[str, Any]], side: str) -> set[str]:
    """Return the services that rules name on one side; "*" for a rule that names nobody."""
    found: set[str] = set()
    for rule in rules:
        for peer in rule.get(side, [{}]):
            found.update(peer["podSelector"]["matchExpressions"][0]["values"] if peer else "*")
    return found


def test_services_that_share_no_network_cannot_talk() -> None:
    converted = convert(TIERS)
    found = policies(converted)
    assert set(found) == {"web", "db"}, "api is reached by all"
    assert found["db"]["podSelector"]["matchLabels"][SERVICE] == "db"
    assert found["db"]["policyTypes"] == ["Ingress"]
    assert peers(found["db"]["ingress"], "from") == {"api", "db"}
    assert not [line for line in converted.warnings if "network" in line]
    kinds = [each["kind"] for each in converted.documents]
    assert kinds.index("NetworkPolicy") < kinds.index("Deployment"), "in force before there is a Pod"


def test_a_published_port_is_open_to_all_and_no_other_is() -> None:
    among, outside = policies(convert(TIERS))["web"]["ingress"]
    assert peers([among], "from") == {"api", "web"}
    assert outside == {"ports": [{"protocol": "TCP", "port": 80}, {"protocol": "UDP", "port": 53}]}


@pytest.mark.parametrize(
    "text",
    [
        "services: {a: {image: a}, b: {image: b}}",
        "services: {a: {image: a, networks: [x]}, b: {image: b, networks: [x, y]}}\nnetworks: {x: {}, y: {}}",
        "services: {a: {image: a, network_mode: host}, b: {image: b}}",
    ],
)
def test_where_all_share_a_network_there_is_no_policy(text: str) -> None:
    assert policies(convert(text)) == {}


def test_what_is_only_in_internal_networks_reaches_nothing_outside_and_is_not_published() -> None:
    published = TIERS.replace("[back]}", "[back], ports: ['5432']}")
    converted = convert(published.replace("back: {}", "back: {internal: true}"))
    found = policies(converted)
    assert found["db"]["policyTypes"] == ["Ingress", "Egress"]
    assert peers(found["db"]["ingress"], "from") == peers(found["db"]["egress"], "to") == {"api", "db"}
    assert "api" not in found, "it is in front, too"
    assert any("services.db.ports: not published" in line for line in converted.warnings)
    assert {each["metadata"]["name"] for each in converted.documents if each["kind"] == "Service"} == {
        *("web", "web-published", "api", "db")
    }


def test_a_project_whose_only_network_is_internal_keeps_to_itself() -> None:
    found = policies(convert("services: {a: {image: a}, b: {image: b}}\nnetworks: {default: {internal: true}}"))
    assert {name: peers(spec["egress"], "to") for name, spec in found.items()} == {"a": {"a", "b"}, "b": {"a", "b"}}


def test_a_service_without_a_network_speaks_with_nobody() -> None:
    found = policies(convert("services: {a: {image: a, network_mode: none}, b: {image: b}}"))
    assert found["a"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in found["a"]
    assert "egress" not in found["a"]
    assert peers(found["b"]["ingress"], "from") == {"b"}


def test_the_engines_own_network_is_another_than_the_projects() -> None:
    modes = "a: {image: a, network_mode: bridge}, b: {image: b}, c: {image: c, network_mode: bridge}"
    found = policies(convert(f"services: {{{modes}}}"))
    assert {name: peers(spec["ingress"], "from") for name, spec in found.items()} == {
        "a": {"a", "c"},
        "b": {"b"},
        "c": {"a", "c"},
    }


def test_who_else_is_in_a_network_of_others_is_not_known_so_all_may_come() -> None:
    text = (
        "services: {a: {image: a, networks: [x]}, b: {image: b, networks: [y]}}\nnetworks: {x: {external: true}, y: {}}"
    )
    assert set(policies(convert(text))) == {"b"}


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("'8080:80'", "'8080:90'", "services.b.ports: 8080/tcp is published by a already; every machine has it once"),
        ("'53:53/udp'", "'53:5353/udp'", "53/udp is published by a already"),
        (
            "'8080:80'",
            "{target: 80, published: 8080, mode: host}",
            "services.b.ports: 8080/tcp is published by a on every machine, and mode: host wants it on one",
        ),
    ],
)
def test_two_services_at_one_port_of_the_machines_are_refused(first: str, second: str, words: str) -> None:
    with pytest.raises(ManifestError, match=f"compose.yaml:.*{words}"):
        convert(f"services:\n  a: {{image: a, ports: [{first}]}}\n  b: {{image: b, ports: [{second}]}}\n")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("'53:53/udp'", "'53:53'"),
        ("'80'", "'80'"),
        ("'127.0.0.1:80:80'", "'80:80'"),
        ("{target: 80, published: 80, mode: host}", "{target: 80, published: 80, mode: host}"),
    ],
)
def test_ports_that_differ_or_are_of_single_machines_are_not(first: str, second: str) -> None:
    convert(f"services:\n  a: {{image: a, ports: [{first}]}}\n  b: {{image: b, ports: [{second}]}}\n")
