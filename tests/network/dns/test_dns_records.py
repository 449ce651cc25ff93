"""What the cluster's names answer, from a real store."""

from __future__ import annotations

import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
import msgspec
import pytest

from swarmlet.model import kinds, objects
from swarmlet.model.core import Namespace
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodIP, PodStatus
from swarmlet.model.services import AddressClaim, EndpointPort, ServicePort
from swarmlet.network.dns.records import ClusterRecords, Found
from swarmlet.network.services.desired import DesiredServices
from swarmlet.store.commands import Key, Put
from tests.network.cluster import Cluster, endpoint

HTTP = ServicePort(name="http", protocol="TCP", port=80)


class Zone:
    """Records on a store, asked in words."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.put(kinds.NAMESPACE, Namespace(metadata=ObjectMeta(name="default")))
        self.records = ClusterRecords(self.cluster.store, DesiredServices(self.cluster.store, "n1"))

    def put(self, kind: kinds.Kind, value) -> None:
        key = Key(kind.resource, value.metadata.namespace, value.metadata.name)
        self.cluster.apply(Put(key, objects.to_json(value)))

    def pod(self, name: str, address: str, phase: str = "Running") -> None:
        metadata = ObjectMeta(name=name, namespace="default", uid=f"uid-{name}")
        self.put(
            kinds.POD,
            Pod(metadata=metadata, spec=PodSpec(node_name="n1"), status=PodStatus(pod_ip=address, phase=phase)),
        )

    def claim(self, address: str, service: str) -> None:
        self.put(
            kinds.ADDRESS_CLAIM,
            AddressClaim(metadata=ObjectMeta(name=address), service=f"default/{service}", uid=f"uid-{service}"),
        )

    def found(self, name: str, kind: str = "A") -> Found:
        found = self.records.find(dns.name.from_text(name), dns.rdatatype.from_text(kind))
        assert found is not None
        return found

    def ask(self, name: str, kind: str = "A") -> list[str] | str:
        """Return the records' texts; "NODATA", "NXDOMAIN" or "ELSEWHERE" where there are none."""
        found = self.records.find(dns.name.from_text(name), dns.rdatatype.from_text(kind))
        if found is None:
            return "ELSEWHERE"
        if found.rcode != dns.rcode.NOERROR:
            return dns.rcode.to_text(found.rcode)
        return [str(each) for row in found.answers for each in row] or "NODATA"


def hosted(address: str, hostname: str, **conditions: bool | None):
    return msgspec.structs.replace(endpoint(address, **conditions), hostname=hostname)


@pytest.fixture
def zone() -> Zone:
    return Zone()


def test_a_service_is_its_cluster_ip_and_has_no_other_family(zone: Zone) -> None:
    zone.cluster.service("web", cluster_ip="10.43.0.9")
    assert zone.ask("web.default.svc.cluster.local") == ["10.43.0.9"]
    assert zone.ask("WEB.default.SVC.cluster.local") == ["10.43.0.9"]
    assert zone.ask("web.default.svc.cluster.local", "AAAA") == "NODATA"
    assert zone.found("web.default.svc.cluster.local").answers[0].ttl == 5


@pytest.mark.parametrize(
    ("name", "kind", "answer"),
    [
        ("cluster.local", "A", "NODATA"),
        ("cluster.local", "NS", ["ns.dns.cluster.local."]),
        ("svc.cluster.local", "A", "NODATA"),
        ("default.svc.cluster.local", "A", "NODATA"),
        ("elsewhere.svc.cluster.local", "A", "NXDOMAIN"),
        ("nobody.default.svc.cluster.local", "A", "NXDOMAIN"),
        ("x.web.default.svc.cluster.local", "A", "NXDOMAIN"),
        ("_http._tcp.nobody.default.svc.cluster.local", "SRV", "NXDOMAIN"),
        ("dns-version.cluster.local", "TXT", ['"1.1.0"']),
        ("other.cluster.local", "A", "NXDOMAIN"),
        ("a.b.c.d.e.cluster.local", "A", "NXDOMAIN"),
        ("cluster.local.example", "A", "ELSEWHERE"),
        ("web", "A", "ELSEWHERE"),
        ("1.0.43.10.in-addr.arpa", "PTR", "NXDOMAIN"),
        ("1.0.168.192.in-addr.arpa", "PTR", "ELSEWHERE"),
        ("43.10.in-addr.arpa", "PTR", "ELSEWHERE"),
    ],
)
def test_what_is_not_there_and_what_is_somebody_elses(zone: Zone, name: str, kind: str, answer: object) -> None:
    zone.cluster.service("web", cluster_ip="10.43.0.9")
    assert zone.ask(name, kind) == answer


def test_a_headless_service_is_its_ready_pods(zone: Zone) -> None:
    zone.cluster.service("db", cluster_ip="None")
    assert zone.ask("db.default.svc.cluster.local") == "NODATA"
    zone.cluster.slice("s1", endpoint("10.42.0.2"), endpoint("10.42.0.3", ready=False), of="db")
    zone.cluster.slice("s2", endpoint("10.42.1.2", ready=None), of="db")
    assert zone.ask("db.default.svc.cluster.local") == ["10.42.0.2", "10.42.1.2"]


def test_a_pod_with_a_host_name_has_a_name_of_its_own_while_it_is_ready(zone: Zone) -> None:
    zone.cluster.service("db", cluster_ip="None")
    zone.cluster.slice("s1", hosted("10.42.0.2", "db-0"), hosted("10.42.0.3", "db-1", ready=False), of="db")
    assert zone.ask("db-0.db.default.svc.cluster.local") == ["10.42.0.2"]
    assert zone.ask("db-0.db.default.svc.cluster.local", "AAAA") == "NODATA"
    assert zone.ask("db-1.db.default.svc.cluster.local") == "NXDOMAIN"
    zone.cluster.slice("s1", hosted("10.42.0.2", "db-0"), hosted("10.42.0.3", "db-1"), of="db")
    assert zone.ask("db-1.db.default.svc.cluster.local") == ["10.42.0.3"]


def test_a_service_with_an_address_tells_nothing_of_its_pods(zone: Zone) -> None:
    zone.cluster.service("web", cluster_ip="10.43.0.9")
    zone.cluster.slice("s1", hosted("10.42.0.2", "web-0"))
    assert zone.ask("web-0.web.default.svc.cluster.local") == "NXDOMAIN"


def test_srv_of_a_service_names_the_service(zone: Zone) -> None:
    zone.cluster.service("web", HTTP, cluster_ip="10.43.0.9")
    found = zone.found("_http._tcp.web.default.svc.cluster.local", "SRV")
    assert [str(each) for each in found.answers[0]] == ["0 100 80 web.default.svc.cluster.local."]
    assert str(found.additional[0]) == "web.default.svc.cluster.local. 5 IN A 10.43.0.9"
    assert zone.ask("_http._udp.web.default.svc.cluster.local", "SRV") == "NXDOMAIN"
    assert zone.ask("_tcp.web.default.svc.cluster.local", "SRV") == "NODATA"
    assert zone.ask("_http._tcp.web.default.svc.cluster.local", "A") == "NODATA"


def test_srv_of_a_headless_service_names_each_pod_and_its_own_port(zone: Zone) -> None:
    zone.cluster.service("db", HTTP, cluster_ip="None")
    zone.cluster.slice("s1", hosted("10.42.0.2", "db-0"), of="db")
    zone.cluster.slice("s2", endpoint("10.42.0.3"), of="db", ports=[EndpointPort(name="http", port=9090)])
    found = zone.found("_http._tcp.db.default.svc.cluster.local", "SRV")
    assert sorted(str(each) for each in found.answers[0]) == [
        "0 50 8080 db-0.db.default.svc.cluster.local.",
        "0 50 9090 10-42-0-3.db.default.svc.cluster.local.",
    ]
    assert {str(row) for row in found.additional} == {
        "db-0.db.default.svc.cluster.local. 5 IN A 10.42.0.2",
        "10-42-0-3.db.default.svc.cluster.local. 5 IN A 10.42.0.3",
    }
    assert zone.ask("10-42-0-3.db.default.svc.cluster.local") == ["10.42.0.3"]


def test_an_address_has_the_name_of_its_service_or_pod(zone: Zone) -> None:
    zone.cluster.service("web", cluster_ip="10.43.0.9")
    zone.claim("10.43.0.9", "web")
    zone.cluster.service("db", cluster_ip="None")
    zone.cluster.slice("s1", hosted("10.42.0.2", "db-0"), of="db")
    zone.cluster.slice("s2", endpoint("10.42.0.7"))
    assert zone.ask("9.0.43.10.in-addr.arpa", "PTR") == ["web.default.svc.cluster.local."]
    assert zone.ask("9.0.43.10.in-addr.arpa", "A") == "NODATA"
    assert zone.ask("2.0.42.10.in-addr.arpa", "PTR") == ["db-0.db.default.svc.cluster.local."]
    assert zone.ask("7.0.42.10.in-addr.arpa", "PTR") == "ELSEWHERE"
    zone.cluster.delete(Key(kinds.SERVICE.resource, "default", "web"))
    assert zone.ask("9.0.43.10.in-addr.arpa", "PTR") == "NXDOMAIN"
    zone.cluster.delete(Key(kinds.ENDPOINT_SLICE.resource, "default", "s1"))
    assert zone.ask("2.0.42.10.in-addr.arpa", "PTR") == "ELSEWHERE"


def test_an_external_name_leads_elsewhere_whatever_is_asked(zone: Zone) -> None:
    zone.cluster.service("ext", type="ExternalName", external_name="www.example.org", cluster_ip="")
    found = zone.found("ext.default.svc.cluster.local", "MX")
    assert str(found.answers[0]) == "ext.default.svc.cluster.local. 5 IN CNAME www.example.org."
    assert found.follow == dns.name.from_text("www.example.org")


def test_a_pod_has_a_name_by_its_address_until_it_has_ended(zone: Zone) -> None:
    zone.pod("p", "10.42.0.5")
    assert zone.ask("10-42-0-5.default.pod.cluster.local") == ["10.42.0.5"]
    assert zone.ask("10-42-0-6.default.pod.cluster.local") == "NXDOMAIN"
    assert zone.ask("10-42-0-5.other.pod.cluster.local") == "NXDOMAIN"
    zone.pod("p", "10.42.0.5", phase="Succeeded")
    assert zone.ask("10-42-0-5.default.pod.cluster.local") == "NXDOMAIN"


def test_the_generation_changes_with_what_is_answered_and_with_nothing_else(zone: Zone) -> None:
    zone.cluster.service("db", cluster_ip="None")
    before = zone.records.generation
    zone.cluster.slice("s1", endpoint("10.42.0.2"), of="db")
    zone.pod("p", "10.42.0.2")
    changed = zone.records.generation
    zone.pod("p", "10.42.0.2", phase="Pending")
    assert (changed - before, zone.records.generation) == (2, changed)


def test_who_comes_later_answers_as_who_followed_each_change(zone: Zone) -> None:
    zone.cluster.service("db", cluster_ip="None")
    zone.cluster.slice("s1", hosted("10.42.0.2", "db-0"), of="db")
    zone.pod("p", "10.42.0.2")
    zone.records = ClusterRecords(zone.cluster.store, DesiredServices(zone.cluster.store, "n1"))
    assert zone.ask("2.0.42.10.in-addr.arpa", "PTR") == ["db-0.db.default.svc.cluster.local."]
    assert zone.ask("10-42-0-2.default.pod.cluster.local") == ["10.42.0.2"]


def test_a_service_of_both_families_has_an_address_of_each(zone: Zone) -> None:
    zone.cluster.service("web", cluster_ip="10.43.0.9", cluster_ips=("10.43.0.9", "fd00:10:43::9"))
    zone.claim("fd00:10:43::9", "web")
    name = "web.default.svc.cluster.local"
    assert (zone.ask(name), zone.ask(name, "AAAA")) == (["10.43.0.9"], ["fd00:10:43::9"])
    additional = zone.found(f"_http._tcp.{name}", "SRV").additional
    assert [dns.rdatatype.to_text(each.rdtype) for each in additional] == ["A", "AAAA"]
    reverse = dns.reversename.from_address("fd00:10:43::9").to_text()
    assert zone.ask(reverse, "PTR") == [f"{name}."]
    assert zone.ask(dns.reversename.from_address("fd00:10:43::8").to_text(), "PTR") == "NXDOMAIN"
    assert zone.ask(dns.reversename.from_address("fd00:10:99::8").to_text(), "PTR") == "ELSEWHERE"


def test_the_pods_of_a_headless_service_are_found_by_each_family_and_once_by_srv(zone: Zone) -> None:
    zone.cluster.service("db", HTTP, cluster_ip="None")
    zone.cluster.slice("v4", hosted("10.42.0.7", "db-0"), of="db")
    zone.cluster.slice("v6", hosted("fd00:10:42::a2a:7", "db-0"), endpoint("fd00:10:42::a2a:8"), of="db")
    assert zone.ask("db-0.db.default.svc.cluster.local") == ["10.42.0.7"]
    assert zone.ask("db-0.db.default.svc.cluster.local", "AAAA") == ["fd00:10:42::a2a:7"]
    assert zone.ask("fd00-10-42--a2a-8.db.default.svc.cluster.local", "AAAA") == ["fd00:10:42::a2a:8"]
    assert len(zone.ask("_http._tcp.db.default.svc.cluster.local", "SRV")) == 2


def test_a_pod_is_found_by_its_address_of_either_family(zone: Zone) -> None:
    ips = (PodIP(ip="10.42.0.7"), PodIP(ip="fd00:10:42::a2a:7"))
    status = PodStatus(pod_ip=ips[0].ip, pod_ips=ips, phase="Running")
    zone.put(
        kinds.POD,
        Pod(metadata=ObjectMeta(name="p", namespace="default", uid="p"), spec=PodSpec(node_name="n1"), status=status),
    )
    assert zone.ask("10-42-0-7.default.pod.cluster.local") == ["10.42.0.7"]
    assert zone.ask("fd00-10-42--a2a-7.default.pod.cluster.local", "AAAA") == ["fd00:10:42::a2a:7"]
