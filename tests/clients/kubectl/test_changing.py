"""`set`, `patch`, `label`, `annotate` and `scale`: what each changes, and what it refuses to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.kubectl.programs import Kubectl


@pytest.fixture(scope="module")
def web(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A Deployment of no Pods: what is looked at is what is written."""
    kubectl("create", "deployment", "web", "--image=busybox:lab", "--replicas=0", "--port=80", "--", "hold")
    yield kubectl
    kubectl("delete", "deployment", "web")


def container(kubectl: Kubectl) -> dict[str, Any]:
    found: dict[str, Any] = kubectl.get("deploy", "web")["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.proves("set image", "set env", "set resources", "set serviceaccount")
def test_set_changes_the_template(web: Kubectl) -> None:
    web("set", "image", "deployment/web", "busybox=busybox:lab2")
    web("create", "configmap", "settings", "--from-literal=LEVEL=high")
    web("set", "env", "deployment/web", "WHO=me", "GONE=1")
    web("set", "env", "deployment/web", "--from=configmap/settings", "GONE-")
    web("set", "resources", "deployment", "web", "--limits=cpu=200m,memory=64Mi", "--requests=cpu=100m")
    web("set", "serviceaccount", "deployment", "web", "default")
    found = container(web)
    assert found["image"] == "busybox:lab2"
    assert found["resources"] == {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "100m"}}
    source = {"configMapKeyRef": {"name": "settings", "key": "LEVEL"}}
    assert found["env"] == [{"name": "WHO", "value": "me"}, {"name": "LEVEL", "valueFrom": source}]
    assert "LEVEL from configmap settings, key LEVEL" in web.there("set", "env", "deployment/web", "--list")
    assert web.path("deploy", "web", path="{.spec.template.spec.serviceAccountName}") == "default"


@pytest.mark.proves("set selector", "set subject")
def test_set_changes_who_is_meant(web: Kubectl) -> None:
    web("create", "service", "clusterip", "web", "--tcp=80")
    web("set", "selector", "service/web", "app=other")
    assert web.get("service", "web")["spec"]["selector"] == {"app": "other"}
    web("create", "role", "reader", "--verb=get", "--resource=pods")
    web("create", "rolebinding", "reader", "--role=reader", "--user=one")
    web("set", "subject", "rolebinding", "reader", "--user=two", f"--serviceaccount={web.namespace}:default")
    subjects = {(each["kind"], each["name"]) for each in web.get("rolebinding", "reader")["subjects"]}
    assert subjects == {("User", "one"), ("User", "two"), ("ServiceAccount", "default")}


@pytest.mark.proves("patch --type=strategic", "patch --type=merge", "patch --type=json", "patch --subresource")
def test_patches_of_each_type(web: Kubectl) -> None:
    def patch(kind: str, document: Any, *words: str, code: int = 0) -> str:
        return web("patch", "deploy", "web", f"--type={kind}", "-p", json.dumps(document), *words, code=code)

    added = {"name": "side", "image": "busybox:lab"}
    assert "patched" in patch("strategic", {"spec": {"template": {"spec": {"containers": [added]}}}})
    containers = web.get("deploy", "web")["spec"]["template"]["spec"]["containers"]
    assert sorted(each["name"] for each in containers) == ["busybox", "side"], "merged by name"
    gone = {"name": "side", "$patch": "delete"}
    patch("strategic", {"spec": {"template": {"spec": {"containers": [gone]}}}})
    patch("merge", {"metadata": {"annotations": {"a": "1", "b": "2"}}})
    patch("merge", {"metadata": {"annotations": {"a": None}}})
    patch("json", [{"op": "add", "path": "/metadata/annotations/c~1d", "value": "3"}])
    annotations = web.get("deploy", "web")["metadata"]["annotations"]
    assert {name: annotations.get(name) for name in ("a", "b", "c/d")} == {"a": None, "b": "2", "c/d": "3"}
    failed = patch("json", [{"op": "test", "path": "/spec/replicas", "value": 7}], code=1)
    assert failed.startswith("The request is invalid: "), failed
    assert "patched (no change)" in patch("merge", {"metadata": {"annotations": {"b": "2"}}})
    patch("merge", {"spec": {"replicas": 1}}, "--subresource=scale")
    assert web.path("deploy", "web", path="{.spec.replicas}") == "1"
    refused = patch("merge", {"spec": {"replicas": -1}}, code=1)
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in refused
    patch("merge", {"spec": {"replicas": 0}})


@pytest.mark.proves("label", "label --overwrite", "label --list", "annotate")
def test_labels_and_annotations(web: Kubectl) -> None:
    assert web("label", "deploy/web", "tier=one") == "deployment.apps/web labeled\n"
    assert "already has a value (one), and --overwrite is false" in web("label", "deploy/web", "tier=two", code=1)
    web("label", "deploy/web", "tier=two", "--overwrite")
    assert "tier=two" in web.there("label", "deploy/web", "--list").split()
    web("label", "deploy", "-l", "tier=two", "tier-")
    assert "tier" not in web.get("deploy", "web")["metadata"]["labels"]
    assert "invalid label value" in web("label", "deploy/web", "bad=-", code=1)
    web("annotate", "deploy/web", "why=because of you")
    assert web.path("deploy", "web", path="{.metadata.annotations.why}") == "because of you"
    web("annotate", "deploy/web", "why-")
    assert web.path("deploy", "web", path="{.metadata.annotations.why}") == ""


@pytest.mark.proves("scale", "scale --current-replicas", "scale --resource-version")
def test_scales_with_their_preconditions(web: Kubectl) -> None:
    words = ("scale", "deployment/web")
    assert "Expected replicas to be 5, was 0" in web(*words, "--replicas=1", "--current-replicas=5", code=1)
    assert web(*words, "--replicas=1", "--current-replicas=0") == "deployment.apps/web scaled\n"
    old = web.path("deploy", "web", path="{.metadata.resourceVersion}")
    web("annotate", "deploy/web", "changed=yes")
    assert "Expected resource version" in web(*words, "--replicas=2", f"--resource-version={old}", code=1)
    replica_set = web.names("rs", "-l", "app=web")[0]
    assert "scaled" in web("scale", replica_set, "--replicas=0")
    scale = web.raw(f"/apis/apps/v1/namespaces/{web.namespace}/deployments/web/scale")
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 1}, "app=web")
    web(*words, "--replicas=0")
