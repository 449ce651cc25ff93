from __future__ import annotations

from typing import Any

import msgspec
import pytest

from swarmlet.errors import InvalidError
from swarmlet.model import decode, defaults, kinds, validation
from swarmlet.model.kinds import Kind
from tests.poison import chance, samples


def refused(kind: Kind, status: dict[str, Any], **metadata: Any) -> dict[str, str]:
    """Write a status, and return which fields are refused, and why."""
    document = chance.named(samples.sample(kind), "web", "default" if kind.namespaced else "")
    document["metadata"] |= metadata
    old = defaults.fill(decode.decode(kind, document).object)
    new: Any = decode.decode(kind, document | {"status": status}).object
    try:
        validation.validate_status(msgspec.structs.replace(old, status=new.status), old)
    except InvalidError as error:
        return dict(error.causes)
    return {}


@pytest.mark.parametrize(
    ("kind", "status", "field", "why"),
    [
        (kinds.DEPLOYMENT, {"replicas": -1}, "replicas", "must be greater than or equal to 0"),
        (kinds.DEPLOYMENT, {"readyReplicas": 2}, "readyReplicas", "cannot be greater than status.replicas"),
        (kinds.STATEFUL_SET, {"currentReplicas": 1}, "currentReplicas", "cannot be greater than status.replicas"),
        (kinds.REPLICA_SET, {"replicas": 2, "availableReplicas": 1}, "availableReplicas", "status.readyReplicas"),
        (kinds.DAEMON_SET, {"numberReady": -2}, "numberReady", "must be greater than or equal to 0"),
        (kinds.POD_DISRUPTION_BUDGET, {"currentHealthy": -1}, "currentHealthy", "greater than or equal to 0"),
        (kinds.HORIZONTAL_POD_AUTOSCALER, {"desiredReplicas": -1}, "desiredReplicas", "greater than or equal to 0"),
        (kinds.POD, {"podIP": "x"}, "podIP", "must be a valid IP address"),
        (kinds.POD, {"hostIP": "fe80::1%x"}, "hostIP", "must be a valid IP address"),
        (kinds.POD, {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "x"}]}, "podIPs[1].ip", "must be a valid IP address"),
        (kinds.POD, {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.2"}]}, "podIPs[0]", "must be equal to `podIP`"),
        (kinds.POD, {"nominatedNodeName": "A B"}, "nominatedNodeName", "RFC 1123 subdomain"),
        (kinds.NODE, {"capacity": {"cpu": "-1"}}, "capacity[cpu]", "greater than or equal to 0"),
        (
            kinds.NODE,
            {"addresses": [{"type": "InternalIP", "address": "x"}]},
            "addresses[0].address",
            "must be a valid IP address",
        ),
        (
            kinds.NODE,
            {"addresses": [{"type": "Hostname", "address": "x"}] * 2},
            "addresses[1]",
            'Duplicate value: "x"',
        ),
        (kinds.SERVICE, {"loadBalancer": {"ingress": [{"ip": "x"}]}}, "loadBalancer.ingress[0].ip", "valid IP"),
        (
            kinds.SERVICE,
            {"loadBalancer": {"ingress": [{"hostname": "10.0.0.1"}]}},
            "loadBalancer.ingress[0].hostname",
            "must be a DNS name, not an IP address",
        ),
        (
            kinds.SERVICE,
            {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}},
            "loadBalancer.ingress",
            "may only be used when `spec.type` is LoadBalancer",
        ),
        (kinds.JOB, {"completedIndexes": "x"}, "completedIndexes", "error parsing indexes"),
        (kinds.JOB, {"failedIndexes": "0-3"}, "failedIndexes", "too large index: 3: there are 3 completions"),
        (kinds.NAMESPACE, {"phase": "Terminating"}, "phase", "may only be 'Active'"),
        (kinds.RESOURCE_QUOTA, {"used": {"pods": "-1"}}, "used[pods]", "greater than or equal to 0"),
        (kinds.PERSISTENT_VOLUME_CLAIM, {"capacity": {"storage": "-1"}}, "capacity[storage]", "equal to 0"),
    ],
)
def test_a_status_that_cannot_be_is_refused(kind: Kind, status: dict[str, Any], field: str, why: str) -> None:
    assert why in refused(kind, status)[f"status.{field}"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (kinds.DEPLOYMENT, {"replicas": 3, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 3}),
        (kinds.JOB, {"completedIndexes": "0,2", "succeeded": 2}),
        (kinds.POD, {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "phase": "Running"}),
        (kinds.NAMESPACE, {"phase": "Active"}),
    ],
)
def test_a_status_as_controllers_write_it_passes(kind: Kind, status: dict[str, Any]) -> None:
    assert refused(kind, status) == {}
