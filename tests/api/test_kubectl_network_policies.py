"""The official kubectl on NetworkPolicies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from swarmlet.api.app import ApiServer
from tests.api.test_kubectl import Kubectl

pytestmark = pytest.mark.slow

POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - ports: [{port: 80}]
    from:
    - podSelector: {matchLabels: {app: front}}
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
"""


@pytest.fixture
async def listening(server: ApiServer) -> AsyncIterator[TestServer]:
    async with TestServer(server.app, handler_cancellation=True) as serving:
        yield serving


@pytest.fixture
def kubectl(listening: TestServer, tmp_path: Path) -> Kubectl:
    return Kubectl(str(listening.make_url("")).rstrip("/"), tmp_path)


async def test_a_policy_is_applied_shown_and_described(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    applied = await kubectl("apply", "-f", str(tmp_path / "policy.yaml"))
    assert "Warning" not in applied
    header, row = (await kubectl("get", "netpol")).splitlines()
    assert (header.split(), row.split()[:2]) == (["NAME", "POD-SELECTOR", "AGE"], ["web", "app=web"])
    described = await kubectl("describe", "networkpolicy", "web")
    for line in ("PodSelector:     app=web", "To Port: 80/TCP", "CIDR: 10.0.0.0/8", "Not affecting egress traffic"):
        assert line in described
    await kubectl("delete", "netpol", "web")
