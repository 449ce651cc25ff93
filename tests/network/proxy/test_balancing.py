"""Who gets a new connection."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.network.proxy.balancing import AVOID_SECONDS, Balancer, place
from swarmlet.network.services.desired import Endpoint

TEN = tuple(Endpoint(f"10.42.0.{number}", 8080) for number in range(1, 11))
CLIENT = "192.0.2.1"
endpoints = st.lists(st.sampled_from(TEN), min_size=1, unique=True).map(tuple)
seeds = st.integers(0, 2**32)


def balancer(seed: int = 1, **limits: int) -> Balancer:
    return Balancer(random.Random(seed), **limits)


@given(seeds, st.integers(1, 100))
def test_ten_endpoints_get_within_a_tenth_of_the_same(seed, at_once):
    chooser, lot, counts, alive = balancer(seed), random.Random(seed), Counter(), []
    for _ in range(1_000):
        chosen = place(chooser.choose(TEN, CLIENT, 0.0))
        counts[chosen] += 1
        chooser.opened(chosen)
        alive.append(chosen)
        if len(alive) >= at_once:
            chooser.closed(alive.pop(lot.randrange(len(alive))))
    assert len(counts) == 10
    assert max(abs(count - 100) for count in counts.values()) <= 10


def test_one_that_answers_slowly_gets_less():
    chooser, counts = balancer(), Counter()
    slow = place(TEN[0])
    for _ in range(1_000):
        chosen = place(chooser.choose(TEN, CLIENT, 0.0))
        counts[chosen] += 1
        chooser.opened(chosen)
        if chosen != slow:
            chooser.closed(chosen)
    assert counts[slow] <= 20


@given(seeds, endpoints, st.data())
def test_one_that_failed_is_not_chosen_while_others_live(seed, some, data):
    dead = set(map(place, data.draw(st.lists(st.sampled_from(some), unique=True))))
    chooser = balancer(seed)
    for each in dead:
        chooser.failed(each, 0.0)
    chosen = {place(chooser.choose(some, CLIENT, 1.0)) for _ in range(30)}
    assert not chosen & dead or dead == set(map(place, some))
    after = {place(chooser.choose(some, CLIENT, AVOID_SECONDS)) for _ in range(len(some))}
    assert after == set(map(place, some))


@given(seeds, endpoints)
def test_each_is_tried_once_and_then_none_is_left(seed, some):
    chooser, tried = balancer(seed), []
    while (chosen := chooser.choose(some, CLIENT, 0.0, tried=tried)) is not None:
        tried.append(place(chosen))
    assert sorted(tried) == sorted(map(place, some))


@given(seeds, endpoints)
def test_a_client_stays_where_it_is_while_its_endpoint_is_there(seed, some):
    chooser = balancer(seed)
    first = chooser.choose(some, CLIENT, 0.0, affinity_seconds=10)
    for second in range(9, 100, 9):  # each connection renews it
        assert chooser.choose(TEN, CLIENT, float(second), affinity_seconds=10) == first
        chooser.choose(TEN, "192.0.2.2", float(second), affinity_seconds=10)
    others = tuple(each for each in TEN if each != first)
    second = chooser.choose(others, CLIENT, 100.0, affinity_seconds=10)
    assert second in others
    assert chooser.choose(TEN, CLIENT, 101.0, affinity_seconds=10) == second


def test_affinity_ends_after_its_time():
    chooser = balancer()
    chosen = {chooser.choose(TEN, CLIENT, 10.0 * turn, affinity_seconds=10) for turn in range(10)}
    assert len(chosen) == 10


def test_a_client_leaves_an_endpoint_that_failed():
    chooser = balancer()
    first = chooser.choose(TEN, CLIENT, 0.0, affinity_seconds=10)
    chooser.failed(place(first), 0.0)
    assert chooser.choose(TEN, CLIENT, 0.0, affinity_seconds=10) != first


def test_no_more_clients_are_remembered_than_there_is_room_for():
    chooser = balancer(clients_max=2)
    first = chooser.choose(TEN, "a", 0.0, affinity_seconds=10)
    for client in "bc":
        chooser.choose(TEN, client, 0.0, affinity_seconds=10)
    assert {chooser.choose(TEN, f"a{turn}", 0.0, affinity_seconds=10) for turn in range(10)} >= {first}
    assert len(chooser._clients) == 2


@pytest.mark.parametrize("tried", [(), [place(TEN[0])]])
def test_where_there_is_no_endpoint_none_is_chosen(tried):
    assert balancer().choose((), CLIENT, 0.0, tried=tried) is None
