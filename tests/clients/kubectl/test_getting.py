"""`get` in all its forms, `wait`, `explain` and `events`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from tests.clients.kubectl.programs import Kubectl

MANY = 12
CHUNK = 5


@pytest.fixture(scope="module")
def things(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A Deployment that runs on its machine, and a dozen ConfigMaps of which every third is odd."""
    kubectl("create", "deployment", "web", "--image=busybox:lab", "--replicas=2", "--", "hold")
    maps = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"map-{number:02}", "labels": {"third": str(number % 3)}},
            "data": {"size": str(MANY - number)},
        }
        for number in range(MANY)
    ]
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": maps}))
    kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=60s")
    yield kubectl
    kubectl("delete", "deployment", "web")


@pytest.mark.proves("get", "get -o wide", "get --show-labels", "get -L", "get --no-headers")
def test_tables(things: Kubectl) -> None:
    plain = things.there("get", "pods")
    assert re.fullmatch(r"(NAME +READY +STATUS +RESTARTS +AGE\n)(web-\S+ +1/1 +Running +0 +\S+\n){2}", plain)
    wide = things.there("get", "pods", "-o", "wide").splitlines()[0].split("  ")
    assert [column.strip() for column in wide if column][5:] == ["IP", "NODE", "NOMINATED NODE", "READINESS GATES"]
    assert "app=web,pod-template-hash=" in things.there("get", "pods", "--show-labels", "--no-headers")
    labels = things.there("get", "configmaps", "-L", "third", "--no-headers", "-l", "third=1").splitlines()
    assert [line.split()[-1] for line in labels] == ["1"] * (MANY // 3)


@pytest.mark.proves("get -o json", "get -o yaml", "get -o name", "get -o jsonpath", "get -o go-template")
@pytest.mark.proves("get -o custom-columns")
def test_documents(things: Kubectl) -> None:
    assert json.loads(things.there("get", "deploy", "web", "-o", "json"))["status"]["readyReplicas"] == 2
    assert yaml.safe_load(things.there("get", "deploy/web", "-o", "yaml"))["kind"] == "Deployment"
    assert things.names("deploy") == ["deployment.apps/web"]
    assert things.path("deploy", "web", path="{.spec.template.spec.containers[*].name}") == "busybox"
    template = "go-template={{range .items}}{{.metadata.name}} {{end}}"
    assert things.there("get", "deploy", "-o", template) == "web "
    columns = "custom-columns=NAME:.metadata.name,SIZE:.data.size"
    rows = things.there("get", "configmap", "map-03", "-o", columns).splitlines()
    assert [row.split() for row in rows] == [["NAME", "SIZE"], ["map-03", "9"]]


@pytest.mark.proves("get -l", "get --field-selector", "get --sort-by", "get -A", "get --ignore-not-found", "get all")
@pytest.mark.proves("get TYPE,TYPE", "get TYPE/NAME", "get -f", "get --show-kind")
def test_selections(things: Kubectl) -> None:
    assert len(things.names("configmaps", "-l", "third in (0,2),third!=2")) == MANY // 3
    assert len(things.names("configmaps", "-l", "!third")) == 1, "kube-root-ca.crt"
    nodes = {things.path("pods", path="{.items[0].spec.nodeName}")}
    assert len(things.names("pods", "--field-selector", f"status.phase=Running,spec.nodeName={nodes.pop()}")) >= 1
    assert things.names("pods", "--field-selector", "status.phase!=Running") == []
    sizes = things.there(
        "get", "configmaps", "-l", "third", "--sort-by={.metadata.name}", "-o", "jsonpath={.items[*].data.size}"
    )
    assert sizes.split() == [str(MANY - number) for number in range(MANY)]
    everywhere = things.there("get", "configmaps", "-A", "--no-headers").splitlines()
    assert {"default", things.namespace} <= {line.split()[0] for line in everywhere}
    assert things.there("get", "configmap", "none", "--ignore-not-found") == ""
    found = {name.partition("/")[0] for name in things.names("all")}
    assert found == {"pod", "deployment.apps", "replicaset.apps"}
    assert things.names("deploy,cm", "-l", "app=web") == ["deployment.apps/web"]
    assert things.there("get", "deploy/web", "cm/map-00", "-o", "name").split() == [
        "deployment.apps/web",
        "configmap/map-00",
    ]


@pytest.mark.proves("errors in Kubernetes' words", "get --raw")
def test_what_is_not_there_is_said_so(things: Kubectl) -> None:
    missing = things.there("get", "deploy", "none", code=1)
    assert missing == 'Error from server (NotFound): deployments.apps "none" not found\n'
    unknown = things.there("get", "nonsense", code=1)
    assert unknown == 'error: the server doesn\'t have a resource type "nonsense"\n'
    elsewhere = things("create", "configmap", "a", "--namespace", "no-such-namespace", code=1)
    assert 'namespaces "no-such-namespace" not found' in elsewhere
    assert things("get", "--raw", "/readyz", node="h3") == "ok"


@pytest.mark.proves("get --chunk-size")
def test_pieces_of_a_list_are_of_one_moment(things: Kubectl) -> None:
    everything = f"/api/v1/namespaces/{things.namespace}/configmaps?limit={CHUNK}"
    assert things.raw(everything)["metadata"]["remainingItemCount"] == MANY + 1 - CHUNK, "kube-root-ca.crt is there too"
    path = f"{everything}&labelSelector=third"
    first = things.raw(path)
    things("delete", "configmap", "map-11")
    try:
        rest, token = [], first["metadata"]["continue"]
        while token:
            piece = things.raw(f"{path}&continue={token}", node="h3")
            rest += piece["items"]
            token = piece["metadata"].get("continue", "")
        names = [each["metadata"]["name"] for each in first["items"] + rest]
        assert names == [f"map-{number:02}" for number in range(MANY)], "as when the first piece was read"
        assert len(things.names("configmaps", "-l", "third", f"--chunk-size={CHUNK}")) == MANY - 1
    finally:
        things("create", "configmap", "map-11", "--from-literal=size=1")
        things("label", "configmap", "map-11", "third=2")


@pytest.mark.proves("get -w", "get --watch-only", "get --output-watch-events")
def test_watches(things: Kubectl) -> None:
    watching = things.started(
        "get", "configmaps", "-l", "seen", "-w", "--output-watch-events", "--no-headers", node="h2"
    )
    try:
        things("create", "configmap", "watched")
        things("label", "configmap", "watched", "seen=yes")
        assert watching.stdout is not None
        assert watching.stdout.readline().split()[:2] == ["ADDED", "watched"]
        things("patch", "configmap", "watched", "-p", '{"data":{"a":"b"}}')
        assert watching.stdout.readline().split()[:3] == ["MODIFIED", "watched", "1"]
        things("label", "configmap", "watched", "seen-")
        assert watching.stdout.readline().split()[:2] == ["DELETED", "watched"], "it left what is watched"
    finally:
        watching.kill()
        watching.wait()
        things("delete", "configmap", "watched")


@pytest.mark.proves("wait --for=condition", "wait --for=jsonpath", "wait --for=delete", "wait --for=create")
def test_waits(things: Kubectl) -> None:
    assert "condition met" in things.there("wait", "deployment/web", "--for=condition=Available")
    assert "condition met" in things.there("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=2")
    late = things.there("wait", "deployment/web", "--for=condition=Absent", "--timeout=1s", code=1)
    assert "timed out waiting for the condition on deployments/web" in late
    made = things.started("wait", "configmap/awaited", "--for=create", "--timeout=30s", node="h2")
    things("create", "configmap", "awaited")
    assert made.wait(30) == 0
    gone = things.started("wait", "configmap/awaited", "--for=delete", "--timeout=30s", node="h3")
    things("delete", "configmap", "awaited")
    assert gone.wait(30) == 0


@pytest.mark.proves("explain", "explain --recursive")
def test_fields_are_explained(things: Kubectl) -> None:
    told = things.there("explain", "deployment.spec.replicas")
    assert "KIND:       Deployment" in told
    assert "FIELD: replicas <integer>" in told
    assert "Number of desired pods." in told
    assert re.search(
        r"containers\t<\[\]Container> -required-\n +args\t<\[\]string>",
        things.there("explain", "pod.spec", "--recursive"),
    )
    assert 'field "spce" does not exist' in things.there("explain", "pod.spce", code=1)


@pytest.mark.proves("events", "events --for")
def test_events_are_told(things: Kubectl) -> None:
    told = things.there("events", "--for", "deployment/web")
    assert re.search(r"Normal +ScalingReplicaSet +Deployment/web +Scaled up replica set web-\S+ from 0 to 2", told)
    assert "Scheduled" in things.there("events", "--types=Normal")
