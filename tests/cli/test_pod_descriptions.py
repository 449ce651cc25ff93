"""What `describe` tells of variables, mounts and volumes."""

from __future__ import annotations

from typing import Any

from swarmlet.cli.descriptions import kinds as descriptions


def described(container: dict[str, Any], **spec: Any) -> str:
    pod = {
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "shop"}},
        "spec": {"containers": [{"name": "main", "image": "web:1", **container}], "nodeName": "one", **spec},
        "status": {"podIP": "10.1.0.7"},
    }
    return "\n".join(descriptions.rendered(descriptions.describe(pod)))


def test_variables_are_told_with_where_they_come_from() -> None:
    env = [
        {"name": "PLAIN", "value": "text"},
        {"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['app']"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "0"}}},
    ]
    told = described({"env": env, "resources": {"limits": {"cpu": "1500m"}}})
    for line in (
        "PLAIN:   text",
        "MAP:     <set to the key 'k' of config map 'c'>  Optional: false",
        "SECRET:  <set to the key 'k' in secret 's'>  Optional: true",
        "NODE:    one (v1:spec.nodeName)",
        "APP:     shop (v1:metadata.labels['app'])",
        "CPU:     1500 (limits.cpu)",
        "MEMORY:  node allocatable (limits.memory)",
    ):
        assert f"      {line}\n" in told


def test_whole_sources_are_told_with_their_prefix() -> None:
    whole = [{"prefix": "P_", "configMapRef": {"name": "c"}}, {"secretRef": {"name": "s", "optional": True}}]
    told = described({"envFrom": whole})
    assert "      c:  ConfigMap with prefix 'P_'  Optional: false\n" in told
    assert "      s:  Secret  Optional: true\n" in told


def test_mounts_are_told_with_their_part() -> None:
    mounts = [
        {"name": "v", "mountPath": "/data", "subPath": "part"},
        {"name": "v", "mountPath": "/all", "readOnly": True},
    ]
    told = described({"volumeMounts": mounts})
    assert '/data from v (rw,path="part")\n' in told
    assert "/all from v (ro)\n" in told


def test_volumes_are_told_as_kubectl_does() -> None:
    volumes = [
        {"name": "e", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "c", "configMap": {"name": "m"}},
        {"name": "d", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"name": "p", "projected": {"sources": [{"secret": {"name": "s"}}, {"downwardAPI": {}}]}},
        {"name": "h", "hostPath": {"path": "/srv", "type": "Directory"}},
    ]
    told = described({}, volumes=volumes)
    for lines in (
        (
            "  e:\n    Type:       EmptyDir (a temporary directory that shares a pod's lifetime)\n"
            "    Medium:\n    SizeLimit:  1Gi\n"
        ),
        "  c:\n    Type:      ConfigMap (a volume populated by a ConfigMap)\n    Name:      m\n    Optional:  false\n",
        "    Items:  metadata.labels -> labels\n",
        "    SecretName:   s\n    Optional:     false\n    DownwardAPI:  true\n",
        "    Path:          /srv\n    HostPathType:  Directory\n",
    ):
        assert lines in told
