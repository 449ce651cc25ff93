"""Acting as others with kubectl's own flags, and Secrets that hold an account's token."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.clients.kubectl.programs import Kubectl
from tools.lab.cluster import eventually

SECONDS_MAX = 20.0
TOKEN_SECRET = """
apiVersion: v1
kind: Secret
metadata:
  name: reader-token
  annotations: {kubernetes.io/service-account.name: reader}
type: kubernetes.io/service-account-token
"""


@pytest.mark.proves("--as", "--as-group", "--as-uid", "--as-user-extra")
def test_one_acts_as_another(kubectl: Kubectl) -> None:
    who = ("--as=ann", "--as-group=dev", "--as-group=ops", "--as-uid=u-1", "--as-user-extra=scopes=view")
    supported = [each for each in who if not each.startswith("--as-user-extra") or kubectl.version == "1.37"]
    told = json.loads(kubectl.there("auth", "whoami", "-o", "json", *supported))["status"]["userInfo"]
    assert (told["username"], told["uid"]) == ("ann", "u-1")
    assert told["groups"] == ["dev", "ops", "system:authenticated"]
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=configmaps")
    kubectl("create", "rolebinding", "developers", "--role=reader", "--group=dev")
    assert kubectl.there("get", "configmaps", "--as=ann", "--as-group=dev", "-o", "name") != ""
    refused = kubectl("get", "configmaps", "--as=ann", code=1)
    assert 'configmaps is forbidden: User "ann" cannot list resource "configmaps"' in refused


@pytest.mark.proves("apply a Secret for an account's token")
def test_a_secret_holds_a_token_until_its_account_goes(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("create", "serviceaccount", "reader")
    kubectl("create", "role", "token-reader", "--verb=list", "--resource=configmaps")
    kubectl("create", "rolebinding", "token", "--role=token-reader", f"--serviceaccount={kubectl.namespace}:reader")
    kubectl.apply(TOKEN_SECRET)
    encoded = eventually(
        lambda: kubectl.path("secret", "reader-token", path="{.data.token}"), SECONDS_MAX, "the Secret has a token"
    )
    token = base64.b64decode(encoded).decode()
    told = kubectl.there("describe", "serviceaccount", "reader")
    assert ("reader-token" in told) is (kubectl.version != "1.37"), "1.37 tells of no Secrets any more"
    path = tmp_path / "config"
    path.write_text(kubectl.cluster.kubeconfig.read_text(encoding="utf-8"), encoding="utf-8")
    kubectl("config", "set-credentials", "reader", f"--token={token}", KUBECONFIG=str(path))
    kubectl("config", "set-context", "--current", "--user=reader", KUBECONFIG=str(path))
    assert "kube-root-ca.crt" in kubectl("get", "configmaps", KUBECONFIG=str(path))
    kubectl("delete", "serviceaccount", "reader")
    kubectl.wait_gone("secrets", "--field-selector", "metadata.name=reader-token")
    assert "You must be logged in" in kubectl("get", "configmaps", code=1, KUBECONFIG=str(path))
