"""A Deployment's ReplicaSets as its history: which holds the present template, and what marks a revision.

Source: kubernetes pkg/controller/deployment/util/deployment_util.go and sync.go.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import msgspec

from swarmlet.controllers.deployments import rollout
from swarmlet.model import names, objects
from swarmlet.model.apps import Deployment, ReplicaSet, ReplicaSetSpec
from swarmlet.model.base import clock_time
from swarmlet.model.meta import LabelSelector, Object, ObjectMeta
from swarmlet.model.pod import PodTemplateSpec

TEMPLATE_HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
COMPLETED = "swarmlet.io/completed"
"""Of a ReplicaSet: all replicas were once of this revision, and available."""
REVISION_HISTORY_CHARS_MAX = 2_000
NAME_LENGTH_MAX = 242  # of the Deployment's part in a ReplicaSet's name

_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    COMPLETED,
    rollout.DESIRED_REPLICAS,
    rollout.MAX_REPLICAS,
}

_encoder = msgspec.json.Encoder(order="deterministic")


def revision_of(value: Object) -> int:
    """Return the revision that an object bears, 0 where it bears none."""
    text = value.metadata.annotations.get(REVISION, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def template_hash(template: PodTemplateSpec, collisions: int) -> str:
    """Return the word that tells templates apart; `collisions` makes another of the same template."""
    return names.hashed(_encoder.encode(template) + b"#%d" % collisions)


def template_of(replica_set: ReplicaSet) -> PodTemplateSpec:
    """Return the Deployment's template from which a ReplicaSet was made."""
    return _without_hash(replica_set.spec.template)


def find_new(deployment: Deployment, replica_sets: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """Return the oldest ReplicaSet whose template is the Deployment's."""
    wanted = _without_hash(deployment.spec.template)
    in_turn = rollout.oldest_first(replica_sets)
    return next((each for each in in_turn if _without_hash(each.spec.template) == wanted), None)


def make_new(
    deployment: Deployment,
    replica_sets: Sequence[ReplicaSet],
    *,
    taken: Collection[str],
    now: datetime,
    rng: random.Random,
) -> tuple[ReplicaSet, int]:
    """Return a ReplicaSet for the Deployment's template, and how many collisions with `taken` names it took."""
    template = _without_hash(deployment.spec.template)
    collisions = deployment.status.collision_count or 0
    prefix = deployment.metadata.name[:NAME_LENGTH_MAX]
    while (name := f"{prefix}-{template_hash(template, collisions)}") in taken:
        collisions += 1
    labels = template.metadata.labels | {TEMPLATE_HASH: name.rpartition("-")[2]}
    new = ReplicaSet(
        metadata=ObjectMeta(
            name=name,
            namespace=deployment.metadata.namespace,
            uid=names.new_uid(rng),
            generation=1,
            creation_timestamp=clock_time(now),
            labels=labels,
            owner_references=(objects.owner_reference(deployment),),
        ),
        spec=ReplicaSetSpec(
            replicas=rollout.new_size(deployment, replica_sets, 0),
            min_ready_seconds=deployment.spec.min_ready_seconds,
            selector=_narrowed(deployment.spec.selector, labels[TEMPLATE_HASH]),
            template=_labelled(template, labels),
        ),
    )
    return marked(deployment, new, replica_sets), collisions


def marked(deployment: Deployment, new: ReplicaSet, others: Iterable[ReplicaSet]) -> ReplicaSet:
    """Return the newest ReplicaSet bearing the next revision and the Deployment's annotations and minReadySeconds."""
    revision = 1 + max((revision_of(each) for each in others), default=0)
    annotations = new.metadata.annotations | _copied(deployment)
    own = revision_of(new)
    if own < revision:
        annotations[REVISION] = str(revision)
        if own:
            history = new.metadata.annotations.get(REVISION_HISTORY, "")
            annotations[REVISION_HISTORY] = _appended(history, str(own))
    marked_set = objects.with_metadata(new, annotations=annotations)
    if new.spec.min_ready_seconds == deployment.spec.min_ready_seconds:
        return marked_set
    spec = msgspec.structs.replace(new.spec, min_ready_seconds=deployment.spec.min_ready_seconds)
    return _respecified(marked_set, spec)


def sized(deployment: Deployment, replica_set: ReplicaSet, replicas: int) -> ReplicaSet:
    """Return the ReplicaSet asked to have so many replicas, and saying what the Deployment wanted at that time."""
    bounds = rollout.bounds_of(deployment)
    annotations = replica_set.metadata.annotations | {
        rollout.DESIRED_REPLICAS: str(bounds.desired),
        rollout.MAX_REPLICAS: str(bounds.most),
    }
    said = objects.with_metadata(replica_set, annotations=annotations)
    if rollout.size(replica_set) == replicas:
        return said
    return _respecified(said, msgspec.structs.replace(replica_set.spec, replicas=replicas))


def surplus(deployment: Deployment, old: Sequence[ReplicaSet]) -> Sequence[ReplicaSet]:
    """Return the old, empty ReplicaSets beyond `revisionHistoryLimit`, the oldest revisions first."""
    limit = deployment.spec.revision_history_limit
    alive = [each for each in old if not objects.is_terminating(each)]
    if limit is None or len(alive) <= limit:
        return ()
    oldest = sorted(alive, key=revision_of)[: len(alive) - limit]
    return [each for each in oldest if _is_empty(each)]


def _is_empty(replica_set: ReplicaSet) -> bool:
    status = replica_set.status
    observed = status.observed_generation >= replica_set.metadata.generation
    return rollout.size(replica_set) == 0 == status.replicas and observed


def _respecified(replica_set: ReplicaSet, spec: ReplicaSetSpec) -> ReplicaSet:
    metadata = msgspec.structs.replace(replica_set.metadata, generation=replica_set.metadata.generation + 1)
    return msgspec.structs.replace(replica_set, metadata=metadata, spec=spec)


def _copied(deployment: Deployment) -> dict[str, str]:
    return {key: text for key, text in deployment.metadata.annotations.items() if key not in _NOT_COPIED}


def _appended(history: str, revision: str) -> str:
    parts = [*filter(None, history.split(",")), revision]
    while len(",".join(parts)) > REVISION_HISTORY_CHARS_MAX:
        del parts[0]
    return ",".join(parts)


def _narrowed(selector: LabelSelector, hash_: str) -> LabelSelector:
    return msgspec.structs.replace(selector, match_labels=selector.match_labels | {TEMPLATE_HASH: hash_})


def _without_hash(template: PodTemplateSpec) -> PodTemplateSpec:
    labels = template.metadata.labels
    if TEMPLATE_HASH not in labels:
        return template
    return _labelled(template, {key: text for key, text in labels.items() if key != TEMPLATE_HASH})


def _labelled(template: PodTemplateSpec, labels: dict[str, str]) -> PodTemplateSpec:
    metadata = msgspec.structs.replace(template.metadata, labels=labels)
    return msgspec.structs.replace(template, metadata=metadata)
