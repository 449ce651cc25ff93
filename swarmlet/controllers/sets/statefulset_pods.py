"""A StatefulSet's Pods: who each one is, by its ordinal, and how it is made.

Source: kubernetes pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime

import msgspec

from swarmlet.controllers.sets.controller_history import POD_REVISION
from swarmlet.model import apps_sets, names, objects, pods
from swarmlet.model.apps_sets import StatefulSet
from swarmlet.model.base import clock_time
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodTemplateSpec
from swarmlet.model.pod_status import PodStatus
from swarmlet.model.pod_volumes import PersistentVolumeClaimVolumeSource, Volume
from swarmlet.model.singletons import STRICT_SINGLETON
from swarmlet.model.storage import PersistentVolumeClaim

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
ORDINAL_DIGITS_MAX = 10


def name_of(stateful_set: StatefulSet, ordinal: int) -> str:
    """Return the name of the Pod of an ordinal: its place, and the name of its host."""
    return f"{stateful_set.metadata.name}-{ordinal}"


def parent_and_ordinal(pod_name: str) -> tuple[str, int] | None:
    """Return the name of the StatefulSet that would give a Pod this name, and the ordinal; None for another name."""
    parent, dash, digits = pod_name.rpartition("-")
    if not (dash and parent and digits.isascii() and digits.isdigit() and len(digits) <= ORDINAL_DIGITS_MAX):
        return None
    return (parent, int(digits)) if str(int(digits)) == digits else None


def ordinal_of(pod: Pod) -> int:
    """Return the ordinal of a Pod that is known to have one."""
    return int(pod.metadata.name.rpartition("-")[2])


def ordinals(stateful_set: StatefulSet) -> range:
    """Return the ordinals that are asked for, in ascending order."""
    spec = stateful_set.spec
    start = spec.ordinals.start if spec.ordinals else 0
    return range(start, start + (1 if spec.replicas is None else spec.replicas))


def partition(stateful_set: StatefulSet) -> int:
    """Return how many Pods, counted from the first ordinal, keep their revision; 0 where nothing is said."""
    rolling = stateful_set.spec.update_strategy.rolling_update
    return rolling.partition or 0 if rolling else 0


def is_ordered(stateful_set: StatefulSet) -> bool:
    """Whether one Pod is dealt with at a time, each waiting for those before it."""
    return stateful_set.spec.pod_management_policy != apps_sets.PARALLEL


def revision_of(pod: Pod) -> str:
    """Return the name of the revision that a Pod is of."""
    return pod.metadata.labels.get(POD_REVISION, "")


def new_pod(
    stateful_set: StatefulSet,
    ordinal: int,
    template: PodTemplateSpec,
    revision: str,
    *,
    now: datetime,
    rng: random.Random,
) -> Pod:
    """Return the Pod of an ordinal, pending and bound to no node.

    It bears the mark of a strict singleton beside its owner: so it stays one where it is orphaned and adopted.
    """
    name = name_of(stateful_set, ordinal)
    made = Pod(
        metadata=ObjectMeta(
            name=name,
            generate_name=f"{stateful_set.metadata.name}-",
            namespace=stateful_set.metadata.namespace,
            uid=names.new_uid(rng),
            generation=1,
            creation_timestamp=clock_time(now),
            labels=template.metadata.labels | {POD_REVISION: revision},
            annotations=template.metadata.annotations | {STRICT_SINGLETON: "true"},
            finalizers=template.metadata.finalizers,
            owner_references=(objects.owner_reference(stateful_set),),
        ),
        spec=msgspec.structs.replace(
            template.spec,
            hostname=name,
            subdomain=stateful_set.spec.service_name,
            volumes=_with_claims(template.spec.volumes, stateful_set, ordinal),
        ),
        status=PodStatus(phase="Pending", qos_class=pods.qos_class(template.spec)),
    )
    return identified(made)


def claim_name(stateful_set: StatefulSet, template: PersistentVolumeClaim, ordinal: int) -> str:
    """Return the name of an ordinal's claim: a Pod that comes back meets the one it had."""
    return f"{template.metadata.name}-{name_of(stateful_set, ordinal)}"


def identified(pod: Pod) -> Pod:
    """Return a Pod with the labels that say who it is."""
    said = {POD_NAME: pod.metadata.name, POD_INDEX: pod.metadata.name.rpartition("-")[2]}
    if said.items() <= pod.metadata.labels.items():
        return pod
    return objects.with_metadata(pod, labels=pod.metadata.labels | said)


def _with_claims(volumes: Iterable[Volume], stateful_set: StatefulSet, ordinal: int) -> tuple[Volume, ...]:
    """Return a Pod's volumes with those of its claims, which replace any of the same name."""
    claims = {
        each.metadata.name: PersistentVolumeClaimVolumeSource(claim_name=claim_name(stateful_set, each, ordinal))
        for each in stateful_set.spec.volume_claim_templates
    }
    others = tuple(volume for volume in volumes if volume.name not in claims)
    return (*(Volume(name=name, persistent_volume_claim=source) for name, source in claims.items()), *others)
