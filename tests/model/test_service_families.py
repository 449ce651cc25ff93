"""Which families a Service gets, on clusters that have one of them or both."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.model import service_families
from swarmlet.model.problems import Problems
from swarmlet.model.services import ServiceSpec

V4, V6 = "IPv4", "IPv6"
BOTH = (V4, V6)
SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
IPS = ("10.43.0.9", "fd00:10:43::9")
WEB = {"app": "web"}


def spec(**fields: Any) -> ServiceSpec:
    ips = fields.pop("ips", ())
    given = {"type": "ClusterIP", "selector": WEB, "cluster_ip": ips[0] if ips else "", "cluster_ips": ips} | fields
    return ServiceSpec(**given)


def settled(wanted: ServiceSpec, configured: tuple[str, ...] = BOTH, old: ServiceSpec | None = None) -> ServiceSpec:
    problems = Problems()
    found = service_families.settled(wanted, old, configured, problems)
    assert not problems.causes
    return found


def refused(wanted: ServiceSpec, configured: tuple[str, ...] = BOTH) -> dict[str, str]:
    problems = Problems()
    service_families.settled(wanted, None, configured, problems)
    return dict(problems.causes)


@pytest.mark.parametrize(
    ("asked", "configured", "policy", "families"),
    [
        ({}, (V4,), SINGLE, (V4,)),
        ({}, BOTH, SINGLE, (V4,)),
        ({"ip_families": (V6,)}, BOTH, SINGLE, (V6,)),
        ({"ips": IPS[1:]}, BOTH, SINGLE, (V6,)),
        ({"ip_family_policy": PREFER}, (V4,), PREFER, (V4,)),
        ({"ip_family_policy": PREFER}, BOTH, PREFER, (V4, V6)),
        ({"ip_family_policy": PREFER, "ip_families": (V6,)}, BOTH, PREFER, (V6, V4)),
        ({"ip_family_policy": REQUIRE}, BOTH, REQUIRE, (V4, V6)),
        ({"ip_family_policy": REQUIRE, "ips": IPS[::-1]}, BOTH, REQUIRE, (V6, V4)),
        ({"ips": ("None",)}, BOTH, SINGLE, (V4,)),
        ({"ips": ("None",), "ip_family_policy": PREFER}, BOTH, PREFER, BOTH),
        ({"ips": ("None",), "selector": {}}, (V4,), REQUIRE, BOTH),
    ],
)
def test_what_is_asked_for_is_had_as_far_as_the_cluster_has_it(
    asked: dict[str, Any], configured: tuple[str, ...], policy: str, families: tuple[str, ...]
) -> None:
    found = settled(spec(**asked), configured)
    assert (found.ip_family_policy, found.ip_families) == (policy, families)


@pytest.mark.parametrize(
    ("asked", "path", "message"),
    [
        (
            {"ip_family_policy": REQUIRE},
            "spec.ipFamilyPolicy",
            "this cluster is not configured for dual-stack services",
        ),
        ({"ip_families": (V6,)}, "spec.ipFamilies[0]", "not configured on this cluster"),
        ({"ip_families": BOTH}, "spec.ipFamilyPolicy", "when multiple IP families are specified"),
        ({"ips": IPS}, "spec.ipFamilyPolicy", "when multiple cluster IPs are specified"),
    ],
)
def test_what_cannot_be_had_is_refused_in_kubernetes_words(asked: dict[str, Any], path: str, message: str) -> None:
    assert message in refused(spec(**asked), (V4,)).get(path, "")


def test_who_writes_single_stack_gives_the_second_address_back() -> None:
    old = settled(spec(ip_family_policy=REQUIRE, ips=IPS))
    found = settled(spec(ip_family_policy=SINGLE, ips=IPS, ip_families=BOTH), old=old)
    assert (found.cluster_ips, found.ip_families) == (IPS[:1], (V4,))


def test_what_prefers_both_stays_as_it_is_until_it_is_written_otherwise() -> None:
    old = spec(ip_family_policy=PREFER, ips=IPS[:1], ip_families=(V4,))
    assert settled(old, old=old).ip_families == (V4,)
    required = spec(ip_family_policy=REQUIRE, ips=IPS[:1], ip_families=(V4,))
    assert settled(required, old=old).ip_families == BOTH


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"ips": IPS[:1], "ip_families": (V4,)}, "spec.ipFamilyPolicy"),
        ({"ips": (IPS[0], "fd00:10:43::8"), "ip_families": BOTH}, "spec.clusterIPs[1]"),
        ({"ips": IPS, "ip_families": (V6, V4)}, "spec.ipFamilies[0]"),
        ({"ips": (), "ip_families": BOTH}, "spec.clusterIPs[0]"),
    ],
)
def test_addresses_and_families_stay(changes: dict[str, Any], path: str) -> None:
    problems = Problems()
    old = spec(ip_family_policy=REQUIRE, ips=IPS, ip_families=BOTH)
    service_families.check_update(spec(ip_family_policy=REQUIRE, **changes), old, problems.at("spec"))
    assert path in dict(problems.causes)
