"""Who one is and what one may, and an account's own kubeconfig."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.clients.kubectl.programs import Kubectl


@pytest.mark.proves("auth whoami")
def test_whoami_tells_user_and_groups(kubectl: Kubectl) -> None:
    told = json.loads(kubectl.there("auth", "whoami", "-o", "json"))["status"]["userInfo"]
    assert "system:masters" in told["groups"]
    assert "Username" in kubectl.there("auth", "whoami")


@pytest.mark.proves("auth can-i", "auth can-i --list")
def test_can_i_answers_by_word_and_code(kubectl: Kubectl) -> None:
    assert kubectl.there("auth", "can-i", "delete", "nodes") == "yes\n"
    kubectl("create", "serviceaccount", "nobody")
    as_nobody = ("--as", f"system:serviceaccount:{kubectl.namespace}:nobody")
    assert kubectl.there("auth", "can-i", "list", "secrets", *as_nobody, code=1).startswith("no")
    listed = kubectl.there("auth", "can-i", "--list", *as_nobody)
    assert "selfsubjectaccessreviews.authorization.k8s.io" in listed
    assert "pods" not in listed.split()


@pytest.mark.proves("auth reconcile")
def test_reconcile_adds_what_is_missing(kubectl: Kubectl) -> None:
    def role(*verbs: str) -> str:
        rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": list(verbs)}]
        metadata = {"name": "grown", "namespace": kubectl.namespace}
        identity = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata}
        return json.dumps(identity | {"rules": rules})

    kubectl.apply(role("get"))
    kubectl("auth", "reconcile", "-f", "-", stdin=role("list"))
    verbs = {verb for rule in kubectl.get("role", "grown")["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list"}


@pytest.mark.proves("create token", "config", "--token")
def test_a_token_is_good_on_every_machine_for_what_its_account_may(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("create", "serviceaccount", "reader")
    kubectl("create", "role", "reader", "--verb=get,list,watch", "--resource=configmaps")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={kubectl.namespace}:reader")
    token = kubectl("create", "token", "reader").strip()
    document = yaml.safe_load(kubectl.cluster.kubeconfig.read_text())
    document["users"] = []
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    kubectl("config", "set-credentials", "reader", f"--token={token}", KUBECONFIG=str(path))
    kubectl("config", "set-context", "--current", "--user=reader", KUBECONFIG=str(path))
    for node in ("h1", "h2", "h3"):
        assert "kube-root-ca.crt" in kubectl("get", "configmaps", node=node, KUBECONFIG=str(path))
    refused = kubectl("get", "secrets", code=1, KUBECONFIG=str(path))
    assert 'cannot list resource "secrets" in API group "" in the namespace' in refused
    wrong = kubectl("get", "configmaps", "--token=wrong", code=1, KUBECONFIG=str(path))
    assert "You must be logged in to the server" in wrong


@pytest.mark.proves("certificate", refused="certificates are given out by `swarmlet token` and `swarmlet kubeconfig`")
def test_there_are_no_signing_requests(kubectl: Kubectl) -> None:
    refused = kubectl("certificate", "approve", "me", code=1)
    assert "the server doesn't have a resource type" in refused
