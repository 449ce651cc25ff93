"""`swarmlet auth reconcile` beside the official kubectl's, on the same API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Cluster

BEFORE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default, labels: {mine: old}}
rules:
- {apiGroups: [""], resources: [pods], verbs: [get, list]}
- {apiGroups: [""], resources: [secrets], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: User, name: ann, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: viewers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: Group, name: all, apiGroup: rbac.authorization.k8s.io}]
"""
AFTER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default, labels: {mine: new, more: said}}
rules:
- {apiGroups: ["", apps], resources: [pods, services], verbs: [get, watch]}
- {apiGroups: [""], resources: [configmaps], resourceNames: [a, b], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- {kind: User, name: bob, apiGroup: rbac.authorization.k8s.io}
- {kind: ServiceAccount, name: web, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: viewers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: Group, name: all, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: far, namespace: SPACE}
rules: [{nonResourceURLs: [], apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: new}
rules: [{nonResourceURLs: [/metrics, /healthz], verbs: [get]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: passed-over, namespace: default}
"""


def state(cluster: Cluster) -> list[Any]:
    """Return what is there, without what differs from time to time."""
    found = [
        json.loads(cluster.ok("get", "role,rolebinding", "-A", "-o", "json"))["items"],
        json.loads(
            cluster.ok("get", "clusterrole/new", "clusterrolebinding/viewers", "--ignore-not-found", "-o", "json")
        )["items"],
    ]
    kept = ("name", "namespace", "labels", "annotations")
    return [
        {**each, "metadata": {key: value for key, value in each["metadata"].items() if key in kept}}
        for each in (*found[0], *found[1])
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--remove-extra-permissions", "--remove-extra-subjects"],
        ["--dry-run=client", "--remove-extra-permissions"],
        ["-o", "name"],
    ],
    ids=" ".join,
)
def test_it_does_and_tells_what_kubectl_does(cluster: Cluster, flags: list[str]) -> None:
    before, after = cluster.folder / "before.yaml", cluster.folder / "after.yaml"
    before.write_text(BEFORE, encoding="utf-8")
    done = []
    for run, space in ((cluster.run, "ours"), (cluster.kubectl, "theirs")):
        after.write_text(AFTER.replace("SPACE", space), encoding="utf-8")
        cluster.ok("create", "-f", str(before))
        first, again = (run("auth", "reconcile", "-f", str(after), *flags) for _ in range(2))
        done.append(
            (
                first.code,
                first.out,
                first.err,
                again.code,
                again.out,
                again.err,
                str(state(cluster)).replace(space, "space"),
            )
        )
        cluster.ok("delete", "-f", str(before))
        cluster.run("delete", "clusterrole", "new")
        cluster.run("delete", "role", "far", "-n", space)
        assert (cluster.run("get", "ns", space).code == 0) == ("--dry-run=client" not in flags)
    assert done[0] == done[1]


def test_a_subject_without_its_group_is_not_added_twice(cluster: Cluster) -> None:
    path = cluster.folder / "binding.yaml"
    path.write_text(BEFORE.split("---")[1].replace(", apiGroup: rbac.authorization.k8s.io}]", "}]"), encoding="utf-8")
    for told in ("create", ""):
        result = cluster.run("auth", "reconcile", "-f", str(path))
        assert (result.code, "required create" in result.err) == (0, bool(told))
    assert len(json.loads(cluster.ok("get", "rolebinding/readers", "-o", "json"))["subjects"]) == 1
