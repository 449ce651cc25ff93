"""How a service is changed: `deploy.update_config` as a Deployment's or DaemonSet's strategy.

Where nothing is said, new Pods come before old ones go, so that nobody notices. A service that holds a volume alone, as
a database does, ends before its successor begins: two on the same files would spoil them.
"""

from __future__ import annotations

from typing import Any

from swarmlet.manifests.compose.conversion import amounts
from swarmlet.manifests.compose.conversion.draft import Document, ServiceDraft
from swarmlet.manifests.compose.model.deploy import Deploy, UpdateConfig

AUTO_ROLLBACK = "swarmlet.io/auto-rollback"
PROGRESS_SECONDS = 600
"""Kubernetes' default of what a rollout may take for its next step; that a Pod must be well takes part of it."""
ONE_AFTER_ANOTHER: Document = {"type": "Recreate"}
START_FIRST = "start-first"
STOP_FIRST = "stop-first"


def update_config(it: ServiceDraft) -> UpdateConfig:
    """Return what is said of updates; all unset where nothing is."""
    return (it.service.deploy or Deploy()).update_config or UpdateConfig()


def deployment_strategy(it: ServiceDraft, *, replicas: int, holds_volume: bool, holds_port: bool) -> Document:
    """Return a Deployment's strategy."""
    config = update_config(it)
    if holds_volume and replicas <= 1 and config.order != START_FIRST:
        return ONE_AFTER_ANOTHER
    order = config.order or (STOP_FIRST if holds_volume or holds_port or config.parallelism is not None else "")
    if not order:
        return {}
    return {"type": "RollingUpdate", "rollingUpdate": _rolling(config, order)}


def daemon_set_strategy(it: ServiceDraft) -> Document:
    """Return a DaemonSet's strategy: one machine at a time, unless something else is said."""
    config = update_config(it)
    if not config.order and config.parallelism is None:
        return {}
    return {"type": "RollingUpdate", "rollingUpdate": _rolling(config, config.order or STOP_FIRST)}


def waits(it: ServiceDraft, kind: str) -> Document:
    """Return the fields that say how long a new Pod must be well before the next is changed."""
    config = update_config(it)
    ready = max(amounts.seconds(config.delay), amounts.seconds(config.monitor))
    if kind == "Deployment" and ready >= PROGRESS_SECONDS:
        return {"minReadySeconds": ready, "progressDeadlineSeconds": ready + PROGRESS_SECONDS}
    return {"minReadySeconds": ready} if ready else {}


def undoing(it: ServiceDraft, kind: str) -> dict[str, str]:
    """Return what a workload bears so that an update which fails is undone."""
    config = update_config(it)
    if config.max_failure_ratio:
        it.warn("deploy.update_config.max_failure_ratio", "ignored: a Pod that does not get well holds the update up")
    if config.failure_action == "continue":
        it.warn(
            "deploy.update_config.failure_action",
            "continue is not done: a Pod that does not get well holds the update up",
        )
    if config.failure_action != "rollback":
        return {}
    if kind != "Deployment":
        it.warn(
            "deploy.update_config.failure_action",
            f"rollback is for replicated services: a {kind} is not undone by itself",
        )
        return {}
    return {AUTO_ROLLBACK: "true"}


def _rolling(config: UpdateConfig, order: str) -> Document:
    """Swarm changes one at a time where nothing is said; 0 is all at once."""
    at_once: Any = "100%" if config.parallelism == 0 else config.parallelism or 1
    return (
        {"maxSurge": at_once, "maxUnavailable": 0}
        if order == START_FIRST
        else {"maxSurge": 0, "maxUnavailable": at_once}
    )
