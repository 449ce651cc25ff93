"""The cells of objects as they really come, a kind at a time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from swarmlet.api.tables import columns
from swarmlet.model import kinds
from swarmlet.model.kinds import Kind
from tests.api.conftest import START

MADE = "2026-01-02T03:04:05Z"


def row(kind: Kind, document: dict[str, Any]) -> dict[str, object]:
    """Return the cells of an object that is one minute old, by their columns."""
    metadata = {"name": "it", "creationTimestamp": MADE} | document.pop("metadata", {})
    value = msgspec.convert({"metadata": metadata} | document, kind.type)
    shape = columns.of(kind)
    return dict(zip((column.name for column in shape.columns), shape.cells(value, START), strict=True))


def template(*containers: str, **more: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": name, "image": f"{name}:1"} for name in containers]} | more}


SELECTOR = {
    "matchLabels": {"app": "web", "tier": "front"},
    "matchExpressions": [{"key": "env", "operator": "In", "values": ["b", "a"]}, {"key": "zone", "operator": "Exists"}],
}


def test_a_deployment() -> None:
    spec = {"replicas": 3, "selector": SELECTOR, "template": template("web", "log")}
    status = {"replicas": 4, "readyReplicas": 2, "updatedReplicas": 1, "availableReplicas": 2}
    assert row(kinds.DEPLOYMENT, {"spec": spec, "status": status}) == {
        "Name": "it",
        "Ready": "2/3",
        "Up-to-date": 1,
        "Available": 2,
        "Age": "0s",
        "Containers": "web,log",
        "Images": "web:1,log:1",
        "Selector": "app=web,env in (a,b),tier=front,zone",
    }


def test_a_daemon_set_tells_where_it_wants_to_be() -> None:
    spec = {
        "selector": {"matchLabels": {"app": "a"}},
        "template": template("a", nodeSelector={"z": "1", "disk": "ssd"}),
    }
    status = {"desiredNumberScheduled": 3, "currentNumberScheduled": 2, "numberReady": 1}
    found = row(kinds.DAEMON_SET, {"spec": spec, "status": status})
    assert found["Node Selector"] == "disk=ssd,z=1"
    assert [found[name] for name in ("Desired", "Current", "Ready", "Up-to-date", "Available")] == [3, 2, 1, 0, 0]


def test_a_controller_revision_names_its_owner_with_its_group() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "Db", "uid": "u", "controller": True}
    metadata = {"ownerReferences": [owner]}
    found = row(kinds.CONTROLLER_REVISION, {"metadata": metadata, "revision": 4})
    assert (found["Controller"], found["Revision"]) == ("statefulset.apps/Db", 4)
    assert row(kinds.CONTROLLER_REVISION, {})["Controller"] == "<none>"


@pytest.mark.parametrize(
    ("labels", "roles"),
    [
        ({}, "<none>"),
        ({"node-role.kubernetes.io/": ""}, "<none>"),
        ({"node-role.kubernetes.io/b": "", "node-role.kubernetes.io/a": ""}, "a,b"),
        ({"kubernetes.io/role": "old", "node-role.kubernetes.io/new": ""}, "new,old"),
    ],
)
def test_the_roles_of_a_node_are_in_its_labels(labels: dict[str, str], roles: str) -> None:
    assert row(kinds.NODE, {"metadata": {"labels": labels}})["Roles"] == roles


def test_a_node_of_which_nothing_is_known() -> None:
    found = row(kinds.NODE, {})
    assert found["Status"] == "Unknown"
    assert [found[name] for name in ("Internal-IP", "External-IP", "OS-Image", "Container-Runtime")] == [
        "<none>",
        "<none>",
        "<unknown>",
        "<unknown>",
    ]


PORTS = [
    {"port": 80, "protocol": "TCP", "nodePort": 30080},
    {"port": 53, "protocol": "UDP"},
]


@pytest.mark.parametrize(
    ("spec", "ingress", "external"),
    [
        ({"type": "ClusterIP"}, [], "<none>"),
        ({"type": "ClusterIP", "externalIPs": ["9.9.9.9", "8.8.8.8"]}, [], "9.9.9.9,8.8.8.8"),
        ({"type": "NodePort"}, [], "<none>"),
        ({"type": "LoadBalancer"}, [], "<pending>"),
        ({"type": "LoadBalancer"}, [{"ip": "2.2.2.2"}, {"hostname": "lb.example"}, {"ip": "1.1.1.1"}], None),
        ({"type": "LoadBalancer", "externalIPs": ["9.9.9.9"]}, [{"ip": "1.1.1.1"}], "1.1.1.1,9.9.9.9"),
        ({"type": "ExternalName", "externalName": "db.example"}, [], "db.example"),
    ],
)
def test_where_a_service_is_reached_from_outside(
    spec: dict[str, Any], ingress: list[dict[str, str]], external: str | None
) -> None:
    found = row(kinds.SERVICE, {"spec": spec, "status": {"loadBalancer": {"ingress": ingress}}})
    assert found["External-IP"] == (external or "1.1.1.1,2.2.2.2,lb.example")


def test_the_addresses_and_ports_of_a_service() -> None:
    spec = {"type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"], "ports": PORTS}
    found = row(kinds.SERVICE, {"spec": spec | {"selector": {"b": "2", "a": "1"}}})
    assert (found["Cluster-IP"], found["Port(s)"]) == ("10.0.0.1", "80:30080/TCP,53/UDP")
    assert found["Selector"] == "a=1,b=2"
    headless = row(kinds.SERVICE, {"spec": {"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"]}})
    assert [headless[name] for name in ("Cluster-IP", "Port(s)", "Selector")] == ["None", "<none>", "<none>"]


def test_an_endpoint_slice_shows_three_of_its_many() -> None:
    endpoints = [{"addresses": [f"10.0.0.{number}"]} for number in range(5)]
    ports = [{"port": 80}, {"name": "later"}, {"name": ""}]
    found = row(kinds.ENDPOINT_SLICE, {"addressType": "IPv4", "ports": ports, "endpoints": endpoints})
    assert (found["Ports"], found["Endpoints"]) == ("80,later,*", "10.0.0.0,10.0.0.1,10.0.0.2 + 2 more...")
    empty = row(kinds.ENDPOINT_SLICE, {"addressType": "IPv4"})
    assert (empty["Ports"], empty["Endpoints"]) == ("<unset>", "<unset>")


@pytest.mark.parametrize(
    ("event", "source"),
    [
        ({"source": {"component": "kubelet", "host": "n1"}}, "kubelet, n1"),
        ({"source": {"component": "scheduler"}}, "scheduler"),
        ({"reportingComponent": "app", "reportingInstance": "app-1"}, "app, app-1"),
        ({}, ""),
    ],
)
def test_who_told_of_an_event(event: dict[str, Any], source: str) -> None:
    assert row(kinds.EVENT, {"involvedObject": {"kind": "Node"}} | event)["Source"] == source


def test_an_event_of_the_new_recorder_counts_by_its_series() -> None:
    event = {"eventTime": MADE, "series": {"count": 7, "lastObservedTime": MADE}, "involvedObject": {"kind": "Node"}}
    found = row(kinds.EVENT, event)
    assert [found[name] for name in ("Last Seen", "First Seen", "Count", "Object")] == ["0s", "0s", 7, "node"]
    assert row(kinds.EVENT, {})["Count"] == 1
    assert row(kinds.EVENT, {})["Last Seen"] == "<unknown>"


def metric(name: str, **target: Any) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": name, "target": {"type": "Utilization"} | target}}


def used(name: str, **current: Any) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": name, "current": current}}


@pytest.mark.parametrize(
    ("metrics", "current", "targets"),
    [
        ([], [], "<none>"),
        ([metric("cpu", averageUtilization=80)], [], "cpu: <unknown>/80%"),
        ([metric("cpu", averageUtilization=80)], [used("cpu", averageUtilization=35)], "cpu: 35%/80%"),
        ([metric("memory", averageValue="1Gi")], [used("memory", averageValue="40Mi")], "memory: 40Mi/1Gi"),
        ([metric("cpu")], [], "cpu: <unknown>/<auto>"),
        (
            [metric(name, averageUtilization=50) for name in ("cpu", "memory", "cpu")],
            [],
            "cpu: <unknown>/50%, memory: <unknown>/50% + 1 more...",
        ),
    ],
)
def test_the_targets_of_an_autoscaler(metrics: list[Any], current: list[Any], targets: str) -> None:
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 9, "metrics": metrics}
    status = {"currentReplicas": 2, "desiredReplicas": 2, "currentMetrics": current}
    found = row(kinds.HORIZONTAL_POD_AUTOSCALER, {"spec": spec, "status": status})
    assert (found["Reference"], found["Targets"], found["MinPods"]) == ("Deployment/web", targets, "<unset>")
    assert (found["MaxPods"], found["Replicas"]) == (9, 2)


def test_a_claim_tells_its_size_once_it_has_a_volume() -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeMode": "Filesystem"}
    status = {"phase": "Pending", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]}
    waiting = row(kinds.PERSISTENT_VOLUME_CLAIM, {"spec": spec, "status": status})
    assert [waiting[name] for name in ("Status", "Volume", "Capacity", "Access Modes")] == ["Pending", "", "", ""]
    bound = row(kinds.PERSISTENT_VOLUME_CLAIM, {"spec": spec | {"volumeName": "v"}, "status": status})
    assert [bound[name] for name in ("Volume", "Capacity", "Access Modes", "VolumeMode")] == [
        "v",
        "1Gi",
        "RWO,RWX",
        "Filesystem",
    ]
    going = {"metadata": {"deletionTimestamp": MADE}, "spec": spec, "status": {"phase": "Bound"}}
    assert row(kinds.PERSISTENT_VOLUME_CLAIM, going)["Status"] == "Terminating"


def test_a_volume_and_a_class() -> None:
    spec = {
        "capacity": {"storage": "5Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": "shop", "name": "data"},
        "storageClassName": "fast",
    }
    found = row(kinds.PERSISTENT_VOLUME, {"spec": spec, "status": {"phase": "Bound"}})
    assert [found[name] for name in ("Capacity", "Reclaim Policy", "Status", "Claim", "VolumeAttributesClass")] == [
        "5Gi",
        "Retain",
        "Bound",
        "shop/data",
        "<unset>",
    ]
    marked = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    found = row(kinds.STORAGE_CLASS, {"metadata": marked, "provisioner": "p"})
    assert list(found.values()) == ["it (default)", "p", "Delete", "Immediate", False, "0s"]


def test_a_quota_parts_requests_from_limits() -> None:
    status = {"hard": {"pods": "10", "limits.cpu": "4", "requests.cpu": "2"}, "used": {"pods": "3"}}
    found = row(kinds.RESOURCE_QUOTA, {"status": status})
    assert (found["Request"], found["Limit"]) == ("pods: 3/10, requests.cpu: 0/2", "limits.cpu: 0/4")


def test_a_binding_names_its_subjects_by_their_sort() -> None:
    subjects = [
        {"kind": "User", "name": "ada"},
        {"kind": "Group", "name": "dev"},
        {"kind": "ServiceAccount", "name": "ci", "namespace": "build"},
        {"kind": "User", "name": "bob"},
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    found = row(kinds.ROLE_BINDING, {"roleRef": role, "subjects": subjects})
    assert list(found.values())[1:] == ["ClusterRole/view", "0s", "ada, bob", "dev", "build/ci"]


def test_what_has_no_printer_tells_when_it_was_made() -> None:
    for kind in (kinds.ROLE, kinds.LIMIT_RANGE, kinds.CUSTOM_RESOURCE_DEFINITION):
        assert row(kind, {}) == {"Name": "it", "Created At": MADE}


def test_counts() -> None:
    assert row(kinds.CONFIG_MAP, {"data": {"a": "1"}, "binaryData": {"b": "AA=="}})["Data"] == 2
    assert row(kinds.SECRET, {"type": "Opaque", "data": {"a": "AA==", "b": "AA=="}})["Data"] == 2
    assert row(kinds.SERVICE_ACCOUNT, {"secrets": [{"name": "s"}]})["Secrets"] == 1


def test_budgets_policies_and_classes() -> None:
    found = row(kinds.POD_DISRUPTION_BUDGET, {"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 2}})
    assert [found[name] for name in ("Min Available", "Max Unavailable", "Allowed Disruptions")] == ["50%", "N/A", 2]
    assert row(kinds.NETWORK_POLICY, {"spec": {"podSelector": {}}})["Pod-Selector"] == "<none>"
    found = row(kinds.PRIORITY_CLASS, {"value": 1000, "preemptionPolicy": "Never"})
    assert list(found.values()) == ["it", 1000, False, "0s", "Never"]
    assert row(kinds.LEASE, {"spec": {"holderIdentity": "n1"}})["Holder"] == "n1"
    assert row(kinds.NAMESPACE, {"status": {"phase": "Terminating"}})["Status"] == "Terminating"
