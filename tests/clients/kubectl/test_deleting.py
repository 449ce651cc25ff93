"""`delete` in all its forms: what is gone, in which order, and what stays."""

from __future__ import annotations

import json

import pytest

from tests.clients.kubectl.programs import Kubectl
from tools.lab.cluster import eventually

SECONDS_MAX = 30.0


def deployment(kubectl: Kubectl, name: str) -> None:
    kubectl("create", "deployment", name, "--image=busybox:lab", "--replicas=1", "--", "hold")
    kubectl("wait", f"deployment/{name}", "--for=condition=Available", "--timeout=60s")


def owned(kubectl: Kubectl, name: str) -> list[str]:
    return kubectl.names("rs,pods", "-l", f"app={name}")


@pytest.mark.proves("delete --cascade=background")
def test_in_the_background_the_owned_follow(kubectl: Kubectl) -> None:
    deployment(kubectl, "back")
    assert kubectl("delete", "deployment", "back").startswith('deployment.apps "back" deleted')
    assert kubectl.names("deploy", "--field-selector", "metadata.name=back") == []
    eventually(lambda: not owned(kubectl, "back"), SECONDS_MAX, "the owned are gone")


@pytest.mark.proves("delete --cascade=foreground", "delete --wait=false")
def test_in_the_foreground_the_owner_goes_last(kubectl: Kubectl) -> None:
    deployment(kubectl, "front")
    pod = owned(kubectl, "front")[0]
    kubectl("patch", pod, "-p", '{"metadata":{"finalizers":["swarmlet.io/held"]}}')
    kubectl("delete", "deployment", "front", "--cascade=foreground", "--wait=false")
    metadata = kubectl.get("deploy", "front")["metadata"]
    assert metadata["finalizers"] == ["foregroundDeletion"]
    assert "deletionTimestamp" in metadata
    eventually(lambda: "deletionTimestamp" in kubectl.get(pod)["metadata"], SECONDS_MAX, "the Pod is on its way")
    assert kubectl.names("deploy", "--field-selector", "metadata.name=front") == ["deployment.apps/front"]
    kubectl("patch", pod, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    kubectl.there("wait", "deployment/front", "--for=delete", "--timeout=30s")
    assert owned(kubectl, "front") == []


@pytest.mark.proves("delete --cascade=orphan")
def test_orphans_stay_and_are_nobodys(kubectl: Kubectl) -> None:
    deployment(kubectl, "left")
    kubectl("delete", "deployment", "left", "--cascade=orphan")
    replica_set = kubectl.get("rs", "-l", "app=left")["items"][0]
    assert "ownerReferences" not in replica_set["metadata"]
    assert kubectl.path("pods", "-l", "app=left", path="{.items[0].metadata.ownerReferences[0].kind}") == "ReplicaSet"
    kubectl("delete", "rs", "-l", "app=left")


@pytest.mark.proves("delete with finalizers")
def test_a_finalizer_holds_what_is_deleted(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "held")
    kubectl("patch", "configmap", "held", "-p", '{"metadata":{"finalizers":["swarmlet.io/held"]}}')
    kubectl("delete", "configmap", "held", "--wait=false")
    assert "deletionTimestamp" in kubectl.get("configmap", "held")["metadata"]
    refused = kubectl("patch", "configmap", "held", "-p", '{"metadata":{"finalizers":["swarmlet.io/more"]}}', code=1)
    assert "no new finalizers can be added if the object is being deleted" in refused
    kubectl("patch", "configmap", "held", "--type=json", "-p", '[{"op":"remove","path":"/metadata/finalizers"}]')
    assert "NotFound" in kubectl.there("get", "configmap", "held", code=1)


@pytest.mark.proves("delete --all", "delete -l", "delete --field-selector", "delete -f", "delete --dry-run")
@pytest.mark.proves("delete --ignore-not-found", "deletecollection")
def test_many_at_once(kubectl: Kubectl) -> None:
    def made(*names: str) -> None:
        items = [
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": each, "labels": {"name": each}}}
            for each in names
        ]
        kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    made("a", "b", "c", "d", "e")
    kubectl("delete", "secrets", "-l", "name in (a,b)")
    assert kubectl.names("secrets") == ["secret/c", "secret/d", "secret/e"]
    kubectl("delete", "secrets", "--field-selector", "metadata.name=c")
    assert "(server dry run)" in kubectl("delete", "secret", "d", "--dry-run=server")
    kubectl("delete", "-f", "-", stdin='{"apiVersion":"v1","kind":"Secret","metadata":{"name":"d"}}')
    assert kubectl.names("secrets") == ["secret/e"]
    assert kubectl("delete", "secret", "none", "--ignore-not-found") == ""
    assert "NotFound" in kubectl("delete", "secret", "none", code=1)
    made("f")
    path = f"/api/v1/namespaces/{kubectl.namespace}/secrets?labelSelector=name%3Df"
    kubectl("delete", "--raw", path)
    assert kubectl.names("secrets") == ["secret/e"]
    kubectl("delete", "secrets", "--all")
    assert kubectl.names("secrets") == []


@pytest.mark.proves("delete --grace-period", "delete --now", "delete --force")
def test_a_pod_gets_its_time_or_none(kubectl: Kubectl) -> None:
    stubborn = (
        "--image=busybox:lab",
        "--restart=Never",
        "--command",
        "--",
        "sh",
        "-c",
        "trap '' TERM; sleep 600 & wait; sleep 600",
    )
    for name in ("soon", "forced"):
        kubectl("run", name, *stubborn)
        kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    kubectl("delete", "pod", "soon", "--grace-period=300", "--wait=false")
    assert kubectl.path("pod", "soon", path="{.metadata.deletionGracePeriodSeconds}") == "300"
    kubectl("delete", "pod", "soon", "--now")
    assert kubectl.names("pods", "--field-selector", "metadata.name=soon") == []
    ended = kubectl.ended("delete", "pod", "forced", "--force", "--grace-period=0")
    assert "Immediate deletion does not wait for confirmation" in ended.errors
    assert kubectl.names("pods", "--field-selector", "metadata.name=forced") == []
