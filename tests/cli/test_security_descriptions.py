"""What `describe` tells of how Pods and containers are kept apart."""

from __future__ import annotations

from swarmlet.cli.descriptions import kinds as descriptions
from swarmlet.cli.descriptions import security as security_descriptions


def test_what_a_pod_asks_for_is_told_and_what_it_leaves_is_not() -> None:
    spec = {
        "securityContext": {"runAsUser": 0, "sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1 2"}]},
        "hostPID": True,
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}],
        "dnsPolicy": "ClusterFirst",
        "dnsConfig": {
            "nameservers": ["9.9.9.9", "8.8.8.8"],
            "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}],
        },
        "imagePullSecrets": [{"name": "one"}, {"name": "two"}],
    }
    assert security_descriptions.pod(spec) == [
        ("Security Context", ["runAsUser=0", "sysctls[net.ipv4.tcp_rmem]=1 2"]),
        ("Containers See", ["the machine's processes"]),
        ("Host Aliases", ["10.0.0.1 a b"]),
        ("DNS Policy", "ClusterFirst"),
        ("DNS Config", ["nameservers=9.9.9.9,8.8.8.8", "options[ndots]=2", "options[rotate]"]),
        ("Image Pull Secrets", "one, two"),
    ]
    assert security_descriptions.pod({"securityContext": {}, "dnsPolicy": "ClusterFirst"}) == []


def test_a_container_is_described_with_its_own_context() -> None:
    context = {"privileged": False, "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "CHOWN"]}}
    spec = {"containers": [{"name": "c", "image": "i", "securityContext": context}], "hostNetwork": True}
    told = descriptions.rendered(descriptions.describe({"kind": "Pod", "metadata": {"name": "p"}, "spec": spec}))
    words = [line.split() for line in told]
    assert ["Containers", "See:", "the", "machine's", "network"] in words
    assert ["Security", "Context:", "privileged=false"] in words
    assert ["capabilities.drop=ALL"] in words
    assert ["capabilities.add=NET_ADMIN,CHOWN"] in words
