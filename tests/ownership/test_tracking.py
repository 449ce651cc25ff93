from __future__ import annotations

from datetime import timedelta

from swarmlet.model import kinds
from swarmlet.ownership import entries
from swarmlet.ownership.entries import UPDATE
from tests.ownership.documents import LATER, NOW, World, config_map, container, deployment


def test_who_creates_owns_all_in_kubernetes_form() -> None:
    document = deployment(container(image="web:1"), labels={"app": "web"}, selector={"matchLabels": {"app": "web"}})
    owned = World().create("kubectl-create", document).owned("kubectl-create", UPDATE)
    assert owned["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}
    assert owned["f:spec"]["f:strategy"]["f:rollingUpdate"] == {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}
    assert "." not in owned["f:spec"]
    [(step, item)] = owned["f:spec"]["f:template"]["f:spec"]["f:containers"].items()
    assert (step, item["."], item["f:image"]) == ('k:{"name":"web"}', {}, {})


def test_names_and_stamps_are_nobodys() -> None:
    document = config_map(a="1")
    document["metadata"] |= {"namespace": "default", "uid": "u", "creationTimestamp": "2026-01-02T03:04:05Z"}
    assert World(kinds.CONFIG_MAP).create("x", document).owned("x", UPDATE) == {"f:data": {".": {}, "f:a": {}}}


def test_a_manager_keeps_what_it_had_and_gets_what_it_changes() -> None:
    world = World(kinds.CONFIG_MAP).create("x", config_map(a="1"))
    changed = world.bare
    changed["data"] = {"a": "1", "b": "2"}
    world.update("x", changed, at=LATER)
    assert world.owned("x", UPDATE) == {"f:data": {".": {}, "f:a": {}, "f:b": {}}}
    [entry] = world.object.metadata.managed_fields
    assert entry.time == LATER


def test_entries_stand_in_kubernetes_order() -> None:
    world = World(kinds.CONFIG_MAP).create("zoe", config_map(a="1"), at=LATER)
    world.apply("bob", config_map(b="2"), at=LATER)
    changed = world.bare
    changed["data"]["c"] = "3"
    world.update("amy", changed, at=NOW)
    assert [(each.operation, each.manager) for each in world.object.metadata.managed_fields] == [
        ("Apply", "bob"),
        ("Update", "amy"),
        ("Update", "zoe"),
    ]


def test_over_ten_updaters_the_oldest_become_one() -> None:
    world = World(kinds.CONFIG_MAP).create("m0", config_map(k0="0"))
    for number in range(1, 13):
        changed = world.bare
        changed["data"][f"k{number}"] = "x"
        world.update(f"m{number}", changed, at=NOW + timedelta(seconds=number))
    names = [each.manager for each in world.object.metadata.managed_fields]
    assert len(names) == entries.UPDATERS_MAX
    assert {"f:k0", "f:k1", "f:k2"} <= world.owned(entries.ANCIENT, UPDATE)["f:data"].keys()


def test_an_entry_that_cannot_be_read_owns_nothing() -> None:
    world = World(kinds.CONFIG_MAP).create("x", config_map(a="1"))
    [entry] = world.object.metadata.managed_fields
    for fields in (b'{"data":{}}', b"[]", b'{"k:[1]":{}}', b'{"f:a":1}', b"{"):
        broken = type(entry)(
            manager="x", operation=UPDATE, fields_type="FieldsV1", fields_v1=type(entry.fields_v1)(fields)
        )
        assert entries.read([broken]) == {}
