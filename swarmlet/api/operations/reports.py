"""What a daemon tells about itself and the cluster without being asked for objects: /status, health, metrics.

Served on the API port and, without TLS and read-only, on the loopback listener for health checkers and Prometheus.
It answers from what this machine knows, quorum or not, and shows no secret.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from swarmlet import __version__
from swarmlet.api import answers
from swarmlet.api.operations import rebalance
from swarmlet.clock import Clock
from swarmlet.model import conditions, kinds, singletons
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import Node
from swarmlet.model.pod import Pod
from swarmlet.store import node_names
from swarmlet.store.replica import MemberStatus, Replica
from swarmlet.telemetry import metrics

NO_PART: dict[str, Any] = {"role": "", "why": "no member of the cluster", "silent_seconds": None}
"""Of a Node whose machine has not been admitted yet, or was removed just now."""

Check = Callable[[], bool]
Fenced = Callable[[], tuple[datetime | None, Sequence[str]]]
"""Since when this node is cut off so long that it stopped its strict singletons (None: it is not), and which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterInfo:
    """What never changes while a daemon runs. `checks` are named conditions for being ready, beside the quorum.

    `fenced` is asked what this node has stopped because it is cut off, `network` what of the network its machine does.
    `rebalances` is what the configuration says.
    """

    cluster_id: str
    node_id: str
    node_name: str
    started: datetime
    checks: Mapping[str, Check] = field(default_factory=dict)
    fenced: Fenced = lambda: (None, ())
    rebalances: bool = True
    network: Callable[[], Mapping[str, Any]] = dict


class Reports:
    """The handlers, from this machine's replica."""

    def __init__(self, *, replica: Replica, info: ClusterInfo, clock: Clock, registry: CollectorRegistry) -> None:
        self._replica = replica
        self._info = info
        self._clock = clock
        self._registry = registry
        self._checks: dict[str, Check] = {"quorum": lambda: replica.status().healthy} | dict(info.checks)

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the paths that this answers."""
        return (
            web.get("/status", self._get_status),
            web.get("/healthz", self._get_alive),
            web.get("/livez", self._get_alive),
            web.get("/readyz", self._get_ready),
            web.get("/metrics", self._get_metrics),
        )

    def document(self) -> dict[str, Any]:
        """Return what `/status` says."""
        status = self._replica.status()
        return {
            "cluster_id": self._info.cluster_id,
            "node_id": self._info.node_id,
            "node_name": self._info.node_name,
            "version": __version__,
            "uptime_seconds": int((self._clock.now() - self._info.started).total_seconds()),
            "healthy": status.healthy,
            "leader": status.leader,
            "leader_name": self._names().get(status.leader, ""),
            "term": status.term,
            "commit": status.commit,
            "applied": status.applied,
            "revision": self._replica.view.revision,
            "nodes": self._nodes(status.members),
            "pods": self._pods(),
            "network": self._info.network(),
            "fencing": self._fencing(),
            "rebalance": rebalance.report(self._replica.view, configured=self._info.rebalances),
        }

    def _names(self) -> dict[str, str]:
        return dict(node_names.names(self._replica.view))

    def _nodes(self, members: Iterable[MemberStatus]) -> list[dict[str, Any]]:
        """Return every machine: the Nodes with their part in the consensus, then members that have no Node yet."""
        member_of = {member.node_id: member for member in members}
        nodes = [cast("Node", stored.object) for stored in self._replica.view.list(kinds.NODE.resource)]
        told = [_node(node, member_of.pop(node.metadata.labels.get(NODE_ID_LABEL, ""), None)) for node in nodes]
        told += [{"name": "", "node_id": each.node_id, "ready": False} | _part(each) for each in member_of.values()]
        return [each | {"why": node_names.in_names(self._replica.view, each["why"])} for each in told]

    def _pods(self) -> dict[str, int]:
        pods = (cast("Pod", stored.object) for stored in self._replica.view.list(kinds.POD.resource))
        return dict(sorted(Counter(pod.status.phase or "Unknown" for pod in pods).items()))

    def _fencing(self) -> dict[str, Any]:
        """Return what this node has stopped for being cut off, and what others wait for before they replace it."""
        since, stopped = self._info.fenced()
        pods = (cast("Pod", stored.object) for stored in self._replica.view.list(kinds.POD.resource))
        waiting = [
            {"pod": f"{pod.metadata.namespace}/{pod.metadata.name}", "node": pod.spec.node_name, "until": until}
            for pod in pods
            if (until := pod.metadata.annotations.get(singletons.MAY_RUN_UNTIL)) and singletons.is_held(pod)
        ]
        return {"cut_off_since": since, "stopped": list(stopped), "waiting": waiting}

    async def _get_status(self, _request: web.Request) -> web.Response:
        return answers.json(msgspec.json.encode(self.document()) + b"\n")

    async def _get_alive(self, request: web.Request) -> web.Response:
        return _health(request, {"ping": True})

    async def _get_ready(self, request: web.Request) -> web.Response:
        return _health(request, {"ping": True} | {name: check() for name, check in self._checks.items()})

    async def _get_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(self._registry), headers={"Content-Type": metrics.CONTENT_TYPE})


def build_status_app(reports: Reports) -> web.Application:
    """Return the application of the plain loopback listener."""
    app = web.Application(client_max_size=0)
    app.add_routes(reports.routes())
    return app


def _node(node: Node, member: MemberStatus | None) -> dict[str, Any]:
    address = next((each.address for each in node.status.addresses if each.type == "InternalIP"), "")
    return {
        "name": node.metadata.name,
        "node_id": node.metadata.labels.get(NODE_ID_LABEL, ""),
        "ready": conditions.is_true(node.status.conditions, "Ready"),
        "cordoned": node.spec.unschedulable,
    } | (_part(member) if member else NO_PART | {"address": address})


def _part(member: MemberStatus) -> dict[str, Any]:
    """Return a member's part in the consensus. `silent_seconds`: since this machine itself lost sight of it."""
    silent = None if member.silent_seconds is None else int(member.silent_seconds)
    return {"role": member.role, "why": member.why, "address": member.address, "silent_seconds": silent}


def _health(request: web.Request, checks: Mapping[str, bool]) -> web.Response:
    """Answer as Kubernetes' health endpoints do; `?verbose` lists the checks."""
    name = request.path.strip("/")
    fine = all(checks.values())
    lines = [f"[{'+' if passed else '-'}]{check} {'ok' if passed else 'failed'}" for check, passed in checks.items()]
    if fine and "verbose" not in request.query:
        return web.Response(text="ok")
    text = "\n".join([*lines, f"{name} check {'passed' if fine else 'failed'}", ""])
    return web.Response(text=text, status=200 if fine else 503)
