"""`swarmlet create` makes what kubectl makes."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
import yaml

from tests.cli import objects
from tests.cli.conftest import Cluster


@pytest.fixture(autouse=True)
def _files(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cluster.folder)
    folder = cluster.folder / "folder"
    folder.mkdir()
    (folder / "app.ini").write_text("[a]\nb = c\n", encoding="utf-8")
    (folder / "logo.bin").write_bytes(b"\xff\x00\xfe")
    (cluster.folder / "vars.env").write_text("# who\nWHO=me\n\n  WHERE=a=b\n", encoding="utf-8")
    (cluster.folder / "web.yaml").write_text(objects.WEB, encoding="utf-8")


def bare(text: str) -> Any:
    """Return a document without the empty objects that Go writes for what is not said."""

    def without(value: Any) -> Any:
        if not isinstance(value, dict):
            return [without(each) for each in value] if isinstance(value, list) else value
        found = {key: without(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each not in ({}, None)}

    document = without(yaml.safe_load(text))
    if document["metadata"].get("namespace") == "default":
        del document["metadata"]["namespace"]
    return document


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "namespace shop",
        "deployment web --image=registry.example/team/web:1.2 --replicas=3 --port=80",
        "deployment web --image=web --image=side@sha256:00",
        "deploy web --image=busybox -- sleep 100",
        "job once --image=busybox -- date -u",
        "cronjob nightly --image=busybox '--schedule=0 3 * * *' -- date",
        "cronjob nightly --image=busybox '--schedule=0 3 * * *' --restart=Never",
        "configmap c --from-literal=a=1 --from-literal=b=x=y --from-file=folder --from-file=k=folder/app.ini",
        "cm c --from-env-file=vars.env",
        "cm c",
        "secret generic s --from-literal=a='q' --from-file=folder/logo.bin --type=example.com/x",
        "secret docker-registry r --docker-username=u --docker-password=p --docker-email=e@x --docker-server=r.example",
        "secret docker-registry r --docker-username=u --docker-password=p",
    ],
)
def test_the_object_is_kubectls(cluster: Cluster, line: str) -> None:
    command = ["create", *shlex.split(line)]
    at = command.index("--") if "--" in command else len(command)
    command[at:at] = ["--dry-run=client", "-o", "yaml"]
    assert bare(cluster.ok(*command)) == bare(cluster.kubectl(*command).out)


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "create namespace shop",
        "create deployment web --image=web:1 --dry-run=client",
        "create configmap c --from-literal=a=1 --dry-run=server",
        "create secret generic s --from-literal=a=1 --dry-run=server -o name",
        "create -f web.yaml --dry-run=server",
    ],
)
def test_it_is_told_as_kubectl_tells_it(cluster: Cluster, line: str) -> None:
    theirs = cluster.kubectl(*line.split(), *([] if "dry-run" in line else ["--dry-run=server"]))
    ours = cluster.run(*line.split(), *([] if "dry-run" in line else ["--dry-run=server"]))
    assert (ours.out, ours.err) == (theirs.out, theirs.err)


def test_it_is_created_in_the_namespace_that_is_named(cluster: Cluster) -> None:
    assert cluster.ok("create", "cm", "c", "--from-literal=a=1", "-n", "other") == "configmap/c created\n"
    assert json.loads(cluster.ok("get", "cm", "c", "-n", "other", "-o", "json"))["data"] == {"a": "1"}
    assert cluster.run("get", "cm", "c").code == 3


def test_what_is_there_is_not_created_again(cluster: Cluster) -> None:
    assert cluster.ok("create", "-f", "web.yaml") == "deployment.apps/web created\n"
    assert cluster.run("create", "-f", "web.yaml").code == 4


def test_a_certificate_and_its_key_are_a_secret_of_their_type(cluster: Cluster) -> None:
    assert cluster.ok("create", "secret", "tls", "t", "--cert=vars.env", "--key=web.yaml").startswith(
        "secret/t created"
    )
    made = json.loads(cluster.ok("get", "secret", "t", "-o", "json"))
    assert (made["type"], sorted(made["data"])) == ("kubernetes.io/tls", ["tls.crt", "tls.key"])


def test_a_job_is_started_by_hand(cluster: Cluster) -> None:
    cluster.ok("create", "cronjob", "nightly", "--image=busybox", "--schedule=0 3 * * *", "--", "date")
    assert cluster.ok("create", "job", "now", "--from=cronjob/nightly") == "job.batch/now created\n"
    made = json.loads(cluster.ok("get", "job", "now", "-o", "json"))
    assert made["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert made["metadata"]["ownerReferences"][0]["name"] == "nightly"
    assert made["spec"]["template"]["spec"]["containers"][0]["command"] == ["date"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("create cm c --from-literal=a", "expected key=value"),
        ("create cm c --from-literal=a=1 --from-literal=a=2", "already exists"),
        ("create cm c --from-literal=a/b=1", "not a valid key name"),
        ("create cm c --from-literal=a=1 --from-env-file=vars.env", "cannot be combined"),
        ("create cm c --from-file=nowhere", "error reading nowhere"),
        ("create job j", "either --image or --from"),
        ("create deployment web", "--image"),
        ("create deployment web --image=a --dry-run=maybe", "allowed: none, client, server"),
    ],
)
def test_what_cannot_be_meant_is_refused(cluster: Cluster, line: str, complaint: str) -> None:
    result = cluster.run(*line.split())
    assert result.code in (1, 2)
    assert complaint in result.err
