"""What a stored Pod costs, read and unread, and that one read sparingly is the Pod that was written."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from swarmlet.model import kinds, objects, sharing
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.store.state import Store
from tools.bench.population import Population

PODS = 360
BYTES_PER_POD_MAX = 6_000
SHARE = 0.01
"""Of a cluster of thirty thousand Pods."""


def pods_of(store: Store) -> list[Pod]:
    return [stored.object for stored in store.list(kinds.POD.resource)]


def test_a_pod_read_sparingly_is_the_pod_that_was_written() -> None:
    population = Population(share=SHARE)
    population.fill()
    assert len(pods_of(population.store)) == PODS
    for stored in population.store.list(kinds.POD.resource):
        plain = objects.from_json(kinds.POD, stored.json)
        assert stored.object == plain
        assert objects.to_json(stored.object) == objects.to_json(plain)


def test_pods_of_one_template_share_what_they_have_in_common() -> None:
    population = Population(share=SHARE)
    population.fill()
    one, other = (each.object for each in list(population.store.list(kinds.POD.resource))[-2:])
    assert one.spec.containers is other.spec.containers
    assert one.metadata.creation_timestamp is other.metadata.creation_timestamp
    assert one.spec.tolerations is other.spec.tolerations
    assert one.metadata.owner_references is other.metadata.owner_references
    assert one.metadata.labels is other.metadata.labels


def test_pods_that_have_nothing_in_common_keep_little_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "PARTS_BYTES_MAX", 64 * 1024)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(300):
            notes = {"note": f"{number}" + "x" * 10_000}
            pod = Pod(metadata=ObjectMeta(name="a", namespace="default", annotations=notes))
            assert sharing.read(kinds.POD, objects.to_json(pod), "a") == pod
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000, f"{kept} bytes are kept of Pods that are gone"


def test_a_stored_pod_costs_less_than_six_kilobytes() -> None:
    population = Population(share=SHARE)
    population.fill()
    chunks = list(population.store.capture().encode_chunks())
    store = Store()
    gc.collect()
    tracemalloc.start()
    try:
        store.restore(chunks)
        count = len(pods_of(store))
        cost = tracemalloc.get_traced_memory()[0] / count
    finally:
        tracemalloc.stop()
    assert cost < BYTES_PER_POD_MAX, f"{cost:.0f} bytes a Pod"


def test_times_that_are_shared_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "TIMES_MAX", 8)
    population = Population(share=SHARE)
    population.fill()
    assert len(pods_of(population.store)) == PODS
    assert len(sharing._times) <= 8


def test_a_time_in_another_zone_stays_as_it_is_written() -> None:
    data = (
        b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","creationTimestamp":"2026-01-01T00:00:00Z"},'
        b'"spec":{},"status":{"startTime":"2026-01-01T01:00:00+01:00"}}'
    )
    pod = sharing.read(kinds.POD, data, "a")
    assert objects.to_json(pod) == objects.to_json(objects.from_json(kinds.POD, data))
