"""`rollout` on all that rolls out: what runs afterwards, and which revision it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.kubectl.programs import Kubectl
from tools.lab.cluster import eventually

STATUS = ("--timeout=60s",)


def manifest(kind: str, name: str, **spec: Any) -> str:
    container = {"name": "main", "image": "busybox:lab", "command": ["hold"]}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    document = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template} | spec,
    }
    return json.dumps(document)


def images(kubectl: Kubectl, app: str) -> set[str]:
    pods = kubectl.get("pods", "-l", f"app={app}")["items"]
    return {each["spec"]["containers"][0]["image"] for each in pods if "deletionTimestamp" not in each["metadata"]}


@pytest.fixture(scope="module")
def rolled(kubectl: Kubectl) -> Iterator[Kubectl]:
    kubectl.apply(manifest("Deployment", "web", replicas=2))
    kubectl("rollout", "status", "deployment/web", *STATUS)
    yield kubectl
    kubectl("delete", "deployment/web")


@pytest.mark.proves("rollout status", "rollout history", "rollout history --revision", "rollout undo")
def test_a_deployment_goes_on_and_back(rolled: Kubectl) -> None:
    rolled("set", "image", "deployment/web", "main=busybox:lab2")
    rolled("annotate", "deployment/web", "kubernetes.io/change-cause=newer")
    told = rolled.there("rollout", "status", "deployment/web", *STATUS)
    assert 'deployment "web" successfully rolled out' in told
    assert images(rolled, "web") == {"busybox:lab2"}
    history = rolled.there("rollout", "history", "deployment/web").splitlines()
    assert [line.split() for line in history[2:4]] == [["1", "<none>"], ["2", "newer"]]
    assert "Image:\tbusybox:lab\n" in rolled.there("rollout", "history", "deployment/web", "--revision=1")
    assert "rolled back" in rolled("rollout", "undo", "deployment/web", "--to-revision=1")
    rolled("rollout", "status", "deployment/web", *STATUS)
    assert images(rolled, "web") == {"busybox:lab"}
    revision = rolled.path("deploy", "web", path=r"{.metadata.annotations.deployment\.kubernetes\.io/revision}")
    assert revision == "3"
    assert "unable to find specified revision 9" in rolled(
        "rollout", "undo", "deployment/web", "--to-revision=9", code=1
    )


@pytest.mark.proves("rollout pause", "rollout resume", "rollout restart")
def test_a_paused_one_waits_and_a_restarted_one_is_new(rolled: Kubectl) -> None:
    assert "paused" in rolled("rollout", "pause", "deployment/web")
    before = set(rolled.names("rs", "-l", "app=web"))
    rolled("set", "env", "deployment/web", "PAUSED=yes")
    assert "can't restart paused deployment" in rolled("rollout", "restart", "deployment/web", code=1)
    generation = rolled.path("deploy", "web", path="{.metadata.generation}")
    rolled("wait", "deployment/web", f"--for=jsonpath={{.status.observedGeneration}}={generation}", "--timeout=30s")
    assert set(rolled.names("rs", "-l", "app=web")) == before
    assert "resumed" in rolled("rollout", "resume", "deployment/web")
    rolled("rollout", "status", "deployment/web", *STATUS)
    assert len(set(rolled.names("rs", "-l", "app=web")) - before) == 1
    pods = set(rolled.names("pods", "-l", "app=web", "--field-selector", "status.phase=Running"))
    assert "restarted" in rolled("rollout", "restart", "deployment/web")
    rolled("rollout", "status", "deployment/web", *STATUS)
    eventually(lambda: not pods & set(rolled.names("pods", "-l", "app=web")), 30, "the old Pods are gone")


@pytest.mark.long_clients
@pytest.mark.parametrize(("kind", "name"), [("StatefulSet", "db"), ("DaemonSet", "each")])
@pytest.mark.proves("rollout (StatefulSet, DaemonSet)")
def test_sets_go_on_and_back_by_their_revisions(kubectl: Kubectl, kind: str, name: str) -> None:
    kubectl.apply(manifest(kind, name, **({"replicas": 1, "serviceName": name} if kind == "StatefulSet" else {})))
    target = f"{kind.lower()}/{name}"
    kubectl("rollout", "status", target, *STATUS)
    kubectl("set", "image", target, "main=busybox:lab2")
    kubectl.there("rollout", "status", target, *STATUS)
    assert images(kubectl, name) == {"busybox:lab2"}
    history = kubectl.there("rollout", "history", target).splitlines()
    assert [line.split()[0] for line in history[2:4]] == ["1", "2"]
    assert len(kubectl.names("controllerrevisions", "-l", f"app={name}")) == 2
    assert "rolled back" in kubectl("rollout", "undo", target)
    kubectl("rollout", "status", target, *STATUS)
    assert images(kubectl, name) == {"busybox:lab"}
    kubectl("rollout", "restart", target)
    kubectl("rollout", "status", target, *STATUS)
    stamp = kubectl.path(target, path=r"{.spec.template.metadata.annotations.kubectl\.kubernetes\.io/restartedAt}")
    assert stamp
    kubectl("delete", target)
