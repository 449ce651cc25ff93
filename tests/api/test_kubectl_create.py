"""The official kubectls create without a file: their bodies are protobuf."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp.test_utils import TestServer

from tests.api import test_service_accounts
from tests.api.conftest import Api, DirectReplica
from tests.api.documents import DEPLOYMENTS, NAMESPACES, deployment
from tests.api.test_kubectl import KUBECTL, Kubectl, api, listening

__all__ = ["api", "listening"]  # fixtures
pytestmark = pytest.mark.slow
DEFAULT = f"{NAMESPACES}/default"
BATCH = "/apis/batch/v1/namespaces/default"


@pytest.fixture(params=["kubectl", "kubectl-1.32"])
def kubectl(listening: TestServer, tmp_path: Path, request: pytest.FixtureRequest) -> Kubectl:
    return Kubectl(str(listening.make_url("")).rstrip("/"), tmp_path, KUBECTL.with_name(request.param))


async def found(api: Api, path: str) -> Any:
    code, document = await api.read("GET", path)
    assert code == 200, document
    return document


async def test_a_deployment_and_what_belongs_to_it(kubectl: Kubectl, api: Api) -> None:
    words = ("create", "deployment", "web", "--image=web:1", "--replicas=0", "--port=8080", "--", "sleep", "1")
    assert await kubectl(*words) == "deployment.apps/web created\n"
    web = await found(api, f"{DEPLOYMENTS}/web")
    assert (web["spec"]["replicas"], web["spec"]["selector"]) == (0, {"matchLabels": {"app": "web"}})
    (container,) = web["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["command"]) == ("web:1", ["sleep", "1"])
    assert container["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]
    assert web["spec"]["strategy"]["type"] == "RollingUpdate", "and the defaults are filled in"
    await kubectl("expose", "deployment", "web", "--port=80", "--target-port=http")
    service = await found(api, f"{DEFAULT}/services/web")
    assert service["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": "http"}]
    await kubectl("create", "poddisruptionbudget", "web", "--selector=app=web", "--max-unavailable=0")
    budget = await found(api, "/apis/policy/v1/namespaces/default/poddisruptionbudgets/web")
    assert budget["spec"] == {"selector": {"matchLabels": {"app": "web"}}, "maxUnavailable": 0}


@pytest.mark.parametrize(
    ("program", "share"),
    [("kubectl", "--cpu=80%"), ("kubectl-1.34", "--cpu=80%"), ("kubectl-1.32", "--cpu-percent=80")],
)
async def test_an_autoscaler(listening: TestServer, tmp_path: Path, api: Api, program: str, share: str) -> None:
    """Before 1.34 kubectl makes one of autoscaling/v1, in protobuf."""
    kubectl = Kubectl(str(listening.make_url("")).rstrip("/"), tmp_path, KUBECTL.with_name(program))
    await api.read("POST", DEPLOYMENTS, json=deployment())
    await kubectl("autoscale", "deployment", "web", "--min=1", "--max=5", share)
    assert "cpu: <unknown>/80%" in await kubectl("get", "horizontalpodautoscalers.v1.autoscaling", "web")
    scaler = await found(api, "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/web")
    target = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (1, 5)
    assert scaler["spec"]["metrics"] == [{"type": "Resource", "resource": target}]


async def test_jobs_and_a_job_of_a_cron_job(kubectl: Kubectl, api: Api) -> None:
    await kubectl("create", "job", "once", "--image=busybox", "--", "date")
    once = await found(api, f"{BATCH}/jobs/once")
    assert once["spec"]["template"]["spec"]["containers"][0]["command"] == ["date"]
    assert once["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    await kubectl("create", "cronjob", "nightly", "--image=busybox", "--schedule=0 3 * * *", "--", "date")
    nightly = await found(api, f"{BATCH}/cronjobs/nightly")
    assert nightly["spec"]["schedule"] == "0 3 * * *"
    await kubectl("create", "job", "now", "--from=cronjob/nightly")
    now = await found(api, f"{BATCH}/jobs/now")
    assert now["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert now["metadata"]["ownerReferences"][0]["uid"] == nightly["metadata"]["uid"]


async def test_settings_and_secrets_keep_their_bytes(kubectl: Kubectl, api: Api) -> None:
    (kubectl.home / "blob").write_bytes(bytes(range(256)))
    await kubectl(
        "create", "configmap", "conf", "--from-literal=a=ä", "--from-literal=empty=", f"--from-file={kubectl.home}/blob"
    )
    conf = await found(api, f"{DEFAULT}/configmaps/conf")
    assert conf["data"] == {"a": "ä", "empty": ""}
    assert conf["binaryData"]["blob"].startswith("AAECAwQF")
    await kubectl("create", "secret", "generic", "key", "--from-literal=password=hunter2", "--from-literal=none=")
    assert (await found(api, f"{DEFAULT}/secrets/key"))["data"] == {"password": "aHVudGVyMg==", "none": ""}
    login = ("--docker-server=r.example", "--docker-username=u", "--docker-password=p")
    await kubectl("create", "secret", "docker-registry", "login", *login)
    assert (await found(api, f"{DEFAULT}/secrets/login"))["type"] == "kubernetes.io/dockerconfigjson"


async def test_what_belongs_to_a_namespace_or_to_none(kubectl: Kubectl, api: Api) -> None:
    await kubectl("create", "namespace", "team")
    assert (await found(api, f"{NAMESPACES}/team"))["status"] == {"phase": "Active"}
    await kubectl(
        "create", "quota", "small", "-n", "team", "--hard=pods=2,requests.cpu=500m", "--scopes=NotTerminating"
    )
    quota = await found(api, f"{NAMESPACES}/team/resourcequotas/small")
    assert quota["spec"] == {"hard": {"pods": "2", "requests.cpu": "500m"}, "scopes": ["NotTerminating"]}
    await kubectl("create", "priorityclass", "high", "--value=1000", "--description=first", "--preemption-policy=Never")
    high = await found(api, "/apis/scheduling.k8s.io/v1/priorityclasses/high")
    assert (high["value"], high["description"], high["preemptionPolicy"]) == (1000, "first", "Never")


@pytest.mark.parametrize(
    ("words", "spec"),
    [
        (
            ("clusterip", "s", "--tcp=80:8080"),
            {"type": "ClusterIP", "ports": [{"name": "80-8080", "port": 80, "protocol": "TCP", "targetPort": 8080}]},
        ),
        (("externalname", "s", "--external-name=a.example"), {"type": "ExternalName", "externalName": "a.example"}),
        (("clusterip", "s", "--clusterip=None"), {"type": "ClusterIP", "clusterIP": "None"}),
    ],
)
async def test_services(kubectl: Kubectl, api: Api, words: tuple[str, ...], spec: dict[str, Any]) -> None:
    await kubectl("create", "service", *words)
    service = await found(api, f"{DEFAULT}/services/s")
    assert service["spec"].items() >= spec.items()
    assert service["spec"]["selector"] == {"app": "s"}


async def test_accounts_and_what_they_may(kubectl: Kubectl, api: Api) -> None:
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    await kubectl("create", "serviceaccount", "robot")
    assert (await found(api, f"{DEFAULT}/serviceaccounts/robot"))["metadata"]["name"] == "robot"
    await kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,deployments.apps")
    role = await found(api, f"{rbac}/namespaces/default/roles/reader")
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]},
    ]
    await kubectl("create", "rolebinding", "robot", "--role=reader", "--serviceaccount=default:robot")
    binding = await found(api, f"{rbac}/namespaces/default/rolebindings/robot")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}]
    await kubectl("create", "clusterrole", "all", "--verb=get", "--non-resource-url=/metrics")
    assert (await found(api, f"{rbac}/clusterroles/all"))["rules"] == [
        {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}
    ]
    await kubectl("create", "clusterrolebinding", "all", "--clusterrole=all", "--user=jane", "--group=staff")
    assert len((await found(api, f"{rbac}/clusterrolebindings/all"))["subjects"]) == 2


async def test_a_token(kubectl: Kubectl, replica: DirectReplica) -> None:
    test_service_accounts.found(replica)
    await kubectl("create", "serviceaccount", "robot")
    token = await kubectl("create", "token", "robot", "--duration=1h", "--audience=here")
    claims = jwt.decode(token.strip(), options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == ("system:serviceaccount:default:robot", ["here"])
    assert claims["exp"] - claims["iat"] == 3600


async def test_a_pod_that_run_makes(kubectl: Kubectl, api: Api) -> None:
    await kubectl("run", "one", "--image=web:1", "--env=A=b", "--labels=x=y", "--port=80", "--restart=Never")
    one = await found(api, f"{DEFAULT}/pods/one")
    assert (one["metadata"]["labels"], one["spec"]["restartPolicy"]) == ({"x": "y"}, "Never")
    assert one["spec"]["containers"][0]["env"] == [{"name": "A", "value": "b"}]


async def test_what_may_i_do_and_who_am_i(kubectl: Kubectl) -> None:
    assert await kubectl("auth", "can-i", "create", "deployments") == "yes\n"
    assert "system:masters" in await kubectl("auth", "whoami")
    assert "*.*" in await kubectl("auth", "can-i", "--list")


async def test_errors_and_trials_are_as_in_json(kubectl: Kubectl, api: Api) -> None:
    assert "created (server dry run)" in await kubectl("create", "configmap", "conf", "--dry-run=server")
    assert (await api.read("GET", f"{DEFAULT}/configmaps/conf"))[0] == 404
    await kubectl("create", "configmap", "conf")
    assert '"conf" already exists' in await kubectl("create", "configmap", "conf", code=1)
    refused = await kubectl("create", "deployment", "web", "--image= ", code=1)
    assert "spec.template.spec.containers[0].image" in refused
    assert 'namespaces "nowhere" not found' in await kubectl("create", "configmap", "c", "-n", "nowhere", code=1)
