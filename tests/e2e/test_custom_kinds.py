"""Kinds that users bring, on three machines: known everywhere at once, and still after leaders and daemons are gone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.custom_documents import CONDITIONS, TEXT, definition, objects, version
from tests.e2e.spaces import Space, space
from tools.lab.cluster import BIN, Cluster, Daemon, eventually

SPACE = "custom-e2e"
GROUP = "shop.example.com"
FARMS = f"farms.{GROUP}"
WHOLE = {"type": "integer"}
CONTAINERS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": objects({"name": TEXT, "image": TEXT, "port": {"x-kubernetes-int-or-string": True}}, "name"),
}
SPEC = {
    **objects(
        {
            "replicas": {**WHOLE, "minimum": 0, "default": 1},
            "most": {**WHOLE, "default": 5},
            "region": {**TEXT, "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "region is fixed"}]},
            "containers": CONTAINERS,
            "extra": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        }
    ),
    "description": "What the farm is to be.",
    "x-kubernetes-validations": [
        {"rule": "self.replicas <= self.most", "messageExpression": "'over %d'.format([self.most])"}
    ],
}
STATUS = objects({"replicas": WHOLE, "selector": TEXT, "conditions": CONDITIONS})
DEFINITION = definition(
    GROUP,
    "Farm",
    "farms",
    version(
        "v1",
        {"spec": SPEC, "status": STATUS},
        subresources={
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        additionalPrinterColumns=[
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
            {"name": "Region", "type": "string", "jsonPath": ".spec.region", "priority": 1},
        ],
        selectableFields=[{"jsonPath": ".spec.region"}],
    ),
    shortNames=["fm"],
    categories=["shops"],
)


def farm(name: str, /, metadata: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    named = {"name": name, **(metadata or {})}
    return {"apiVersion": f"{GROUP}/v1", "kind": "Farm", "metadata": named, "spec": {"region": "north", **spec}}


class Kubectl:
    """Run through one daemon each, with a memory of its own of what kinds there are."""

    def __init__(self, there: Space) -> None:
        self.there = there
        self.cluster = there.cluster

    def __call__(self, through: str, *words: str, document: Any = None, code: int = 0) -> str:
        daemon: Daemon = self.cluster[through]
        home = self.cluster.lab.folder / f"home-{through}"
        env = dict(os.environ, HOME=str(home), KUBECONFIG=str(self.cluster.kubeconfig))
        server = ("--server", f"https://{daemon.machine.address}:7600", "-n", self.there.name)
        stdin = None if document is None else json.dumps(document)
        done = daemon.machine.run(str(BIN / "kubectl"), *server, *words, env=env, stdin=stdin, check=False, seconds=60)
        assert done.returncode == code, (through, words, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def read(self, through: str, *words: str) -> Any:
        return json.loads(self(through, "get", *words, "-o", "json"))

    def gone(self, through: str, *words: str) -> bool:
        return not self(through, "get", *words, "-o", "name", "--ignore-not-found").strip()


@pytest.fixture
def kubectl(cluster: Cluster) -> Iterator[Kubectl]:
    with space(cluster, SPACE) as there:
        yield Kubectl(there)
    cluster.kubectl("delete", "crd", FARMS, "--ignore-not-found", "--timeout=30s")


def test_a_kind_is_known_everywhere_at_once_and_outlives_leaders_and_daemons(kubectl: Kubectl) -> None:
    cluster = kubectl.cluster
    kubectl("h1", "create", "-f", "-", document=DEFINITION)
    kubectl("h1", "wait", f"crd/{FARMS}", "--for=condition=Established", "--timeout=10s")
    kubectl("h2", "create", "-f", "-", document=farm("a", containers=[{"name": "one", "port": 80}]))
    assert kubectl.read("h3", "fm", "a")["spec"] == {
        "region": "north", "replicas": 1, "most": 5, "containers": [{"name": "one", "port": 80}],
    }  # fmt: skip
    objects_are_kept_to_their_definition(kubectl)
    owners_and_finalizers_are_theirs(kubectl)

    leader = cluster.leader()
    other = next(daemon.name for daemon in cluster if daemon is not leader)
    leader.kill()
    eventually(lambda: cluster.leader().name != leader.name, 20, "another leads")
    kubectl(other, "scale", "fm/a", "--replicas=4")
    assert "over 5" in kubectl(other, "scale", "fm/a", "--replicas=6", code=1)

    for daemon in cluster:
        if daemon.running:
            daemon.kill()
    for daemon in cluster:
        daemon.start()
    cluster.wait_ready(3)
    for name in cluster.daemons:
        assert kubectl.read(name, "fm", "a")["spec"]["replicas"] == 4
    assert "over 5" in kubectl("h3", "scale", "fm/a", "--replicas=6", code=1)
    the_kind_goes_with_its_objects(kubectl)


def objects_are_kept_to_their_definition(kubectl: Kubectl) -> None:
    assert "over 5" in kubectl("h3", "create", "-f", "-", document=farm("b", replicas=6), code=1)
    assert "region is fixed" in kubectl(
        "h1", "patch", "fm", "a", "--type=merge", "-p", '{"spec":{"region":"x"}}', code=1
    )
    assert 'unknown field "spec.colour"' in kubectl("h2", "create", "-f", "-", document=farm("b", colour=1), code=1)
    assert "is not supported by shop.example.com/v1" in kubectl(
        "h2", "patch", "fm", "a", "--type=strategic", "-p", "{}", code=1
    )
    apply = ("apply", "--server-side", "-f", "-", "--field-manager")
    kubectl("h3", *apply, "other", document=farm("a", containers=[{"name": "two", "image": "x"}]))
    names = [each["name"] for each in kubectl.read("h1", "fm", "a")["spec"]["containers"]]
    assert names == ["one", "two"], "the list is merged by its key"
    kubectl("h2", "patch", "fm", "a", "--subresource=status", "--type=merge", "-p", '{"status":{"replicas":1}}')
    found = kubectl.read("h1", "fm", "a")
    assert (found["metadata"]["generation"], found["status"]) == (2, {"replicas": 1}), "the status counts for nothing"
    assert kubectl("h3", "get", "shops", "-o", "wide").split()[:4] == ["NAME", "REPLICAS", "REGION", "a"]
    assert "farm.shop.example.com/a" in kubectl("h3", "get", "fm", "--field-selector=spec.region=north", "-o", "name")
    assert "What the farm is to be." in kubectl("h2", "explain", "farms.spec")
    path = f"/apis/{GROUP}/v1/namespaces/{SPACE}/farms?watch=1&sendInitialEvents=true&allowWatchBookmarks=true"
    path += "&resourceVersionMatch=NotOlderThan&timeoutSeconds=1"
    told = [json.loads(line) for line in kubectl("h3", "get", "--raw", path).splitlines()]
    assert [each["type"] for each in told] == ["ADDED", "BOOKMARK"]
    kubectl("h1", "create", "quota", "few", f"--hard=count/{FARMS}=1")
    eventually(lambda: kubectl.read("h2", "quota", "few").get("status", {}).get("used"), 10, "it is counted")
    assert f"exceeded quota: few, requested: count/{FARMS}=1" in kubectl(
        "h2", "create", "-f", "-", document=farm("b"), code=1
    )
    kubectl("h1", "delete", "quota", "few")


def owners_and_finalizers_are_theirs(kubectl: Kubectl) -> None:
    """A ConfigMap that a farm owns goes with it, and so does a farm that a ConfigMap owns; a finalizer holds."""
    uid = kubectl.read("h1", "fm", "a")["metadata"]["uid"]
    owner = {"apiVersion": f"{GROUP}/v1", "kind": "Farm", "name": "a", "uid": uid}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned", "ownerReferences": [owner]}}
    made = json.loads(kubectl("h2", "create", "-f", "-", "-o", "json", document=config_map))
    above = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owned", "uid": made["metadata"]["uid"]}
    held = {"ownerReferences": [above], "finalizers": ["cleanup.example.com"]}
    kubectl("h3", "create", "-f", "-", document=farm("below", held))
    kubectl("h1", "delete", "configmap", "owned")
    eventually(lambda: kubectl.read("h2", "fm", "below")["metadata"].get("deletionTimestamp"), 15, "it is to go")
    kubectl("h3", "patch", "fm", "below", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    eventually(lambda: kubectl.gone("h1", "fm", "below"), 15, "it is gone")

    made = json.loads(kubectl("h1", "create", "-f", "-", "-o", "json", document=farm("top")))
    owner |= {"name": "top", "uid": made["metadata"]["uid"]}
    config_map["metadata"] = {"name": "owned", "ownerReferences": [owner]}
    kubectl("h2", "create", "-f", "-", document=config_map)
    kubectl("h3", "delete", "fm", "top", "--cascade=foreground")
    assert kubectl.gone("h1", "configmap", "owned")


def the_kind_goes_with_its_objects(kubectl: Kubectl) -> None:
    kubectl("h2", "delete", "crd", FARMS, "--timeout=20s")
    for name in kubectl.cluster.daemons:
        assert "NotFound" in kubectl(name, "get", "--raw", f"/apis/{GROUP}/v1/farms", code=1)
    kubectl("h1", "create", "-f", "-", document=DEFINITION)
    kubectl("h1", "wait", f"crd/{FARMS}", "--for=condition=Established", "--timeout=10s")
    assert kubectl.gone("h3", "farms"), "none has come back"
