"""What an administrator does to nodes, and to the Pods on them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.clients.kubectl.programs import Kubectl
from tools.lab.cluster import eventually

NODE = "h3"
SECONDS_MAX = 60.0


@pytest.fixture
def there(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The kubectl; afterwards the node takes Pods and has no marks of ours."""
    yield kubectl
    kubectl("uncordon", NODE)
    kubectl.ended("taint", "node", NODE, "test-")
    kubectl("delete", "deploy,pdb,pods", "--all", "--now")


def nodes_of(kubectl: Kubectl, app: str) -> list[str]:
    pods = kubectl.get("pods", "-l", f"app={app}")["items"]
    return [each["spec"].get("nodeName", "") for each in pods if "deletionTimestamp" not in each["metadata"]]


@pytest.mark.proves("cordon", "uncordon")
def test_a_cordoned_node_gets_no_pods(there: Kubectl) -> None:
    assert there("cordon", NODE) == f"node/{NODE} cordoned\n"
    assert "SchedulingDisabled" in there.there("get", "node", NODE)
    there("create", "deployment", "web", "--image=busybox:lab", "--replicas=4", "--", "hold")
    there("wait", "deployment/web", "--for=condition=Available", "--timeout=60s")
    assert NODE not in nodes_of(there, "web")
    assert there("uncordon", NODE) == f"node/{NODE} uncordoned\n"
    assert there.get("node", NODE)["spec"].get("unschedulable", False) is False


@pytest.mark.long_clients
@pytest.mark.proves("drain")
def test_a_drain_waits_for_a_budget(there: Kubectl) -> None:
    there("create", "deployment", "web", "--image=busybox:lab", "--replicas=3", "--", "hold")
    there("wait", "deployment/web", "--for=jsonpath={.status.availableReplicas}=3", "--timeout=60s")
    there("create", "pdb", "web", "--selector=app=web", "--min-available=3")
    there("wait", "pdb/web", "--for=jsonpath={.status.currentHealthy}=3", "--timeout=30s")
    words = ("drain", NODE, "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector=app=web")
    if NODE not in nodes_of(there, "web"):
        pytest.fail("no Pod is where it should be")
    held = there(*words, "--timeout=2s", code=1)
    assert "Cannot evict pod as it would violate the pod's disruption budget." in held
    there("patch", "pdb", "web", "--type=merge", "-p", '{"spec":{"minAvailable":2}}')
    assert f"node/{NODE} drained" in there(*words, "--timeout=50s")
    assert NODE not in nodes_of(there, "web")


@pytest.mark.proves("taint")
def test_a_taint_keeps_away_and_drives_off(there: Kubectl) -> None:
    there(
        "run", "stays", "--image=busybox:lab", f"--overrides={json.dumps({'spec': {'nodeName': NODE}})}", "--", "hold"
    )
    there("wait", "pod/stays", "--for=condition=Ready", "--timeout=60s")
    assert there("taint", "node", NODE, "test=yes:NoExecute") == f"node/{NODE} tainted\n"
    there.wait_gone("pods", "--field-selector", "metadata.name=stays")
    refused = there("taint", "node", NODE, "test=no:NoExecute", code=1)
    assert "already has test taint(s) with same effect(s) and --overwrite is false" in refused
    assert there("taint", "node", NODE, "test-") == f"node/{NODE} untainted\n"


@pytest.mark.proves("top node", "top pod")
def test_usage_is_told(there: Kubectl) -> None:
    there("run", "busy", "--image=busybox:lab", "--", "hold")
    there("wait", "pod/busy", "--for=condition=Ready", "--timeout=60s")

    def usage() -> list[str]:
        return there.ended("top", "pod", "busy", "--no-headers", node="h2").out.split()

    name, cpu, memory = eventually(usage, SECONDS_MAX, "the usage of the Pod")
    assert (name, cpu[-1], memory[-2:]) == ("busy", "m", "Mi")
    rows = [line.split() for line in there.there("top", "node", "--no-headers").splitlines()]
    assert [row[0] for row in rows] == ["h1", "h2", "h3"]
    assert all(len(row) == 5 for row in rows)
    assert there.there("top", "pod", "busy", "--containers", "--no-headers").split()[:2] == ["busy", "busy"]


@pytest.mark.proves("create --raw (binding)", "create --raw (eviction)")
def test_a_pod_is_bound_and_evicted_by_hand(there: Kubectl) -> None:
    overrides = json.dumps({"spec": {"schedulerName": "nobody"}})
    there("run", "bound", "--image=busybox:lab", f"--overrides={overrides}", "--", "hold")
    pods = f"/api/v1/namespaces/{there.namespace}/pods/bound"
    target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "bound"}, "target": target}
    there("create", "--raw", f"{pods}/binding", "-f", "-", stdin=json.dumps(binding))
    there("wait", "pod/bound", "--for=condition=Ready", "--timeout=60s")
    assert there.path("pod", "bound", path="{.spec.nodeName}") == NODE
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "bound"}}
    there("create", "--raw", f"{pods}/eviction", "-f", "-", stdin=json.dumps(eviction))
    there.wait_gone("pods", "--field-selector", "metadata.name=bound")
