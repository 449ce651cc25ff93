"""What `kubectl create`, `run`, `expose` and `autoscale` make of their options, as another machine has it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from tests.clients.kubectl.programs import Kubectl
from tools.lab.cluster import eventually

IMAGE = "--image=busybox:lab"
HOLD = ("--", "hold")


def decoded(text: str) -> str:
    return base64.b64decode(text).decode()


@pytest.mark.proves("create namespace")
def test_a_namespace(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace}-more"
    assert kubectl("create", "namespace", name) == f"namespace/{name} created\n"
    assert kubectl.path("namespace", name, path="{.status.phase}") == "Active"
    assert kubectl("delete", "namespace", name) == f'namespace "{name}" deleted\n'
    assert kubectl.names("namespace", "--field-selector", f"metadata.name={name}") == []


@pytest.mark.proves("create configmap")
def test_a_config_map_of_literals_files_and_an_environment(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("läuft\n")
    (tmp_path / "bytes").write_bytes(b"\xff\x00")
    (tmp_path / "env").write_text("# what for\nA=1\nB=two words\n")
    files = (f"--from-file={tmp_path}/text", f"--from-file=raw={tmp_path}/bytes")
    kubectl("create", "configmap", "files", "--from-literal=one=1", *files)
    found = kubectl.get("configmap", "files")
    assert found["data"] == {"one": "1", "text": "läuft\n"}
    assert base64.b64decode(found["binaryData"]["raw"]) == b"\xff\x00"
    kubectl("create", "configmap", "env", f"--from-env-file={tmp_path}/env")
    assert kubectl.get("configmap", "env")["data"] == {"A": "1", "B": "two words"}


@pytest.mark.proves("create secret")
def test_secrets_of_each_type(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("create", "secret", "generic", "plain", "--from-literal=user=me", "--type=swarmlet.io/test")
    plain = kubectl.get("secret", "plain")
    assert (plain["type"], decoded(plain["data"]["user"])) == ("swarmlet.io/test", "me")
    login = ("--docker-server=registry.test", "--docker-username=u", "--docker-password=p")
    kubectl("create", "secret", "docker-registry", "login", *login)
    found = kubectl.get("secret", "login")
    assert found["type"] == "kubernetes.io/dockerconfigjson"
    assert '"registry.test":{"username":"u","password":"p"' in decoded(found["data"][".dockerconfigjson"])
    user = yaml.safe_load(kubectl.cluster.kubeconfig.read_text())["users"][0]["user"]
    for name in ("certificate", "key"):
        (tmp_path / name).write_bytes(base64.b64decode(user[f"client-{name}-data"]))
    kubectl("create", "secret", "tls", "pair", f"--cert={tmp_path}/certificate", f"--key={tmp_path}/key")
    pair = kubectl.get("secret", "pair")
    assert (pair["type"], sorted(pair["data"])) == ("kubernetes.io/tls", ["tls.crt", "tls.key"])


@pytest.mark.proves("create deployment", "expose", "autoscale")
def test_a_deployment_that_is_exposed_and_scaled_by_itself(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", IMAGE, "--replicas=2", "--port=8080", *HOLD)
    spec = kubectl.get("deployment", "web")["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (spec["replicas"], container["command"], container["ports"][0]["containerPort"]) == (2, ["hold"], 8080)
    kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=60s")

    assert kubectl("expose", "deployment", "web", "--port=80") == "service/web exposed\n"
    service = kubectl.get("service", "web")["spec"]
    assert service["selector"] == {"app": "web"}
    assert service["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    (slice_,) = kubectl.get("endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
    assert len(slice_["endpoints"]) == 2

    kubectl("autoscale", "deployment", "web", "--min=2", "--max=5", "--cpu-percent=80")
    scaler = kubectl.get("hpa", "web")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"], scaler["scaleTargetRef"]["name"]) == (2, 5, "web")
    (metric,) = scaler["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    kubectl("delete", "deploy,svc,hpa", "web")


@pytest.mark.proves("create job", "create cronjob")
def test_a_cron_job_and_a_job_of_it(kubectl: Kubectl) -> None:
    kubectl("create", "cronjob", "daily", IMAGE, "--schedule=0 0 1 1 *", "--", "echo", "done")
    kubectl("create", "job", "now", "--from=cronjob/daily")
    kubectl("wait", "job/now", "--for=condition=Complete", "--timeout=60s")
    job = kubectl.get("job", "now")
    assert job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert job["metadata"]["ownerReferences"][0]["name"] == "daily"
    kubectl("create", "job", "own", IMAGE, "--", "true")
    kubectl("wait", "job/own", "--for=condition=Complete", "--timeout=60s")
    assert kubectl.path("job", "own", path="{.status.succeeded}") == "1"
    kubectl("delete", "cronjob,job", "--all")


@pytest.mark.proves("create service")
def test_services_of_each_type(kubectl: Kubectl) -> None:
    kubectl("create", "service", "clusterip", "inner", "--tcp=80:8080")
    kubectl("create", "service", "clusterip", "headless", "--clusterip=None")
    kubectl("create", "service", "nodeport", "node", "--tcp=80:8080", "--node-port=31987")
    kubectl("create", "service", "loadbalancer", "outer", "--tcp=18080:8080")
    kubectl("create", "service", "externalname", "other", "--external-name=example.test")
    specs = {each["metadata"]["name"]: each["spec"] for each in kubectl.get("services")["items"]}
    types = {name: spec["type"] for name, spec in specs.items()}
    assert types == {
        "inner": "ClusterIP",
        "headless": "ClusterIP",
        "node": "NodePort",
        "outer": "LoadBalancer",
        "other": "ExternalName",
    }
    assert specs["headless"]["clusterIP"] == "None"
    assert specs["node"]["ports"][0]["nodePort"] == 31987
    assert specs["inner"]["ports"][0] | {"name": ""} == {"name": "", "port": 80, "protocol": "TCP", "targetPort": 8080}
    kubectl("delete", "services", "--all")


@pytest.mark.proves("create role", "create rolebinding", "create clusterrole", "create clusterrolebinding")
@pytest.mark.proves("create serviceaccount", "create token", "auth can-i --as")
def test_an_account_that_may_what_it_is_bound_to(kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "app")
    assert kubectl("create", "token", "app", "--duration=10m").count(".") == 2
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,deployments.apps")
    account = f"{kubectl.namespace}:app"
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={account}")
    cluster_wide = f"reader-{kubectl.namespace}"
    kubectl("create", "clusterrole", cluster_wide, "--verb=get", "--resource=nodes")
    kubectl(
        "create", "clusterrolebinding", cluster_wide, f"--clusterrole={cluster_wide}", f"--serviceaccount={account}"
    )
    as_app = ("--as", f"system:serviceaccount:{account}")
    for words, answer in (
        (("list", "deployments.apps"), "yes\n"),
        (("get", "nodes"), "yes\n"),
        (("delete", "pods"), "no\n"),
    ):
        assert kubectl.ended("auth", "can-i", *words, *as_app, node="h3").out == answer, words
    refused = kubectl("get", "secrets", *as_app, code=1)
    assert f'User "system:serviceaccount:{account}" cannot list resource "secrets"' in refused
    kubectl("delete", "clusterrole,clusterrolebinding", cluster_wide)


@pytest.mark.proves("create quota", "create poddisruptionbudget", "create priorityclass")
def test_bounds(kubectl: Kubectl) -> None:
    kubectl("create", "quota", "few", "--hard=pods=40,configmaps=50")
    assert kubectl.get("quota", "few")["spec"]["hard"] == {"pods": "40", "configmaps": "50"}
    kubectl("create", "pdb", "most", "--selector=app=web", "--min-available=1")
    assert kubectl.get("pdb", "most")["spec"] == {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    name = f"{kubectl.namespace}-high"
    kubectl("create", "priorityclass", name, "--value=1000", "--description=first of all")
    found = kubectl.get("priorityclass", name)
    assert (found["value"], found["description"], found["preemptionPolicy"]) == (
        1000,
        "first of all",
        "PreemptLowerPriority",
    )
    kubectl("delete", "priorityclass", name)
    kubectl("delete", "quota,pdb", "--all")


@pytest.mark.proves("create -f", "create --dry-run", "create --validate")
def test_manifests(kubectl: Kubectl) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: drawn-}\ndata: {a: '1'}\n"
    drawn = kubectl("create", "-f", "-", "-o", "name", stdin=manifest).strip()
    assert drawn.startswith("configmap/drawn-")
    assert kubectl.names("configmap", drawn.partition("/")[2]) == [drawn]
    named = manifest.replace("generateName: drawn-", "name: named")
    for dry, told in (("client", "dry run"), ("server", "server dry run")):
        said = kubectl("create", "-f", "-", f"--dry-run={dry}", stdin=named)
        assert said == f"configmap/named created ({told})\n"
    assert "NotFound" in kubectl.there("get", "configmap", "named", code=1)
    wrong = named.replace("\ndata:", "\ndaat:")
    assert 'unknown field "daat"' in kubectl("create", "-f", "-", code=1, stdin=wrong)
    assert "configmap/named created" in kubectl("create", "-f", "-", "--validate=ignore", stdin=wrong)
    assert "AlreadyExists" in kubectl("create", "-f", "-", code=1, stdin=named)


@pytest.mark.proves("run", "logs -f to the end")
def test_run_makes_a_pod_of_its_options(kubectl: Kubectl) -> None:
    kubectl("run", "once", IMAGE, "--restart=Never", "--env=WHO=me", "--labels=app=once,tier=test", "--", "env")
    kubectl("wait", "pod/once", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    pod = kubectl.get("pod", "once")
    assert pod["metadata"]["labels"] == {"app": "once", "tier": "test"}
    assert "WHO=me" in kubectl.there("logs", "once").splitlines()
    kubectl("run", "slow", IMAGE, "--restart=Never", "--", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done")
    eventually(lambda: kubectl.path("pod", "slow", path="{.status.containerStatuses[0].containerID}"), 60, "it began")
    assert kubectl.there("logs", "-f", "slow") == "1\n2\n3\n"
    kubectl("run", "open", IMAGE, "--port=8080", "--expose", "--command", *HOLD)
    assert kubectl.get("service", "open")["spec"]["selector"] == {"run": "open"}
    kubectl("delete", "pod/once", "pod/slow", "pod/open", "service/open", "--now")


@pytest.mark.proves("create ingress", refused="the kind is not served")
def test_what_is_not_served_is_refused_in_words(kubectl: Kubectl) -> None:
    refused = kubectl("create", "ingress", "no", "--rule=host/path=svc:80", code=1)
    assert "the server could not find the requested resource" in refused
