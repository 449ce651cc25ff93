"""`swarmlet set env`, `resources`, `serviceaccount`, `selector` and `subject`, beside kubectl on the same objects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli import objects
from tests.cli.conftest import Cluster


@pytest.fixture(autouse=True)
def _world(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cluster.folder)
    (cluster.folder / "web.yaml").write_text(objects.WEB, encoding="utf-8")
    cluster.ok("apply", "-f", "web.yaml")
    cluster.ok("create", "cronjob", "nightly", "--image=busybox:1", "--schedule=0 3 * * *")
    cluster.ok("create", "secret", "generic", "db", "--from-literal=user=u", "--from-literal=pass-word=p")
    cluster.ok("create", "configmap", "db", "--from-literal=host=h")
    cluster.ok("create", "service", "clusterip", "web", "--tcp=80")
    cluster.ok("create", "rolebinding", "readers", "--clusterrole=view", "--user=ann")


def spec(text: str) -> Any:
    """Return what a printed object asks for, without the empty objects that Go writes for what is not said."""

    def without(value: Any) -> Any:
        if not isinstance(value, dict):
            return (
                sorted(map(without, value), key=lambda each: json.dumps(each, sort_keys=True))
                if isinstance(value, list)
                else value
            )
        found = {key: without(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each not in ({}, None)}

    document = without(json.loads(text))
    return document.get("spec") or document["subjects"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "set env deploy/web MODE=fast SIZE=1=2",
        "set env deploy/web cronjob/nightly MODE=fast",
        "set env deploy/web --from=secret/db --prefix=DB_",
        "set env cronjob/nightly --from=configmap/db -c night*",
        "set env -f web.yaml --local MODE=fast",
        "set resources deploy/web --limits=cpu=200m,memory=64Mi --requests=cpu=100m",
        "set resources deploy,cronjobs --all --requests=cpu=100m",
        "set serviceaccount deploy/web builder",
        "set sa -f web.yaml --local builder",
        "set selector service/web app=other,tier=x",
        "set subject rolebinding/readers --user=ann --user=bob --group=g --serviceaccount=shop:web",
        "set image -f web.yaml --local *=web:2",
    ],
)
def test_it_makes_and_tells_what_kubectl_does(cluster: Cluster, line: str) -> None:
    dry = [] if "--local" in line else ["--dry-run=server"]
    ours, theirs = cluster.run(*line.split(), *dry), cluster.kubectl(*line.split(), *dry)
    assert (ours.out, sorted(ours.err.splitlines())) == (theirs.out, sorted(theirs.err.splitlines()))
    if "," not in line.split(" --", maxsplit=1)[0] and "cronjob/nightly M" not in line:
        ours, theirs = (run(*line.split(), *dry, "-o", "json") for run in (cluster.run, cluster.kubectl))
        assert spec(ours.out) == spec(theirs.out)


@pytest.mark.slow
def test_variables_are_listed_as_kubectl_lists_them(cluster: Cluster) -> None:
    cluster.ok("set", "env", "deploy/web", "MODE=fast")
    cluster.run("set", "env", "deploy/web", "--from=secret/db")
    for line in ("set env deploy/web --list", "set env deploy/web --list --resolve"):
        assert cluster.ok(*line.split()) == cluster.kubectl(*line.split()).out


def test_a_variable_is_set_anew_and_removed(cluster: Cluster) -> None:
    cluster.ok("set", "env", "deploy/web", "A=1", "B=2")
    cluster.run("set", "env", "deploy/web", "--from=secret/db", "--prefix=DB_")
    cluster.ok("set", "env", "deploy/web", "A-", "DB_USER=me", "NEW=x")
    found = json.loads(cluster.ok("get", "deploy/web", "-o", "json"))["spec"]["template"]["spec"]["containers"][0]
    values = {each["name"]: each.get("value") for each in found["env"]}
    assert values == {"B": "2", "DB_PASS_WORD": None, "DB_USER": "me", "NEW": "x"}


def test_labels_of_a_file_are_changed_without_a_server(cluster: Cluster) -> None:
    printed = cluster.run("label", "-f", "web.yaml", "--local", "tier=front", "-o", "json", "--socket=/nowhere").out
    assert json.loads(printed)["metadata"]["labels"]["tier"] == "front"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("set env deploy/web", "at least one environment variable"),
        ("set env deploy/web A=1 --list", "goes with no change"),
        ("set env deploy/web A=1 -c other", 'any containers matching "other"'),
        ("set env deploy/web --from=deploy/web", "allowed: secret/NAME, configmap/NAME"),
        ("set env deploy/web --from=secret/db --keys=host", "has no key host; it has pass-word, user"),
        ("set resources deploy/web", "requests or limits"),
        ("set resources deploy/web --limits=cpu", "allowed: KEY=VALUE"),
        ("set serviceaccount deploy/web", "serviceaccount is required"),
        ("set selector deploy/web a=b", "only supported for Services"),
        ("set subject deploy/web --user=a", "only supported for RoleBindings"),
        ("set subject rolebinding/readers", "at least one value of user"),
        ("set image deploy/web main=web:2 --local", "name them with -f"),
    ],
)
def test_what_cannot_be_is_refused(cluster: Cluster, line: str, complaint: str) -> None:
    result = cluster.run(*line.split())
    assert result.code in (1, 2)
    assert complaint in result.err


def test_no_value_is_overwritten_that_must_not_be(cluster: Cluster) -> None:
    cluster.ok("set", "env", "deploy/web", "A=1")
    result = cluster.run("set", "env", "deploy/web", "A=2", "--overwrite=false")
    assert (result.code, result.err) == (1, "error: 'A' already has a value (1), and --overwrite is false\n")
