from __future__ import annotations

import copy

import pytest

from swarmlet.errors import InvalidError
from swarmlet.model import decode, defaults, kinds, service_updates, validation
from swarmlet.model.services import EndpointSlice, Service

NAMED = {"name": "web", "namespace": "default"}
ZONED = "fd00:10:43::7%x }\nflush ruleset"
"""What follows a zone's sign would be read by nft."""
IMMUTABLE = 'Invalid value: ["10.43.0.9"]: may not change once set'


def made(spec: dict) -> Service:
    return defaults.fill(decode.decode(kinds.SERVICE, {"metadata": NAMED, "spec": spec}).object)


def problems(spec: dict, name: str = "web") -> dict[str, str]:
    value = defaults.fill(decode.decode(kinds.SERVICE, {"metadata": NAMED | {"name": name}, "spec": spec}).object)
    try:
        validation.validate(value)
    except InvalidError as error:
        return dict(error.causes)
    return {}


def with_ports(*ports: dict, **spec: object) -> dict:
    return {"ports": list(ports), **spec}


def test_what_the_server_fills_in() -> None:
    spec = made({"selector": {"app": "web"}, "ports": [{"port": 80}]}).spec
    assert (spec.type, spec.session_affinity, spec.internal_traffic_policy) == ("ClusterIP", "None", "Cluster")
    assert spec.external_traffic_policy == ""
    [port] = spec.ports
    assert (port.protocol, port.target_port, port.node_port) == ("TCP", 80, 0)
    balanced = made({"type": "LoadBalancer", "ports": [{"port": 80, "targetPort": "http"}]}).spec
    assert (balanced.external_traffic_policy, balanced.allocate_load_balancer_node_ports) == ("Cluster", True)
    assert balanced.ports[0].target_port == "http"
    sticky = made({"sessionAffinity": "ClientIP", "ports": [{"port": 80}]}).spec.session_affinity_config
    assert sticky is not None
    assert sticky.client_ip.timeout_seconds == 10_800
    assert made({"type": "ExternalName", "externalName": "a.example"}).spec.ip_families == ()


@pytest.mark.parametrize(
    ("spec", "path", "message"),
    [
        ({}, "spec.ports", "Required value"),
        (with_ports({"port": 0}), "spec.ports[0].port", "must be between 1 and 65535"),
        (with_ports({"port": 1}, {"port": 2}), "spec.ports[0].name", "Required value"),
        (with_ports({"port": 1, "name": "a"}, {"port": 2, "name": "a"}), "spec.ports[1].name", 'Duplicate value: "a"'),
        (with_ports({"port": 1, "name": "a"}, {"port": 1, "name": "b"}), "spec.ports[1]", "Duplicate value"),
        (with_ports({"port": 1, "protocol": "SCTP"}), "spec.ports[0].protocol", 'supported values: "TCP", "UDP"'),
        (with_ports({"port": 1, "targetPort": "A_"}), "spec.ports[0].targetPort", "at least one letter"),
        (with_ports({"port": 1, "targetPort": 70000}), "spec.ports[0].targetPort", "must be between 1 and 65535"),
        (with_ports({"port": 1, "nodePort": 30000}), "spec.ports[0].nodePort", "may not be used when `type`"),
        (with_ports({"port": 1}, type="Mesh"), "spec.type", "Unsupported value"),
        (with_ports({"port": 1}, clusterIP="x"), "spec.clusterIPs[0]", "must be a valid IP address"),
        (with_ports({"port": 1}, clusterIP=ZONED), "spec.clusterIPs[0]", "must be a valid IP address"),
        (with_ports({"port": 1}, externalIPs=[ZONED]), "spec.externalIPs[0]", "must be a valid IP address"),
        (
            with_ports({"port": 1}, type="LoadBalancer", loadBalancerSourceRanges=[f"{ZONED}/128"]),
            "spec.loadBalancerSourceRanges[0]",
            "must be a valid CIDR value",
        ),
        (with_ports({"port": 1}, clusterIP="None", type="NodePort"), "spec.clusterIPs[0]", "may not be set to 'None'"),
        (with_ports({"port": 1}, clusterIPs=["10.43.0.9", "10.43.0.8"]), "spec.clusterIPs", "more than one IP"),
        (with_ports({"port": 1}, ipFamilies=["IPv5"]), "spec.ipFamilies[0]", 'supported values: "IPv4", "IPv6"'),
        (with_ports({"port": 1}, ipFamilies=["IPv6"] * 2), "spec.ipFamilies[1]", 'Duplicate value: "IPv6"'),
        (with_ports({"port": 1}, ipFamilyPolicy="Both"), "spec.ipFamilyPolicy", "Unsupported value"),
        (with_ports({"port": 1}, clusterIPs=["None", "fd00::1"]), "spec.clusterIPs", "'None' must be the first"),
        (
            with_ports({"port": 1}, clusterIPs=["fd00::1"], ipFamilies=["IPv4"]),
            "spec.clusterIPs[0]",
            "expected an IPv4 value as indicated by `ipFamilies[0]`",
        ),
        (with_ports({"port": 1}, sessionAffinity="Sticky"), "spec.sessionAffinity", "Unsupported value"),
        (
            with_ports(
                {"port": 1}, sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 0}}
            ),
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
            "must be greater than 0 and less than 86400",
        ),
        (with_ports({"port": 1}, externalIPs=["127.0.0.1"]), "spec.externalIPs[0]", "may not be in the loopback range"),
        (with_ports({"port": 1}, externalTrafficPolicy="Local"), "spec.externalTrafficPolicy", "externally-accessible"),
        (with_ports({"port": 1}, externalName="a"), "spec.externalName", "may only be set when `type` is"),
        ({"type": "ExternalName"}, "spec.externalName", "Required value"),
        (
            with_ports({"port": 1}, loadBalancerSourceRanges=["10.0.0.0/8"]),
            "spec.loadBalancerSourceRanges",
            "may only be set when `type` is 'LoadBalancer'",
        ),
        (
            with_ports({"port": 1}, type="LoadBalancer", loadBalancerSourceRanges=["10/x"]),
            "spec.loadBalancerSourceRanges[0]",
            "must be a valid CIDR value",
        ),
    ],
)
def test_a_broken_rule_is_told_by_its_field(spec: dict, path: str, message: str) -> None:
    found = problems(spec)
    assert message in found.get(path, ""), found


def test_a_name_begins_with_a_letter() -> None:
    assert "a DNS-1035 label" in problems({"ports": [{"port": 1}]}, name="1web")["metadata.name"]
    assert problems({"ports": [{"port": 1}]}, name="web1") == {}


def test_headless_needs_no_ports() -> None:
    assert problems({"clusterIP": "None", "selector": {"app": "web"}}) == {}


def settled(spec: dict, address: str = "10.43.0.8", node_port: int = 0) -> Service:
    """Return a Service as it is stored: with its address, and its first port one of the nodes'."""
    spec = copy.deepcopy(spec) | {"clusterIP": address}
    if node_port:
        spec["ports"][0]["nodePort"] = node_port
    return made(spec)


def rewritten(old: Service, spec: dict) -> Service:
    new = decode.decode(kinds.SERVICE, {"metadata": NAMED, "spec": spec}).object
    complete = defaults.fill(service_updates.carried(old, new))
    validation.validate_update(complete, old)
    return complete


def test_who_writes_it_whole_need_not_know_its_addresses() -> None:
    spec = with_ports({"port": 80}, type="NodePort")
    old = settled(spec, node_port=30080)
    new = rewritten(old, with_ports({"port": 80, "name": "http"}, type="NodePort"))
    assert (new.spec.cluster_ip, new.spec.cluster_ips) == ("10.43.0.8", ("10.43.0.8",))
    assert new.spec.ports[0].node_port == 30080


def test_what_came_with_a_type_goes_with_it() -> None:
    old = settled(with_ports({"port": 80}, type="LoadBalancer"), node_port=30080)
    kept = {"clusterIP": "10.43.0.8", "externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": True}
    new = rewritten(old, with_ports({"port": 80, "nodePort": 30080}, type="ClusterIP", **kept))
    assert new.spec.ports[0].node_port == 0
    assert (new.spec.external_traffic_policy, new.spec.allocate_load_balancer_node_ports) == ("", None)
    named = rewritten(old, {"type": "ExternalName", "externalName": "a.example", "clusterIP": "10.43.0.8"})
    assert (named.spec.cluster_ip, named.spec.ip_families) == ("", ())


def test_an_address_may_not_change() -> None:
    old = settled(with_ports({"port": 80}))
    with pytest.raises(InvalidError) as caught:
        rewritten(old, with_ports({"port": 80}, clusterIP="10.43.0.9"))
    assert dict(caught.value.causes) == {"spec.clusterIPs[0]": IMMUTABLE}


def test_clusterips_follow_clusterip_where_that_alone_is_written() -> None:
    old = settled(with_ports({"port": 80}))
    with pytest.raises(InvalidError) as caught:
        rewritten(old, with_ports({"port": 80}, clusterIP="None", clusterIPs=["10.43.0.8"]))
    assert caught.value.causes == (("spec.clusterIPs[0]", 'Invalid value: ["None"]: may not change once set'),)


def slice_problems(**document: object) -> dict[str, str]:
    value: EndpointSlice = defaults.fill(decode.decode(kinds.ENDPOINT_SLICE, {"metadata": NAMED, **document}).object)
    try:
        validation.validate(value)
    except InvalidError as error:
        return dict(error.causes)
    return {}


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        ({}, "addressType", "Required value"),
        ({"addressType": "FQDN"}, "addressType", "Unsupported value"),
        ({"addressType": "IPv6", "endpoints": [{"addresses": ["10.0.0.1"]}]}, "endpoints[0].addresses[0]", "an IPv6"),
        ({"addressType": "IPv4", "endpoints": [{"addresses": []}]}, "endpoints[0].addresses", "at least 1 address"),
        (
            {"addressType": "IPv4", "endpoints": [{"addresses": ["127.0.0.1"]}]},
            "endpoints[0].addresses[0]",
            "may not be in the loopback range",
        ),
        ({"addressType": "IPv4", "endpoints": [{"addresses": ["x"]}]}, "endpoints[0].addresses[0]", "an IPv4 address"),
        (
            {"addressType": "IPv6", "endpoints": [{"addresses": [ZONED]}]},
            "endpoints[0].addresses[0]",
            "an IPv6 address",
        ),
        ({"addressType": "IPv4", "ports": [{"port": 0}]}, "ports[0].port", "must be between 1 and 65535"),
        ({"addressType": "IPv4", "ports": [{"name": "a"}, {"name": "a"}]}, "ports[1].name", "Duplicate value"),
    ],
)
def test_a_slice_with_a_broken_rule_is_told_by_its_field(document: dict, path: str, message: str) -> None:
    document = {"endpoints": [], **document}
    found = slice_problems(**document)
    assert message in found.get(path, ""), found
