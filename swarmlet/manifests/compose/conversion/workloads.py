"""What keeps a service's Pods: a Deployment, a DaemonSet, or a Job for what runs to its end.

A Job cannot be changed once it is made, so what it runs is part of its name: a change makes another Job, and whatever
waits for that one starts anew after it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from swarmlet.manifests.compose.conversion import binds, labels, ordering, pods, ports, rollout
from swarmlet.manifests.compose.conversion.draft import Document, ServiceDraft, object_name, with_labels, without_empty
from swarmlet.manifests.compose.conversion.files import Files
from swarmlet.manifests.compose.conversion.storage import PodVolumes, pod_volumes
from swarmlet.manifests.compose.model import lifecycle
from swarmlet.manifests.compose.model.deploy import Deploy, RestartPolicy
from swarmlet.model import batch_defaults, names
from swarmlet.model.dependencies import DEPENDS_ON

RESTARTS_WITH = "swarmlet.io/restarts-with"
"""On a Pod template: what the services that it restarts with are made of; a change of theirs changes it."""
NAME_ROOM = 52
"""What a service's name may take of its Job's, which ends in a hash."""

_ENDS = {"no": "none", "on-failure": "on-failure"}


@dataclass(frozen=True, slots=True)
class Made:
    """The workload of a service: `kind` and `name` as `swarmlet.io/depends-on` says them, and a hash of its Pods.

    `is_alone`: it has one Pod, whose successor begins once it has ended.
    """

    kind: str
    name: str
    template_hash: str
    is_alone: bool


@dataclass(slots=True)
class Workloads:
    """Makes the workloads of a project, each after those it depends on."""

    files: Files
    awaited: frozenset[str]

    def make(self, it: ServiceDraft, made: dict[str, Made]) -> Made:
        """Add the workload of a service to the documents."""
        mounted = pod_volumes(it)
        binds.add(it, mounted, self.files)
        for grant in it.service.configs:
            self.files.grant(it, mounted, grant, is_secret=False)
        for grant in it.service.secrets:
            self.files.grant(it, mounted, grant, is_secret=True)
        template = pods.template(it, mounted, _annotations(it, made))
        kind = self._kind(it)
        document = _WORKLOADS[kind](it, template, mounted)
        own, annotations = labels.split(it.draft, it.path("deploy.labels"), (it.service.deploy or Deploy()).labels)
        annotations |= rollout.undoing(it, kind)
        it.draft.documents.append(with_labels(document, own | it.draft.labels(it.key), annotations))
        is_alone = document["spec"].get("strategy") == rollout.ONE_AFTER_ANOTHER
        return Made(kind.lower(), document["metadata"]["name"], _hash(template), is_alone)

    def _kind(self, it: ServiceDraft) -> str:
        match (it.service.deploy or Deploy()).mode:
            case "global":
                return "DaemonSet"
            case "replicated-job":
                return "Job"
            case "global-job":
                raise it.refusal("deploy.mode", "global-job: nothing here runs to its end once on each machine")
        if it.key in self.awaited or self._ends(it):
            return "Job"
        if _restart(it)[0] in {"none", "on-failure"}:
            it.warn(_restart_key(it), "a service that serves others is started again whenever it ends")
        return "Deployment"

    def _ends(self, it: ServiceDraft) -> bool:
        """Whether it runs to its end: it is not to be started again, and nothing says that it serves somebody."""
        service = it.service
        served = any(
            it.key in other.depends_on and other.depends_on[it.key].condition != lifecycle.COMPLETED
            for other in it.draft.project.services.values()
        )
        serves = service.ports or service.expose or service.healthcheck or served or replicas(it) > 1
        return _restart(it)[0] in {"none", "on-failure"} and not serves


def replicas(it: ServiceDraft) -> int:
    """Return how many Pods there shall be."""
    asked = _asked_replicas(it)
    return 1 if asked is None else asked


def _asked_replicas(it: ServiceDraft) -> int | None:
    return it.service.scale if it.service.scale is not None else (it.service.deploy or Deploy()).replicas


def _deployment(it: ServiceDraft, template: Document, mounted: PodVolumes) -> Document:
    _check_attempts(it)
    strategy = rollout.deployment_strategy(
        it,
        replicas=replicas(it),
        holds_volume=bool(mounted.claims),
        holds_port=any(map(ports.is_of_the_machine, it.service.ports)) or it.service.network_mode == "host",
    )
    spec = {
        **without_empty({"replicas": _asked_replicas(it)}),  # unsaid, it stays what `scale` or an autoscaler made it
        "selector": {"matchLabels": it.draft.selector(it.key)},
        **without_empty({"strategy": strategy}),
        **rollout.waits(it, "Deployment"),
        "template": template,
    }
    return _workload("apps/v1", "Deployment", it.name, spec)


def _daemon_set(it: ServiceDraft, template: Document, mounted: PodVolumes) -> Document:
    _check_attempts(it)
    if mounted.claims:
        it.warn(
            "volumes",
            "a named volume lies on one machine, and the service is to run on each: only the Pod there has it",
        )
    if replicas(it) != 1:
        it.warn("deploy.replicas", "ignored: a global service runs once on each machine")
    strategy = rollout.daemon_set_strategy(it)
    spec = {
        "selector": {"matchLabels": it.draft.selector(it.key)},
        **without_empty({"updateStrategy": strategy}),
        **rollout.waits(it, "DaemonSet"),
        "template": template,
    }
    return _workload("apps/v1", "DaemonSet", it.name, spec)


def _job(it: ServiceDraft, template: Document, mounted: PodVolumes) -> Document:  # noqa: ARG001  the shape of a maker
    condition, attempts = _restart(it)
    is_retried = condition in {"on-failure", "any"}
    spec: dict[str, Any] = {
        "backoffLimit": (batch_defaults.BACKOFF_LIMIT_UNBOUNDED if attempts is None else attempts) if is_retried else 0,
        "template": {**template, "spec": {**template["spec"], "restartPolicy": "OnFailure" if is_retried else "Never"}},
    }
    if not is_retried:  # the loss of a machine is no failure of what ran there
        pattern = [{"type": "DisruptionTarget", "status": "True"}]
        spec["podFailurePolicy"] = {"rules": [{"action": "Ignore", "onPodConditions": pattern}]}
    count = replicas(it)
    if count != 1:
        spec |= {"completions": count, "parallelism": count}
    name = object_name(f"{it.name[:NAME_ROOM]}-{_hash(spec)}")
    return _workload("batch/v1", "Job", name, spec)


def _workload(api_version: str, kind: str, name: str, spec: Document) -> Document:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


_WORKLOADS = {"Deployment": _deployment, "DaemonSet": _daemon_set, "Job": _job}


def _restart(it: ServiceDraft) -> tuple[str, int | None]:
    """Return "none", "on-failure", "any" or "" where nothing is said, and how often at most."""
    policy = (it.service.deploy or Deploy()).restart_policy or RestartPolicy()
    if policy.condition:
        return policy.condition, policy.max_attempts
    word, _, attempts = it.service.restart.partition(":")
    condition = _ENDS.get(word, "any") if word else ""
    return condition, int(attempts) if attempts.isdecimal() else policy.max_attempts


def _restart_key(it: ServiceDraft) -> str:
    """Return the key that says it."""
    policy = (it.service.deploy or Deploy()).restart_policy
    return "deploy.restart_policy" if policy is not None and policy.condition else "restart"


def _check_attempts(it: ServiceDraft) -> None:
    _, attempts = _restart(it)
    if attempts is not None:
        it.warn(_restart_key(it), f"not given up after {attempts} attempts: it is started again after ever longer")


def _annotations(it: ServiceDraft, made: dict[str, Made]) -> dict[str, str]:
    found = {}
    if text := ordering.annotation(it, {key: (each.kind, each.name) for key, each in made.items()}):
        found[DEPENDS_ON] = text
    with_it = [key for key, each in it.service.depends_on.items() if each.restart and key in made]
    if with_it:
        found[RESTARTS_WITH] = ",".join(f"{made[key].name}={made[key].template_hash}" for key in with_it)
    return found


def _hash(document: Document) -> str:
    return names.hashed(json.dumps(document, sort_keys=True).encode())
