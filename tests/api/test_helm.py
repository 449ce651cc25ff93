"""Helm 3 and 4, unmodified, with a chart of the usual shape, against a daemon on the process runtime."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.lone_daemon import LoneDaemon, lone_daemon

pytestmark = pytest.mark.slow
CHART = str(Path(__file__).parents[1] / "charts" / "web")
WAIT = ("--wait", "--timeout", "30s")
UNDO = {"helm-3": "--atomic", "helm-4": "--rollback-on-failure"}
KINDS = "deploy,svc,secret,pvc,hpa,job,pod"
"""Of which a new namespace has none."""


class Helm:
    """One Helm in a namespace of its own."""

    def __init__(self, daemon: LoneDaemon, program: str) -> None:
        self.daemon = daemon
        self.program = program
        self.namespace = program

    def __call__(self, *words: str, code: int = 0) -> str:
        done = self.daemon.run(self.program, *words, "--namespace", self.namespace)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return (done.stdout + done.stderr).decode()

    def install(self, *values: str) -> str:
        return self("install", "shop", CHART, "--create-namespace", *WAIT, *set_to(*values))

    def upgrade(self, *words: str, values: tuple[str, ...] = (), code: int = 0) -> str:
        return self("upgrade", "shop", CHART, *words, *set_to(*values), code=code)

    def history(self) -> list[tuple[int, str]]:
        return [(each["revision"], each["status"]) for each in json.loads(self("history", "shop", "-o", "json"))]

    def get(self, *words: str) -> Any:
        return json.loads(self.daemon.kubectl("get", *words, "-n", self.namespace, "-o", "json"))


def set_to(*values: str) -> list[str]:
    return [word for value in values for word in ("--set", value)]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneDaemon]:
    with lone_daemon(tmp_path_factory.mktemp("daemon")) as daemon:
        yield daemon


@pytest.fixture(params=["helm-3", "helm-4"])
def helm(daemon: LoneDaemon, request: pytest.FixtureRequest) -> Iterator[Helm]:
    helm = Helm(daemon, request.param)
    yield helm
    daemon.run(helm.program, "uninstall", "shop", "--namespace", helm.namespace, "--no-hooks")
    daemon.kubectl("delete", "namespace", helm.namespace, "--ignore-not-found")


def test_a_release_lives_from_install_to_uninstall(helm: Helm) -> None:
    assert "STATUS: deployed" in helm.install()
    found = {(each["kind"], each["metadata"]["name"]): each for each in helm.get(KINDS)["items"]}
    assert found["Deployment", "shop"]["status"]["readyReplicas"] >= 1, "it waited"
    assert found["Deployment", "shop"]["spec"]["template"]["spec"]["serviceAccountName"] == "shop"
    assert helm.get("sa/shop")["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    assert found["PersistentVolumeClaim", "shop"]["status"]["phase"] == "Bound"
    assert found["HorizontalPodAutoscaler", "shop"]["spec"]["minReplicas"] == 2
    assert found["Secret", "sh.helm.release.v1.shop.v1"]["type"] == "helm.sh/release.v1"
    assert ("Job", "shop-migrate") not in found, "the hook has run, and is gone"
    assert "cannot re" in helm("install", "shop", CHART, code=1), "the name is in use"
    (listed,) = json.loads(helm("list", "-o", "json"))
    assert (listed["name"], listed["status"], listed["revision"]) == ("shop", "deployed", "1")
    assert "Phase:          Succeeded" in helm("test", "shop")

    helm.upgrade(*WAIT, values=("greeting=hi",))
    assert helm.get("cm/shop")["data"] == {"greeting": "hi"}
    assert helm.get("deploy/shop")["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    helm("rollback", "shop", "1", *WAIT)
    assert helm.get("cm/shop")["data"] == {"greeting": "hello"}
    assert helm.history() == [(1, "superseded"), (2, "superseded"), (3, "deployed")]

    helm("uninstall", "shop", "--wait")
    left = {(each["kind"], each["metadata"]["name"]) for each in helm.get(KINDS)["items"]}
    assert {each for each in left if each[0] != "Pod"} == set()


def test_what_fails_is_taken_back(helm: Helm) -> None:
    helm.install("test=exit 3")
    helm("test", "shop", code=1)
    undone = helm.upgrade(
        UNDO[helm.program], "--wait", "--timeout", "3s", values=("ready=false", "greeting=oh"), code=1
    )
    assert "has been rolled back due to" in undone
    assert helm.get("cm/shop")["data"] == {"greeting": "hello"}
    assert helm.history() == [(1, "superseded"), (2, "failed"), (3, "deployed")]
    assert "pre-upgrade hooks failed" in helm.upgrade("--timeout", "20s", values=("hook=exit 3",), code=1)
    assert helm.history()[-1] == (4, "failed")


def test_a_kind_that_is_not_served_is_named(helm: Helm) -> None:
    extra = 'extra={"apiVersion":"example.com/v1","kind":"Chair","metadata":{"name":"x"}}'
    refused = helm("install", "shop", CHART, "--set-json", extra, code=1)
    assert 'no matches for kind "Chair" in version "example.com/v1"' in refused


def test_a_trial_makes_nothing(helm: Helm) -> None:
    helm.daemon.kubectl("create", "namespace", helm.namespace)
    assert "STATUS: pending-install" in helm("install", "shop", CHART, "--dry-run=server")
    assert helm.get(KINDS)["items"] == []
