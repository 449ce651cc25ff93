"""A DaemonSet's Pods: on which nodes they run, and how one is made for a node.

A Pod is bound by the scheduler as any other; a required node affinity for the node's name leaves it no choice.
Source: kubernetes pkg/controller/daemon (daemon_controller.go, util/daemonset_util.go).
"""

from __future__ import annotations

import random
from datetime import datetime

import msgspec

from swarmlet.controllers.sets.controller_history import POD_REVISION
from swarmlet.model import affinity, names, objects, pods, taints
from swarmlet.model.apps_sets import DaemonSet
from swarmlet.model.base import clock_time
from swarmlet.model.core import Node
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec, Toleration
from swarmlet.model.pod_status import PodStatus

STAYS = (taints.NOT_READY, taints.UNREACHABLE)
"""A node's Pods are not evicted for these: nobody else could do their work."""
RUNS_DESPITE = (taints.DISK_PRESSURE, taints.MEMORY_PRESSURE, taints.PID_PRESSURE, taints.UNSCHEDULABLE)


def tolerations(spec: PodSpec) -> tuple[Toleration, ...]:
    """Return a template's tolerations and those that every DaemonSet's Pods have."""
    keys = (*RUNS_DESPITE, taints.NETWORK_UNAVAILABLE) if spec.host_network else RUNS_DESPITE
    added = [Toleration(key=key, operator="Exists", effect="NoExecute") for key in STAYS]
    added += [Toleration(key=key, operator="Exists", effect="NoSchedule") for key in keys]
    return (*spec.tolerations, *(each for each in added if each not in spec.tolerations))


class Choice:
    """Which nodes a template's Pods run on."""

    def __init__(self, spec: PodSpec) -> None:
        self._spec = spec
        self._required = affinity.required_nodes(spec.affinity)
        self._tolerations = tolerations(spec)

    def is_for(self, node: Node) -> bool:
        """Whether a node is to have a Pod."""
        return self._asks_for(node) and taints.untolerated(node.spec.taints, self._tolerations) is None

    def may_stay_on(self, node: Node) -> bool:
        """Whether a Pod that is on a node may go on there, though it might not be put there now."""
        evicting = [taint for taint in node.spec.taints if taint.effect == "NoExecute"]
        return self._asks_for(node) and taints.untolerated(evicting, self._tolerations) is None

    def _asks_for(self, node: Node) -> bool:
        """Whether the template asks for no other nodes, by name, labels or affinity."""
        name, labels = node.metadata.name, node.metadata.labels
        return (
            self._spec.node_name in ("", name)
            and self._spec.node_selector.items() <= labels.items()
            and (self._required is None or affinity.matches(self._required, name, labels))
        )


def node_of(pod: Pod) -> str:
    """Return the node that a Pod is on, or is to be bound to; "" for one that was not made for any."""
    if pod.spec.node_name:
        return pod.spec.node_name
    required = affinity.required_nodes(pod.spec.affinity)
    asked_for = affinity.names_asked_for(required) if required else None
    return min(asked_for) if asked_for else ""


def revision_hash(pod: Pod) -> str:
    """Return the hash of the revision that a Pod is of."""
    return pod.metadata.labels.get(POD_REVISION, "")


def new_pod(daemon_set: DaemonSet, node: str, hash_: str, *, now: datetime, rng: random.Random) -> Pod:
    """Return a Pod for a node, pending; what its template asks of nodes was looked at before."""
    template = daemon_set.spec.template
    prefix = f"{daemon_set.metadata.name}-"
    return Pod(
        metadata=ObjectMeta(
            name=names.generated(prefix, rng),
            generate_name=prefix,
            namespace=daemon_set.metadata.namespace,
            uid=names.new_uid(rng),
            generation=1,
            creation_timestamp=clock_time(now),
            labels=template.metadata.labels | {POD_REVISION: hash_},
            annotations=template.metadata.annotations,
            finalizers=template.metadata.finalizers,
            owner_references=(objects.owner_reference(daemon_set),),
        ),
        spec=msgspec.structs.replace(
            template.spec, affinity=affinity.on_node(node), tolerations=tolerations(template.spec)
        ),
        status=PodStatus(phase="Pending", qos_class=pods.qos_class(template.spec)),
    )
