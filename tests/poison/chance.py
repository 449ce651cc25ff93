"""Documents by chance: a sample, some of whose fields are others, of the right type and of strange value."""

from __future__ import annotations

import copy
import random
from typing import Any

from swarmlet.model import schema
from swarmlet.model.kinds import Kind
from tests.poison import samples

Document = dict[str, Any]

FIELDS_MAX = 4
"""Changed in one document: with more, few documents are accepted."""
GOES_DEEPER = 0.85

INTEGERS = (0, 1, -1, 2, 3, 5, 25, 80, 100, 101, 3600, 65535, 65536, 10**6, 2**31 - 1, -(2**31), 2**62, 2**63 - 1)
QUANTITIES = ("0", "1", "2", "1500m", "1n", "-1", "64Mi", "1Gi", "1e9", "9223372036854775807", "9E", "1e30", "0.000001")
TIMES = ("2026-01-01T00:00:30Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z")
MICRO_TIMES = ("2026-01-01T00:00:30.000001Z", "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z")
INT_OR_STRINGS = (0, 1, 80, -1, 2**31 - 1, "http", "25%", "100%", "101%", "0%", "50000000%", "x", "")
ADDRESSES = ("10.0.0.1", "10.9.0.1", "fd00::1", "::ffff:10.0.0.1", "127.0.0.1", "0.0.0.0", "10.96.0.7", "x")
WORDS = (
    "", "a", "web", "db", "job", "app", "main", "http", "default", "n1", "n2", "x", "Web", "a/b", "a.b", "*", "-",
    "$(A)", "true", "True", "False", "Unknown", "5", "0", "%", "{}", "[bold]", "a" * 63, "b" * 253, "ä", "日本",
    "\u0000", "\n", "\ud7ff", "\U0001f600", "a\tb", " ", "/", "..", "../..", "/a/../b", "/etc/x", "1e400", "-1",
)  # fmt: skip
BY_NAME: dict[str, tuple[Any, ...]] = {
    "operator": ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Equal"),
    "effect": ("NoSchedule", "NoExecute", "PreferNoSchedule", ""),
    "topologyKey": ("kubernetes.io/hostname", "topology.kubernetes.io/zone", "a", "app"),
    "restartPolicy": ("Always", "OnFailure", "Never"),
    "protocol": ("TCP", "UDP", "SCTP"),
    "phase": ("Pending", "Running", "Succeeded", "Failed", "Unknown", "Bound", "Released", "Terminating", "x"),
    "status": ("True", "False", "Unknown", ""),
    "type": (
        "Ready",
        "Available",
        "Progressing",
        "Complete",
        "Failed",
        "Suspended",
        "DiskPressure",
        "PodScheduled",
        "InternalIP",
        "Hostname",
        "ClusterIP",
        "NodePort",
        "LoadBalancer",
        "ExternalName",
        "RollingUpdate",
        "Recreate",
        "OnDelete",
        "Resource",
        "Pods",
        "Percent",
        "Utilization",
        "Value",
        "AverageValue",
        "Container",
        "Pod",
        "PersistentVolumeClaim",
        "RuntimeDefault",
        "Localhost",
        "Opaque",
        "kubernetes.io/dockerconfigjson",
        "Directory",
    ),
    "kind": (
        "Pod",
        "Deployment",
        "ReplicaSet",
        "Job",
        "Node",
        "StatefulSet",
        "DaemonSet",
        "Namespace",
        "Secret",
        "Role",
    ),
    "apiVersion": ("v1", "apps/v1", "batch/v1", "x/v1"),
    "schedule": ("* * * * *", "0 0 31 2 *", "@hourly", "*/5 1-3 * 1,2 MON", "0 0 29 2 *", "TZ=UTC * * * * *"),
    "timeZone": ("UTC", "Europe/Berlin", "America/New_York", "x", "../etc"),
    "fieldPath": (
        "metadata.name",
        "metadata.labels['app']",
        "spec.nodeName",
        "status.podIP",
        "metadata.annotations['x']",
    ),
    "resource": ("limits.cpu", "requests.memory", "limits.ephemeral-storage", "limits.hugepages-2Mi"),
    "policyTypes": ("Ingress", "Egress"),
    "cidr": ("10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8", "10.0.0.1/32"),
    "except": ("10.1.0.0/16", "fd00:1::/32", "10.0.0.0/9"),
    "addressType": ("IPv4", "IPv6", "FQDN"),
    "addresses": ADDRESSES,
    "address": ADDRESSES,
    "ip": ADDRESSES,
    "podIP": ADDRESSES,
    "hostIP": ADDRESSES,
    "clusterIP": ("None", "", "10.96.0.9", "fd00::9"),
    "clusterIPs": ("None", "10.96.0.9", "fd00::9"),
    "externalIPs": ADDRESSES,
    "ipFamilies": ("IPv4", "IPv6"),
    "ipFamilyPolicy": ("SingleStack", "PreferDualStack", "RequireDualStack"),
    "loadBalancerSourceRanges": ("10.0.0.0/8", "fd00::/8"),
    "externalName": ("example.org", "a" * 63, "x." * 100 + "y", "10.0.0.1"),
    "completionMode": ("Indexed", "NonIndexed"),
    "concurrencyPolicy": ("Allow", "Forbid", "Replace"),
    "podReplacementPolicy": ("TerminatingOrFailed", "Failed"),
    "action": ("Count", "Ignore", "FailJob", "FailIndex"),
    "accessModes": ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteOncePod"),
    "volumeMode": ("Filesystem", "Block"),
    "volumeName": ("web", "db", "job", "none"),
    "scopes": ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "PriorityClass"),
    "scopeName": ("BestEffort", "NotBestEffort", "Terminating", "PriorityClass"),
    "whenUnsatisfiable": ("DoNotSchedule", "ScheduleAnyway"),
    "nodeAffinityPolicy": ("Honor", "Ignore"),
    "minReplicas": (0, 1, 3),
    "maxReplicas": (1, 3, 5),
    "replicas": (0, 1, 3, 7),
    "parallelism": (0, 1, 3, 7),
    "completions": (0, 1, 3, 7, 2**31 - 1),
    "completedIndexes": ("0", "0-2", "0,2-1", "x", "1-9999999999", "-"),
    "failedIndexes": ("0", "0-2", "1,1,1", "x-y"),
    "finalizers": ("kubernetes", "a/b", "foregroundDeletion", "orphan"),
    "schedulingGates": ("a", "a/b"),
    "preemptionPolicy": ("Never", "PreemptLowerPriority"),
    "provisioner": ("swarmlet.io/local", "kubernetes.io/no-provisioner", "x/y"),
    "volumeBindingMode": ("Immediate", "WaitForFirstConsumer"),
    "mountPath": ("/scratch", "/a", "/", "a", "/a:b", "/dev/termination-log"),
    "completionTime": TIMES,
    "image": ("web:1", "web:2", "bad", "a@sha256:" + "0" * 64, "host:5000/a/b:c", "UPPER", ":", "x" * 300),
}
KEYS = (
    "", "a", "app", "cpu", "memory", "pods", "storage", "ephemeral-storage", "hugepages-2Mi", "example.com/dev",
    "x/y/z", "requests.cpu", "kubernetes.io/hostname", "deployment.kubernetes.io/revision",
    "kubernetes.io/service-name",
    "swarmlet.io/singleton", "swarmlet.io/depends-on", "batch.kubernetes.io/job-completion-index", "pod-template-hash",
    "controller-revision-hash", "statefulset.kubernetes.io/pod-name",
)  # fmt: skip
SERVERS_OWN = ("resourceVersion", "uid", "generateName", "managedFields", "namespace")
SPECIAL = {
    schema.QUANTITY: QUANTITIES,
    schema.INT_OR_STRING: INT_OR_STRINGS,
    schema.TIME: TIMES,
    schema.MICRO_TIME: MICRO_TIMES,
}


def document(
    rng: random.Random, kind: Kind, name: str, namespace: str, *, part: str = "", begin: Document | None = None
) -> Document:
    """Return a document of a kind under a name, like `begin` or the sample; `part`: where alone it differs."""
    made = copy.deepcopy(begin or samples.sample(kind))
    definition = schema.definition_of_kind(kind)
    fields = schema.fields(definition)
    for _ in range(rng.randint(0 if not part else 1, FIELDS_MAX)):
        some = part or rng.choice([each for each in fields if each not in ("apiVersion", "kind", "status")])
        made[some] = changed(rng, made.get(some), fields[some].schema, some)
    return named(made, name, namespace)


def named(made: Document, name: str, namespace: str) -> Document:
    """Return a document under a name, and without what only the server says."""
    metadata = {key: each for key, each in (made.get("metadata") or {}).items() if key not in SERVERS_OWN}
    place = {"namespace": namespace} if namespace else {}
    own_name = metadata.get("name", name) if made["kind"] == "CustomResourceDefinition" else name
    return {**made, "metadata": {**metadata, "name": own_name, **place}}


def changed(rng: random.Random, old: Any, part: schema.Schema, name: str) -> Any:
    """Return a value of a schema, like `old` but for one field somewhere within."""
    reference = part.get("$ref", "")
    if reference in SPECIAL:
        return rng.choice(SPECIAL[reference])
    if reference:
        return _object(rng, old if isinstance(old, dict) else {}, schema.fields(reference))
    if part.get("type") == "array":
        return _list(rng, old if isinstance(old, list) else [], part["items"], name)
    if "additionalProperties" in part:
        key = rng.choice([*(old or {}), *KEYS])
        return {**(old or {}), key: changed(rng, (old or {}).get(key), part["additionalProperties"], key)}
    return scalar(rng, part, name)


def scalar(rng: random.Random, part: schema.Schema, name: str) -> Any:
    """Return a value of a scalar type."""
    kind = part.get("type")
    if name in BY_NAME and (kind == "integer" or rng.random() < 0.8):
        found = [each for each in BY_NAME[name] if isinstance(each, int) == (kind == "integer")]
        if found:
            return rng.choice(found)
    if kind == "boolean":
        return rng.random() < 0.5
    if kind == "integer":
        return rng.choice([each for each in INTEGERS if part.get("format") != "int32" or abs(each) < 2**31])
    if part.get("format") == "byte":
        return rng.choice(("", "MQ==", "AAH/", "e30=", "x"))
    if kind == "string":
        return rng.choice(WORDS)
    return {"a": [1, None, "b"]}


def _object(rng: random.Random, old: Document, fields: Any) -> Document:
    if not fields:
        return {"a": rng.choice(WORDS)}
    names = [each for each in fields if each in old] if old and rng.random() < 0.6 else list(fields)
    name = rng.choice(names or list(fields))
    if rng.random() < 0.1:
        return {each: value for each, value in old.items() if each != name}
    return {**old, name: changed(rng, old.get(name), fields[name].schema, name)}


def _list(rng: random.Random, old: list[Any], part: schema.Schema, name: str) -> list[Any]:
    if old and rng.random() < GOES_DEEPER:
        place = rng.randrange(len(old))
        return [*old[:place], changed(rng, old[place], part, name), *old[place + 1 :]]
    if old and rng.random() < 0.4:
        return rng.choice(([], old[1:], [*old, old[0]]))
    item: Any = None
    for _ in range(rng.randint(1, 4)):
        item = changed(rng, item, part, name)
    return [*old, item]
