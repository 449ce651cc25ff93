from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarmlet.ownership import sets, steps

STEPS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
PATHS = st.sets(st.lists(STEPS, min_size=1, max_size=3).map(tuple), max_size=8)


def of(paths: set[tuple[str, ...]]) -> sets.Fields:
    found: sets.Fields = {}
    for path in paths:
        one: sets.Fields = {}
        for step in reversed(path):
            one = {step: one}
        found = sets.union(found, one)
    return found


@given(PATHS, PATHS)
def test_the_algebra_is_that_of_sets_of_paths(one: set, other: set) -> None:
    assert set(sets.paths(of(one))) == one
    assert set(sets.paths(sets.union(of(one), of(other)))) == one | other
    assert set(sets.paths(sets.intersection(of(one), of(other)))) == one & other
    assert set(sets.paths(sets.difference(of(one), of(other)))) == one - other


@given(PATHS)
def test_nothing_stays_that_leads_nowhere(one: set) -> None:
    assert sets.difference(of(one), of(one)) == {}
    assert sets.is_set(of(one))


def test_the_fields_on_the_way_are_added() -> None:
    whole = sets.with_fields({"f:spec": {'k:{"name":"x"}': {"f:image": {}}}})
    assert set(sets.paths(whole)) == {("f:spec",), ("f:spec", 'k:{"name":"x"}', "f:image")}


def test_a_path_reads_as_kubernetes_tells_it() -> None:
    path = ["f:spec", "f:ports", 'k:{"containerPort":80,"protocol":"TCP"}', "f:name"]
    assert steps.told(path) == '.spec.ports[containerPort=80,protocol="TCP"].name'
    assert steps.told(["f:finalizers", 'v:"a/b"', "i:3"]) == '.finalizers[="a/b"][3]'
