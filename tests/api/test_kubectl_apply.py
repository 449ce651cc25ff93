"""The official kubectl applies on the server's side."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.documents import CONFIG_MAPS, DEPLOYMENTS, config_map, deployment
from tests.api.test_apply import owned, owners
from tests.api.test_kubectl import Kubectl, api, kubectl, listening

__all__ = ["api", "kubectl", "listening"]  # fixtures
pytestmark = pytest.mark.slow
APPLY = ("apply", "--server-side", "-f", "-")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


async def read(api: Api, path: str) -> Any:
    code, document = await api.read("GET", path)
    assert code == 200
    return document


async def test_apply_meets_who_scaled_and_takes_over_by_force(kubectl: Kubectl, api: Api) -> None:
    web = f"{DEPLOYMENTS}/web"
    assert "deployment.apps/web serverside-applied" in await kubectl(*APPLY, stdin=deployment())
    made = await read(api, web)
    await kubectl(*APPLY, stdin=deployment())
    assert await read(api, web) == made, "applied again, it is as it was"
    await kubectl("scale", "deploy/web", "--replicas=5")
    refused = await kubectl(*APPLY, stdin=deployment(), code=1)
    assert 'conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas' in refused
    assert "--force-conflicts" in refused, "kubectl knows the error and says what to do"
    assert "+  replicas: 3" in await kubectl(
        "diff", "--server-side", "--force-conflicts", "-f", "-", stdin=deployment(), code=1
    )
    assert (await read(api, web))["spec"]["replicas"] == 5
    await kubectl(*APPLY, "--force-conflicts", stdin=deployment())
    after = await read(api, web)
    assert (after["spec"]["replicas"], owners(after)) == (3, [("kubectl", "Apply", "")])


async def test_what_was_applied_on_the_clients_side_is_taken_over(kubectl: Kubectl, api: Api) -> None:
    conf = f"{CONFIG_MAPS}/conf"
    await kubectl("apply", "-f", "-", stdin=config_map(a="1", b="2"))
    assert owners(await read(api, conf)) == [("kubectl-client-side-apply", "Update", "")]
    await kubectl(*APPLY, stdin=config_map(a="9", b="2"))
    after = await read(api, conf)
    assert after["data"] == {"a": "9", "b": "2"}
    assert owned(after, "kubectl") == {"f:data": {"f:a": {}, "f:b": {}}}
    assert json.loads(after["metadata"]["annotations"][LAST_APPLIED])["data"] == {"a": "9", "b": "2"}
    await kubectl(*APPLY, stdin=config_map(a="9"))
    assert (await read(api, conf))["data"] == {"a": "9"}, "and what was applied then goes now"


async def test_each_writer_is_named_and_only_who_asks_sees_it(kubectl: Kubectl, api: Api) -> None:
    await kubectl(*APPLY, "--field-manager=alice", stdin=deployment())
    await kubectl("set", "image", "deploy/web", "main=web:2")
    await kubectl("label", "deploy", "web", "tier=front")
    await kubectl("apply", "--server-side", "--dry-run=server", "--field-manager=bob", "-f", "-", stdin=deployment("x"))
    web = await read(api, f"{DEPLOYMENTS}/web")
    assert sorted(owners(web)) == [
        ("alice", "Apply", ""),
        ("kubectl-label", "Update", ""),
        ("kubectl-set", "Update", ""),
    ]
    assert owned(web, "kubectl-label") == {"f:metadata": {"f:labels": {"f:tier": {}}}}
    assert "managedFields" not in await kubectl("get", "deploy", "web", "-o", "yaml")
    shown = await kubectl("get", "deploy", "web", "-o", "json", "--show-managed-fields")
    assert json.loads(shown)["metadata"]["managedFields"] == web["metadata"]["managedFields"]
    assert (await api.read("GET", f"{DEPLOYMENTS}/x"))[0] == 404
