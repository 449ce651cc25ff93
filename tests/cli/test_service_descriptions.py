"""What `describe` prints of Services and EndpointSlices."""

from __future__ import annotations

from typing import Any

from swarmlet.cli.descriptions import kinds as descriptions


def described(kind: str, **parts: Any) -> list[str]:
    document = {"kind": kind, "metadata": {"name": "web", "namespace": "default"}, **parts}
    return descriptions.rendered(descriptions.describe(document))


def test_a_service_tells_its_addresses_and_ports() -> None:
    spec = {
        "type": "LoadBalancer",
        "selector": {"tier": "front", "app": "web"},
        "clusterIP": "10.43.7.9",
        "clusterIPs": ["10.43.7.9", "fd00:10:43::7"],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "externalIPs": ["192.0.2.7"],
        "ports": [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP", "nodePort": 30080}],
        "sessionAffinity": "ClientIP",
    }
    lines = described("Service", spec=spec, status={"loadBalancer": {"ingress": [{"ip": "192.0.2.8"}]}})
    assert lines[-12:] == [
        "Selector:              app=web,tier=front",
        "Type:                  LoadBalancer",
        "IP Family Policy:      SingleStack",
        "IP Families:           IPv4",
        "IP:                    10.43.7.9",
        "IPs:                   10.43.7.9,fd00:10:43::7",
        "External IPs:          192.0.2.7",
        "LoadBalancer Ingress:  192.0.2.8",
        "Port:                  http  80/TCP",
        "TargetPort:            web/TCP",
        "NodePort:              http  30080/TCP",
        "Session Affinity:      ClientIP",
    ]


def test_a_slice_tells_each_endpoint_with_its_state() -> None:
    pod = {"kind": "Pod", "name": "web-1"}
    lines = described(
        "EndpointSlice",
        addressType="IPv4",
        ports=[{"name": "", "port": 8080, "protocol": "TCP"}],
        endpoints=[
            {"addresses": ["10.42.0.1"], "conditions": {"ready": True}, "targetRef": pod, "nodeName": "h1"},
            {"addresses": ["10.42.0.2"], "conditions": {"ready": False}},
            {"addresses": ["10.42.0.3"], "conditions": {"ready": False, "terminating": True}},
        ],
    )
    assert lines[-5:] == [
        "AddressType:  IPv4",
        "Ports:        <unset>  8080/TCP",
        "Endpoints:    10.42.0.1 ready: web-1 on h1",
        "              10.42.0.2 not ready",
        "              10.42.0.3 terminating",
    ]
