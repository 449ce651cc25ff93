"""A table's list: in order, of its moment, and made anew only when something changed."""

from __future__ import annotations

from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored
from swarmlet.store.table import Table


def stored(namespace: str, name: str, revision: int = 1) -> Stored:
    return Stored(Key("pods", namespace, name), revision, b"{}")


def filled() -> Table:
    table = Table()
    for namespace, name in (("b", "x"), ("a", "y"), ("a", "x")):
        table.put(stored(namespace, name))
    return table


def names(objects: list[Stored]) -> list[str]:
    return [f"{each.key.namespace}/{each.key.name}@{each.revision}" for each in objects]


def test_a_list_is_in_order_of_namespace_and_name() -> None:
    assert names(filled().objects("")) == ["a/x@1", "a/y@1", "b/x@1"]
    assert names(filled().objects("a")) == ["a/x@1", "a/y@1"]


def test_a_list_follows_every_change() -> None:
    table = filled()
    table.objects("")
    table.put(stored("a", "y", revision=2))
    assert names(table.objects("")) == ["a/x@1", "a/y@2", "b/x@1"]
    table.remove(Key("pods", "b", "x"))
    assert names(table.objects("")) == ["a/x@1", "a/y@2"]
    table.put(stored("a", "z", revision=3))
    assert names(table.objects("")) == ["a/x@1", "a/y@2", "a/z@3"]


def test_a_list_is_of_its_moment_and_its_askers_own() -> None:
    table = filled()
    first = table.objects("")
    table.put(stored("c", "x"))
    assert len(first) == 3
    table.objects("").clear()
    assert len(table.objects("")) == 4


def test_a_copy_goes_its_own_way() -> None:
    table = filled()
    table.objects("")
    twin = table.copy()
    twin.remove(Key("pods", "b", "x"))
    assert len(table.objects("")) == 3
    assert len(twin.objects("")) == 2
