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
    document.pop("status", None)  # kubectl writes zeros there, which no server takes
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
        "service clusterip web --tcp=80:8080 --tcp=443",
        "service clusterip web --clusterip=None",
        "service nodeport web --tcp=80:http --node-port=30080",
        "service loadbalancer web --tcp=80",
        "svc externalname db --external-name=db.example.com",
        "role reader --verb=get,list --verb=watch --resource=pods,pods/log --resource=deploy.apps --resource-name=web",
        "clusterrole reader --verb=get --resource=nodes --non-resource-url=/logs/*",
        "clusterrole urls --verb=get --non-resource-url=/metrics",
        "clusterrole all --aggregation-rule=a.example/b=true",
        "rolebinding readers --role=reader --user=ann --user=bob --group=g --serviceaccount=shop:web",
        "rolebinding readers --clusterrole=view",
        "clusterrolebinding viewers --clusterrole=view --group=support",
        "serviceaccount web",
        "sa web",
        "quota small --hard=pods=10,requests.cpu=4 --scopes=BestEffort",
        "poddisruptionbudget web --selector=app=web,tier=front --min-available=2",
        "pdb web --selector=app=web --max-unavailable=25%",
        "priorityclass high --value=1000 --global-default=true --description=d --preemption-policy=Never",
        "pc low --value=-5",
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


def test_a_token_is_asked_for_and_printed_alone(cluster: Cluster) -> None:
    result = cluster.run("create", "token", "nobody", "--duration=10m")
    assert (result.code, result.out) == (3, "")
    assert 'serviceaccounts "nobody" not found' in result.err


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
        ("create service clusterip web", "at least one --tcp port"),
        ("create service nodeport web --tcp=70000", "each 1 to 65535"),
        ("create role r --verb=get", "at least one resource"),
        ("create role r --resource=pods", "at least one verb"),
        ("create role r --verb=get --resource=pots", "did you mean pods"),
        ("create rolebinding r --role=a --clusterrole=b", "exactly one of --clusterrole and --role"),
        ("create clusterrolebinding r --clusterrole=a --serviceaccount=web", "allowed: NAMESPACE:NAME"),
        ("create clusterrole r --verb=get --aggregation-rule=a=b", "excludes --verb"),
        ("create quota q --hard=pods", "allowed: KEY=VALUE"),
        ("create pdb p --selector=a=b", "one of --min-available and --max-unavailable"),
        ("create token t --bound-object-kind=Pod", "go together"),
        ("create ingress web --rule=a/=b:80", "Ingress is not served"),
    ],
)
def test_what_cannot_be_meant_is_refused(cluster: Cluster, line: str, complaint: str) -> None:
    result = cluster.run(*line.split())
    assert result.code in (1, 2)
    assert complaint in result.err
