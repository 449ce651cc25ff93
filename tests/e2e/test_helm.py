"""A chart of the usual shape by Helm, on three machines: Helm 3 installs it, Helm 4 goes on with it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.spaces import Space, space
from tools.lab.cluster import BIN, Cluster

CHART = str(Path(__file__).parents[1] / "charts" / "web")
SPACE = "helm-e2e"
WAIT = ("--wait", "--timeout", "60s")
SERVE = "trap exit TERM; mkdir -p /w; echo $GREETING > /w/index.html; httpd -f -p 8080 -h /w & wait"
VALUES = {
    "image": "busybox:lab",
    "command": ["sh", "-c", SERVE],
    "ready": "wget -q -O /dev/null http://127.0.0.1:8080",
    "test": "wget -q -O - http://shop | grep -x hello",
}


class Helm:
    """Run on the first machine, as a user would."""

    def __init__(self, there: Space, values: Path) -> None:
        self.there = there
        self.values = ("--values", str(values))

    def __call__(self, program: str, *words: str, code: int = 0) -> str:
        cluster = self.there.cluster
        daemon = next(iter(cluster))
        env = dict(os.environ, HOME=str(cluster.lab.folder), KUBECONFIG=str(cluster.kubeconfig))
        server = ("--kube-apiserver", f"https://{daemon.machine.address}:7600", "--namespace", self.there.name)
        done = daemon.machine.run(str(BIN / program), *words, *server, env=env, check=False, seconds=120)
        assert done.returncode == code, (program, words, done.stdout, done.stderr)
        return done.stdout + done.stderr


@pytest.fixture
def helm(cluster: Cluster, tmp_path: Path) -> Iterator[Helm]:
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps(VALUES), encoding="utf-8")
    with space(cluster, SPACE) as there:
        yield Helm(there, values)


def test_a_release_is_installed_tried_upgraded_undone_and_gone(helm: Helm) -> None:
    there = helm.there
    assert "STATUS: deployed" in helm("helm-3", "install", "shop", CHART, *helm.values, *WAIT)
    assert there.get("pvc", "shop")["status"]["phase"] == "Bound"
    assert "Phase:          Succeeded" in helm("helm-3", "test", "shop"), "the Service answers under its name"

    helm("helm-4", "upgrade", "shop", CHART, *helm.values, *WAIT, "--set", "greeting=hi")
    address = there.get("service", "shop")["spec"]["clusterIP"]
    assert set(there.fetched("h2", [f"http://{address}"], times=4)) == {"hi"}
    failing = ("--set", "ready=false", "--set", "greeting=oh", "--rollback-on-failure", "--wait", "--timeout", "5s")
    assert "rolled back" in helm("helm-4", "upgrade", "shop", CHART, *helm.values, *failing, code=1)
    assert set(there.fetched("h3", [f"http://{address}"], times=4)) == {"hi"}, "nobody has noticed"
    helm("helm-4", "rollback", "shop", "1", *WAIT)
    assert "Phase:          Succeeded" in helm("helm-4", "test", "shop")

    history = json.loads(helm("helm-4", "history", "shop", "-o", "json"))
    assert [each["status"] for each in history] == ["superseded", "superseded", "failed", "superseded", "deployed"]
    helm("helm-4", "uninstall", "shop", *WAIT)
    assert json.loads(there.kubectl("get", "deploy,svc,pvc,hpa,pod,secret", "-o", "json"))["items"] == []
