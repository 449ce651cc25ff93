"""A chart of the usual shape by Helm, on three machines: installed, tried, upgraded, undone and gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.helm.conftest import Helm

CHART = str(Path(__file__).parents[2] / "charts" / "web")
WAIT = ("--wait", "--timeout", "60s")
FAILING = ("--set", "ready=false", "--set", "greeting=oh", "--wait", "--timeout", "5s")
ROLL_BACK = {"helm-3": "--atomic", "helm-4": "--rollback-on-failure"}
"""What each calls it to take a failed upgrade back."""
CLIENTS = {"helm-3": "helm 3.17", "helm-4": "helm 4.3"}
VERBS = (
    "install --wait",
    "install --dry-run=server",
    "list",
    "status",
    "get all",
    "test",
    "upgrade",
    "upgrade --install",
    "upgrade, rolled back on failure",
    "rollback",
    "history",
    "uninstall",
    "uninstall --keep-history",
)


def statuses(helm: Helm, program: str) -> list[str]:
    history: list[dict[str, Any]] = json.loads(helm(program, "history", "shop", "-o", "json"))
    return [each["status"] for each in history]


def objects(helm: Helm) -> list[str]:
    items = json.loads(helm.there.kubectl("get", "deploy,svc,pvc,hpa,pod,secret", "-o", "json"))["items"]
    return [f"{each['kind']}/{each['metadata']['name']}" for each in items]


@pytest.mark.proves("install --wait", "test", client="helm 3.17")
@pytest.mark.proves("upgrade, rolled back on failure", "upgrade", "rollback", "test", client="helm 4.3")
@pytest.mark.proves("history", "uninstall", client="helm 4.3")
def test_a_release_of_one_helm_goes_on_with_the_other(helm: Helm) -> None:
    there = helm.there
    assert "STATUS: deployed" in helm("helm-3", "install", "shop", CHART, *helm.values, *WAIT)
    assert there.get("pvc", "shop")["status"]["phase"] == "Bound"
    assert "Phase:          Succeeded" in helm("helm-3", "test", "shop"), "the Service answers under its name"

    helm("helm-4", "upgrade", "shop", CHART, *helm.values, *WAIT, "--set", "greeting=hi")
    address = there.get("service", "shop")["spec"]["clusterIP"]
    assert set(there.fetched("h2", [f"http://{address}"], times=4)) == {"hi"}
    failing = (*helm.values, *FAILING, ROLL_BACK["helm-4"])
    assert "rolled back" in helm("helm-4", "upgrade", "shop", CHART, *failing, code=1)
    assert set(there.fetched("h3", [f"http://{address}"], times=4)) == {"hi"}, "nobody has noticed"
    helm("helm-4", "rollback", "shop", "1", *WAIT)
    assert "Phase:          Succeeded" in helm("helm-4", "test", "shop")

    assert statuses(helm, "helm-4") == ["superseded", "superseded", "failed", "superseded", "deployed"]
    helm("helm-4", "uninstall", "shop", *WAIT)
    assert objects(helm) == []


@pytest.mark.long_clients
@pytest.mark.parametrize(
    "program", [pytest.param(each, marks=pytest.mark.proves(*VERBS, client=CLIENTS[each])) for each in CLIENTS]
)
def test_one_helm_does_all_there_is(helm: Helm, program: str) -> None:
    there = helm.there
    dry = helm(program, "install", "shop", CHART, *helm.values, "--dry-run=server")
    assert "kind: Deployment" in dry
    assert objects(helm) == []
    helm(program, "upgrade", "--install", "shop", CHART, *helm.values, *WAIT)
    (listed,) = json.loads(helm(program, "list", "-o", "json"))
    assert (listed["name"], listed["revision"], listed["status"]) == ("shop", "1", "deployed")
    assert json.loads(helm(program, "status", "shop", "-o", "json"))["info"]["status"] == "deployed"
    assert "kind: PersistentVolumeClaim" in helm(program, "get", "all", "shop")
    assert "Phase:          Succeeded" in helm(program, "test", "shop")

    helm(program, "upgrade", "shop", CHART, *helm.values, *WAIT, "--set", "greeting=hi")
    failed = helm(program, "upgrade", "shop", CHART, *helm.values, *FAILING, ROLL_BACK[program], code=1)
    assert "rolled back" in failed
    address = there.get("service", "shop")["spec"]["clusterIP"]
    assert set(there.fetched("h2", [f"http://{address}"], times=4)) == {"hi"}
    helm(program, "rollback", "shop", "1", *WAIT)
    assert statuses(helm, program) == ["superseded", "superseded", "failed", "superseded", "deployed"]

    helm(program, "uninstall", "shop", "--keep-history", *WAIT)
    assert {each.partition("/")[0] for each in objects(helm)} == {"Secret"}, "the history alone"
    helm(program, "rollback", "shop", "1", *WAIT)
    assert "Deployment/shop" in objects(helm)
    helm(program, "uninstall", "shop", *WAIT)
    assert objects(helm) == []
