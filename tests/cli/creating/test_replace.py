"""`swarmlet replace` and `swarmlet diff -f`: files against what is there."""

from __future__ import annotations

import json

import pytest

from tests.cli import objects
from tests.cli.conftest import Cluster


@pytest.fixture(autouse=True)
def _web(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cluster.folder)
    (cluster.folder / "web.yaml").write_text(objects.WEB, encoding="utf-8")
    cluster.ok("apply", "-f", "web.yaml")
    (cluster.folder / "new.yaml").write_text(objects.WEB.replace("busybox:1.36", "busybox:1.37"), encoding="utf-8")


def image(cluster: Cluster) -> str:
    found = json.loads(cluster.ok("get", "deploy/web", "-o", "json"))
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def test_an_object_becomes_what_the_file_says(cluster: Cluster) -> None:
    assert cluster.ok("replace", "-f", "new.yaml", "--dry-run=server") == (
        "deployment.apps/web replaced (server dry run)\n"
    )
    assert image(cluster) == "busybox:1.36"
    assert cluster.ok("replace", "-f", "new.yaml") == "deployment.apps/web replaced\n"
    assert image(cluster) == "busybox:1.37"


def test_what_is_not_there_is_not_replaced(cluster: Cluster) -> None:
    cluster.ok("delete", "-f", "web.yaml", "--wait=false")
    assert cluster.run("replace", "-f", "web.yaml").code == 3


def test_an_older_revision_is_a_conflict(cluster: Cluster) -> None:
    (cluster.folder / "got.json").write_text(cluster.ok("get", "deploy/web", "-o", "json"), encoding="utf-8")
    cluster.ok("scale", "deploy/web", "--replicas=5")
    assert cluster.run("replace", "-f", "got.json").code == 4


def test_force_makes_another_object_of_that_name(cluster: Cluster) -> None:
    before = json.loads(cluster.ok("get", "deploy/web", "-o", "json"))["metadata"]["uid"]
    told = cluster.ok("replace", "--force", "-f", "new.yaml")
    assert told == 'deployment.apps "web" deleted from default namespace\ndeployment.apps/web replaced\n'
    assert json.loads(cluster.ok("get", "deploy/web", "-o", "json"))["metadata"]["uid"] != before


def test_a_file_is_put_as_it_is(cluster: Cluster) -> None:
    document = json.loads(cluster.ok("get", "deploy/web", "-o", "json"))
    document["spec"]["replicas"] = 7
    (cluster.folder / "got.json").write_text(json.dumps(document), encoding="utf-8")
    path = "/apis/apps/v1/namespaces/default/deployments/web"
    assert json.loads(cluster.ok("replace", f"--raw={path}", "-f", "got.json"))["spec"]["replicas"] == 7


def test_diff_shows_what_applying_files_would_change(cluster: Cluster) -> None:
    assert cluster.ok("diff", "-f", "web.yaml") == ""
    result = cluster.run("diff", "-f", "new.yaml")
    assert result.code == 1
    changed = [line for line in result.lines if line.startswith(("+", "-"))]
    assert changed[:2] == ["--- LIVE/apps.v1.Deployment.default.web", "+++ MERGED/apps.v1.Deployment.default.web"]
    assert [line.split() for line in changed[-2:]] == [
        ["-", "image:", "busybox:1.36"],
        ["+", "image:", "busybox:1.37"],
    ]
    assert image(cluster) == "busybox:1.36"


def test_diff_shows_what_would_be_made(cluster: Cluster) -> None:
    (cluster.folder / "cm.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n", encoding="utf-8"
    )
    result = cluster.run("diff", "-f", "cm.yaml")
    assert (result.code, "+++ MERGED/v1.ConfigMap.default.c" in result.lines) == (1, True)
    assert cluster.run("get", "cm", "c").code == 3


def test_diff_shows_what_the_server_would_merge(cluster: Cluster) -> None:
    asked = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 5}\n"
    (cluster.folder / "part.yaml").write_text(asked, encoding="utf-8")
    flags = ["-f", "part.yaml", "--server-side", "--field-manager=me"]
    conflict = cluster.run("diff", *flags)
    assert (conflict.code, ".spec.replicas" in conflict.err) == (4, True)
    shown = cluster.run("diff", *flags, "--force-conflicts")
    changed = [line.split() for line in shown.lines[2:] if line[0] in "+-"]
    assert ["+", "replicas:", "5"] in changed
    assert not any("image:" in line for line in changed)
    assert json.loads(cluster.ok("get", "deploy/web", "-o", "json"))["spec"]["replicas"] == 2


def test_diff_takes_what_a_selector_finds(cluster: Cluster) -> None:
    assert cluster.ok("diff", "-f", "new.yaml", "-l", "app=other") == ""
    assert cluster.run("diff", "-f", "new.yaml", "-l", "app=web").code == 1


def test_diff_keeps_secrets(cluster: Cluster) -> None:
    cluster.ok("create", "secret", "generic", "s", "--from-literal=a=old")
    (cluster.folder / "s.yaml").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: bmV3}\n", encoding="utf-8"
    )
    told = cluster.run("diff", "-f", "s.yaml").out
    assert ("bmV3" in told, "*** (before)" in told, "*** (after)" in told) == (False, True, True)
    assert "bmV3" in cluster.run("diff", "-f", "s.yaml", "--show-secrets").out


@pytest.mark.parametrize(
    "line",
    [
        "diff -f web.yaml 12",
        "diff 12 -l app=web",
        "diff -f web.yaml --force-conflicts",
        "replace",
        "replace --raw=/a",
        "replace -f web.yaml --cascade=x",
    ],
)
def test_what_cannot_be_meant_is_refused(cluster: Cluster, line: str) -> None:
    assert cluster.run(*line.split()).code == 2
