"""The arithmetic of rollouts, and the order in which Pods go."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.controllers.deployments import rollout
from swarmlet.controllers.deployments.replicaset import deletion_rank
from swarmlet.model.apps import ReplicaSet, ReplicaSetSpec, ReplicaSetStatus
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import ContainerStatus, PodStatus
from tests.controllers.world import new_deployment
from tests.virtual_time import EPOCH


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "most", "least"),
    [
        (10, "25%", "25%", 13, 8),
        (4, "25%", "25%", 5, 3),
        (1, "25%", "25%", 2, 1),
        (3, 0, 0, 3, 2),
        (3, "0%", "10%", 3, 2),
        (2, 5, 5, 7, 0),
        (0, "25%", "25%", 0, 0),
        (10, None, None, 13, 8),
    ],
)
def test_surge_rounds_up_and_unavailable_down(replicas: int, surge, unavailable, most: int, least: int) -> None:
    bounds = rollout.bounds_of(new_deployment(replicas=replicas, surge=surge, unavailable=unavailable))
    assert (bounds.most, bounds.least_available) == (most, least)


def replica_set(name: str, size: int, available: int) -> ReplicaSet:
    return ReplicaSet(
        metadata=ObjectMeta(name=name, creation_timestamp=EPOCH),
        spec=ReplicaSetSpec(replicas=size),
        status=ReplicaSetStatus(replicas=size, available_replicas=available),
    )


SIZES = st.integers(0, 8).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size)))


@given(st.integers(0, 10), st.integers(0, 4), st.integers(0, 4), SIZES, st.lists(SIZES, max_size=3))
def test_shrinking_takes_no_available_replica_below_the_least(
    desired: int, surge: int, unavailable: int, new: tuple[int, int], old: list[tuple[int, int]]
) -> None:
    bounds = rollout.bounds_of(new_deployment(replicas=desired, surge=surge, unavailable=unavailable))
    news = replica_set("new", *new)
    olds = [replica_set(f"old{number}", *each) for number, each in enumerate(old)]
    before = rollout.total_available([news, *olds])
    sizes = rollout.shrink_old(bounds, news, olds)
    after = new[1] + sum(
        min(sizes.get(each.metadata.name, rollout.size(each)), each.status.available_replicas) for each in olds
    )
    assert all(0 <= sizes[each.metadata.name] <= rollout.size(each) for each in olds if each.metadata.name in sizes)
    assert after >= min(before, bounds.least_available)


@given(st.integers(0, 10), st.integers(0, 4), st.lists(SIZES, max_size=3), SIZES)
def test_growing_stays_within_the_most(
    desired: int, surge: int, old: list[tuple[int, int]], new: tuple[int, int]
) -> None:
    deployment = new_deployment(replicas=desired, surge=surge, unavailable=1)
    everyone = [replica_set("new", *new), *(replica_set(f"old{n}", *each) for n, each in enumerate(old))]
    grown = rollout.new_size(deployment, everyone, new[0])
    if grown > new[0]:
        assert rollout.total_size(everyone) + grown - new[0] <= rollout.bounds_of(deployment).most


def pod(node="n1", phase="Running", ready_for=60, restarts=0, age=100, cost="0") -> Pod:
    ready = Condition(type="Ready", status="True", last_transition_time=EPOCH - timedelta(seconds=ready_for or 0))
    return Pod(
        metadata=ObjectMeta(
            creation_timestamp=EPOCH - timedelta(seconds=age),
            annotations={"controller.kubernetes.io/pod-deletion-cost": cost},
        ),
        spec=PodSpec(node_name=node),
        status=PodStatus(
            phase=phase,
            conditions=(ready,) if ready_for is not None else (),
            container_statuses=(ContainerStatus(name="main", restart_count=restarts),),
        ),
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod(node=""), pod(phase="Pending")),
        (pod(phase="Pending"), pod(phase="Unknown")),
        (pod(phase="Unknown"), pod()),
        (pod(ready_for=None), pod()),
        (pod(cost="-1"), pod(cost="nonsense")),
        (pod(node="crowded"), pod()),
        (pod(ready_for=10), pod(ready_for=20)),
        (pod(restarts=3), pod(restarts=1)),
        (pod(age=10), pod(age=20)),
    ],
)
def test_the_pod_whose_loss_is_felt_least_goes_first(first: Pod, second: Pod) -> None:
    crowd = Counter({"crowded": 3, "n1": 1})
    assert deletion_rank(first, crowd) < deletion_rank(second, crowd)
