"""Every kind, with the verbs that all kinds have: made, shown, changed, described, compared, applied, deleted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from swarmlet.model import kinds
from tests.clients.kubectl.programs import Kubectl

POD = "{containers: [{name: main, image: 'busybox:lab', command: [hold]}], schedulerName: nobody}"
TEMPLATE = f"{{metadata: {{labels: {{app: none}}}}, spec: {POD}}}"
SELECTOR = "{matchLabels: {app: none}}"
ONCE = "{spec: {restartPolicy: Never, containers: [{name: main, image: 'busybox:lab'}]}}"
ROLE_REF = "{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}"
SUBJECTS = "[{apiGroup: rbac.authorization.k8s.io, kind: User, name: nobody-at-all}]"
MOMENT = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
"""Of an Event: old ones go by themselves."""
VOLUME = "{capacity: {storage: 1Mi}, accessModes: [ReadWriteOnce], storageClassName: none, hostPath: {path: /none}}"
INVOLVED = "{kind: Pod, name: none, namespace: NAMESPACE}"
VERSION = "{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}"
GROUP = "kinds.swarmlet.test"
NAMES = "{plural: things, singular: thing, kind: Thing, listKind: ThingList}"
DEFINITION = f"{{group: {GROUP}, scope: Cluster, names: {NAMES}, versions: [{VERSION}]}}"
CONTENT = {
    kinds.NAMESPACE: "{}",
    kinds.POD: f"{{spec: {POD}}}",
    kinds.CONFIG_MAP: "{data: {a: '1'}}",
    kinds.SECRET: "{stringData: {a: '1'}}",
    kinds.SERVICE_ACCOUNT: "{}",
    kinds.RESOURCE_QUOTA: "{spec: {hard: {pods: '40'}}}",
    kinds.LIMIT_RANGE: "{spec: {limits: [{type: PersistentVolumeClaim, max: {storage: 1Gi}}]}}",
    kinds.PERSISTENT_VOLUME_CLAIM: "{spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}",
    kinds.PERSISTENT_VOLUME: f"{{spec: {VOLUME}}}",
    kinds.SERVICE: "{spec: {selector: {app: none}, ports: [{port: 80}]}}",
    kinds.EVENT: f"{{involvedObject: {INVOLVED}, reason: Tried, lastTimestamp: '{MOMENT}'}}",
    kinds.LEASE: "{spec: {holderIdentity: me, leaseDurationSeconds: 15}}",
    kinds.DEPLOYMENT: f"{{spec: {{replicas: 0, selector: {SELECTOR}, template: {TEMPLATE}}}}}",
    kinds.REPLICA_SET: f"{{spec: {{replicas: 0, selector: {SELECTOR}, template: {TEMPLATE}}}}}",
    kinds.STATEFUL_SET: f"{{spec: {{replicas: 0, serviceName: none, selector: {SELECTOR}, template: {TEMPLATE}}}}}",
    kinds.DAEMON_SET: f"{{spec: {{selector: {SELECTOR}, template: {TEMPLATE}}}}}",
    kinds.CONTROLLER_REVISION: "{revision: 1, data: {a: 1}}",
    kinds.JOB: f"{{spec: {{suspend: true, template: {ONCE}}}}}",
    kinds.CRON_JOB: f"{{spec: {{schedule: 0 0 1 1 *, jobTemplate: {{spec: {{template: {ONCE}}}}}}}}}",
    kinds.HORIZONTAL_POD_AUTOSCALER: (
        "{spec: {maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: absent}}}"
    ),
    kinds.NETWORK_POLICY: "{spec: {podSelector: {}}}",
    kinds.POD_DISRUPTION_BUDGET: f"{{spec: {{minAvailable: 0, selector: {SELECTOR}}}}}",
    kinds.PRIORITY_CLASS: "{value: 7}",
    kinds.RUNTIME_CLASS: "{handler: runc}",
    kinds.STORAGE_CLASS: "{provisioner: swarmlet.test/none}",
    kinds.ENDPOINT_SLICE: "{addressType: IPv4, endpoints: [], ports: []}",
    kinds.ROLE: "{rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}",
    kinds.ROLE_BINDING: f"{{roleRef: {ROLE_REF}, subjects: {SUBJECTS}}}",
    kinds.CLUSTER_ROLE: "{rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}",
    kinds.CLUSTER_ROLE_BINDING: f"{{roleRef: {ROLE_REF}, subjects: {SUBJECTS}}}",
    kinds.CUSTOM_RESOURCE_DEFINITION: f"{{spec: {DEFINITION}}}",
}
FILLED_KINDS_MIN = 8
"""Of which a cluster has some by itself, roles and Leases among them."""
MADE_BY_DAEMONS = {kinds.NODE}


def name_of(kind: kinds.Kind, namespace: str) -> str:
    if kind is kinds.CUSTOM_RESOURCE_DEFINITION:
        return f"things.{GROUP}"
    return "every" if kind.namespaced else f"{namespace}-every"


@pytest.fixture(scope="module")
def every(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kubectl, str]]:
    """A file with one object of each kind; afterwards none of them is left."""
    items = [
        {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name_of(kind, kubectl.namespace)}}
        | yaml.safe_load(content.replace("NAMESPACE", kubectl.namespace))
        for kind, content in CONTENT.items()
    ]
    path: Path = tmp_path_factory.mktemp("kinds") / "every.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    yield kubectl, str(path)
    kubectl("delete", "-f", str(path), "--ignore-not-found", "--now", "--wait=false")


def test_no_kind_is_forgotten() -> None:
    assert set(kinds.SERVED) == set(CONTENT) | MADE_BY_DAEMONS


@pytest.mark.proves(
    "every kind: create, get, label, annotate, describe, diff, apply, apply --server-side, replace, delete"
)
def test_every_kind_lives_and_ends(every: tuple[Kubectl, str]) -> None:
    kubectl, path = every
    names = kubectl("create", "-f", path, "-o", "name").split()
    assert len(set(names)) == len(CONTENT)
    assert sorted(kubectl.there("get", "-f", path, "-o", "name").split()) == sorted(names)
    kubectl("label", "-f", path, "tried=yes")
    kubectl("annotate", "-f", path, "why=because")
    found = kubectl.get("-f", path)["items"]
    metadata = [each["metadata"] for each in found]
    assert {(each["labels"]["tried"], each["annotations"]["why"]) for each in metadata} == {("yes", "because")}
    assert all(each["uid"] and each["creationTimestamp"] and each["resourceVersion"] for each in metadata)
    told = kubectl.there("describe", "-f", path)
    assert len(re.findall(r"^Name: +\S*(every|things)", told, re.MULTILINE)) == len(CONTENT), told
    assert kubectl.ended("diff", "--server-side", "-f", path).code in {0, 1}
    kubectl("apply", "--server-side", "--force-conflicts", "-f", path)
    assert kubectl("apply", "--server-side", "-f", path, "--dry-run=server").count("serverside-applied") == len(CONTENT)
    kubectl("apply", "-f", path)
    whole = kubectl.get("-f", path)
    for each in whole["items"]:
        each["metadata"]["labels"]["tried"] = "twice"
        del each["metadata"]["resourceVersion"]  # others write here, too: the status of a Job
    assert kubectl("replace", "-f", "-", stdin=json.dumps(whole)).count(" replaced") == len(CONTENT)
    assert {each["metadata"]["labels"]["tried"] for each in kubectl.get("-f", path)["items"]} == {"twice"}
    kubectl("delete", "-f", path, "--now", "--timeout=60s")
    assert kubectl.there("get", "-f", path, "--ignore-not-found", "-o", "name") == ""


@pytest.mark.proves("every kind: get, get -o wide")
def test_every_kind_is_listed(kubectl: Kubectl) -> None:
    everything = ",".join(kind.resource for kind in kinds.SERVED)
    for form in ((), ("-o", "wide")):
        ended = kubectl.ended("get", everything, "-A", *form, node="h3")
        assert (ended.code, ended.errors) == (0, "")
        tables = [block for block in ended.out.split("\n\n") if block]
        assert [table.splitlines()[0] for table in tables if not table.startswith("NAME")] == []
        assert len(tables) >= FILLED_KINDS_MIN


@pytest.mark.long_clients
@pytest.mark.proves("every kind: explain")
def test_every_kind_is_explained(kubectl: Kubectl) -> None:
    for kind in kinds.SERVED:
        told = kubectl.there("explain", kind.resource)
        assert f"KIND:       {kind.kind}\n" in told
        assert "<empty>" not in told, kind.kind
