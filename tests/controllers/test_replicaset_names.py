"""What a ReplicaSet calls its Pods."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from swarmlet.controllers.deployments.replicaset import PODS, REPLICA_SETS, ReplicaSets
from swarmlet.model import kinds
from swarmlet.model.apps import ReplicaSet, ReplicaSetSpec
from swarmlet.model.container import Container
from swarmlet.model.core import Namespace
from swarmlet.model.meta import LabelSelector, ObjectMeta
from swarmlet.model.pod import PodSpec, PodTemplateSpec
from swarmlet.store.commands import Key, Put
from tests.api.conftest import START, DirectReplica

LABELS = {"app": "web"}


class FewLetters(random.Random):
    """Draws of so few letters that names come twice: 243 there are."""

    def choices(self, population: Sequence[Any], *_: Any, k: int = 1, **__: Any) -> list[Any]:
        return super().choices(population[:3], k=k)


def test_no_name_is_drawn_twice_in_one_step_or_of_a_pod_that_there_is() -> None:
    replica, rng = DirectReplica(), FewLetters(1)
    replica.put(kinds.NAMESPACE, Namespace(metadata=ObjectMeta(name="default")))
    template = PodTemplateSpec(metadata=ObjectMeta(labels=LABELS), spec=PodSpec(containers=(Container(name="main"),)))
    for replicas in (40, 80):
        spec = ReplicaSetSpec(replicas=replicas, selector=LabelSelector(match_labels=LABELS), template=template)
        replica.put(
            kinds.REPLICA_SET, ReplicaSet(metadata=ObjectMeta(name="web", namespace="default", uid="u"), spec=spec)
        )
        taken = {stored.key for stored in replica.view.list(PODS)}
        step = ReplicaSets(rng).reconcile(replica.view, Key(REPLICA_SETS, "default", "web"), START)
        made = [each.key for each in step.operations if isinstance(each, Put) and each.key.resource == PODS]
        assert len({*made, *taken}) == len(made) + len(taken) == replicas
        replica.apply(step.operations)
