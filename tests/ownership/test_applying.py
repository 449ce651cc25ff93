from __future__ import annotations

import json

import pytest

from swarmlet.errors import ApplyConflictError, CallerError
from swarmlet.model import kinds
from swarmlet.model.meta import ManagedFieldsEntry
from swarmlet.ownership import applying, tracking
from swarmlet.ownership.entries import UPDATE
from tests.ownership.documents import LATER, NOW, World, config_map, container, deployment

WEB = 'k:{"name":"web"}'


def test_who_applies_owns_what_is_asked_for_and_no_more() -> None:
    world = World().apply("alice", deployment(container(image="web:1"), labels={"a": "1"}, replicas=3))
    below = {"f:metadata": {"f:labels": {"f:a": {}}}}
    pod = {"f:spec": {"f:containers": {WEB: {".": {}, "f:image": {}, "f:name": {}}}}}
    assert world.owned("alice") == below | {"f:spec": {"f:replicas": {}, "f:template": pod}}


def test_a_field_that_is_applied_no_longer_goes() -> None:
    world = World(kinds.CONFIG_MAP).apply("alice", config_map(a="1", b="2"))
    assert world.apply("alice", config_map(b="2")).document["data"] == {"b": "2"}


def test_the_last_field_takes_the_object_around_it_along() -> None:
    world = World(kinds.CONFIG_MAP).apply("alice", config_map(a="1"))
    document = config_map()
    del document["data"]
    assert "data" not in world.apply("alice", document).document


def test_a_field_that_another_applied_too_stays() -> None:
    world = World(kinds.CONFIG_MAP).apply("alice", config_map(a="1", b="2")).apply("bob", config_map(a="1"))
    world.apply("alice", config_map(b="2"))
    assert world.document["data"] == {"a": "1", "b": "2"}
    assert (world.owned("alice"), world.owned("bob")) == ({"f:data": {"f:b": {}}}, {"f:data": {"f:a": {}}})


def test_what_defaults_filled_in_goes_with_the_object_that_it_is_in() -> None:
    probe = {"httpGet": {"path": "/", "port": 80}}
    world = World().apply("alice", deployment(container(image="web:1", livenessProbe=probe)))
    assert world.containers[0]["livenessProbe"]["periodSeconds"] == 10
    world.apply("alice", deployment(container(image="web:1")))
    assert "livenessProbe" not in world.containers[0]


def test_an_item_goes_with_what_is_in_it() -> None:
    world = World().apply("alice", deployment(container(image="web:1"), container("side", image="side:1")))
    world.apply("alice", deployment(container(image="web:1")))
    assert [each["name"] for each in world.containers] == ["web"]


def test_an_item_that_somebody_else_added_stays() -> None:
    world = World().apply("alice", deployment(container(image="web:1")))
    world.apply("bob", deployment(container("side", image="side:1")))
    world.apply("alice", deployment(container(image="web:2")))
    assert [(each["name"], each["image"]) for each in world.containers] == [("web", "web:2"), ("side", "side:1")]


def test_another_value_of_anothers_field_is_a_conflict() -> None:
    world = World().apply("alice", deployment(replicas=3))
    with pytest.raises(ApplyConflictError) as caught:
        world.apply("bob", deployment(replicas=4))
    assert str(caught.value) == 'Apply failed with 1 conflict: conflict with "alice": .spec.replicas'
    assert caught.value.causes == ((".spec.replicas", 'conflict with "alice"'),)


def test_several_conflicts_are_told_by_manager() -> None:
    world = World().create("kubectl-create", deployment(container(image="web:1"), replicas=3))
    world.apply("alice", deployment(container("side", image="side:1")))
    with pytest.raises(ApplyConflictError) as caught:
        world.apply("bob", deployment(container(image="web:2"), container("side", image="side:2"), replicas=1))
    assert str(caught.value).splitlines() == [
        'Apply failed with 3 conflicts: conflicts with "alice":',
        '- .spec.template.spec.containers[name="side"].image',
        'conflicts with "kubectl-create" using apps/v1:',
        "- .spec.replicas",
        '- .spec.template.spec.containers[name="web"].image',
    ]


def test_the_same_value_is_shared_without_a_conflict() -> None:
    world = World().apply("alice", deployment(replicas=3)).apply("bob", deployment(replicas=3))
    assert world.owned("alice") == world.owned("bob") == {"f:spec": {"f:replicas": {}}}


def test_the_same_amount_in_other_words_is_no_conflict() -> None:
    def limited(cpu: str) -> dict:
        return deployment(container(image="web:1", resources={"limits": {"cpu": cpu}}))

    world = World().apply("alice", limited("1000m")).apply("bob", limited("1"))
    assert world.containers[0]["resources"]["limits"] == {"cpu": "1"}


def test_force_takes_the_field_from_who_had_it() -> None:
    world = World().apply("alice", deployment(replicas=3, paused=True))
    world.apply("bob", deployment(replicas=4), force=True)
    assert world.document["spec"]["replicas"] == 4
    assert (world.owned("alice"), world.owned("bob")) == ({"f:spec": {"f:paused": {}}}, {"f:spec": {"f:replicas": {}}})


def test_a_write_of_another_kind_takes_the_field_too() -> None:
    world = World().apply("alice", deployment(replicas=3))
    changed = world.bare
    changed["spec"]["replicas"] = 5
    world.update("kubectl-edit", changed)
    assert (world.owned("alice"), world.owned("kubectl-edit", UPDATE)) == ({}, {"f:spec": {"f:replicas": {}}})
    with pytest.raises(ApplyConflictError, match='conflict with "kubectl-edit" using apps/v1'):
        world.apply("alice", deployment(replicas=3))


def test_a_subresource_is_named_in_the_conflict() -> None:
    world = World().apply("alice", deployment(replicas=3))
    changed = world.bare
    changed["spec"]["replicas"] = 5
    world.update("scaler", changed, subresource="scale")
    with pytest.raises(ApplyConflictError, match='conflict with "scaler" with subresource "scale" using apps/v1'):
        world.apply("alice", deployment(replicas=3))


def test_what_is_no_longer_there_is_nobodys() -> None:
    world = World(kinds.CONFIG_MAP).apply("alice", config_map(a="1", b="2"))
    changed = world.bare
    del changed["data"]["a"]
    world.update("kubectl-edit", changed)
    assert world.owned("alice") == {"f:data": {"f:b": {}}}


def test_a_list_without_keys_has_one_owner() -> None:
    world = World().apply("alice", deployment(container(image="web:1", args=["a", "b"])))
    owned = world.owned("alice")["f:spec"]["f:template"]["f:spec"]["f:containers"][WEB]
    assert owned["f:args"] == {}
    with pytest.raises(ApplyConflictError, match=r"\.args"):
        world.apply("bob", deployment(container(image="web:1", args=["a", "b", "c"])))


def test_an_atomic_object_has_one_owner() -> None:
    document = deployment(container(image="web:1"), selector={"matchLabels": {"a": "1", "b": "2"}})
    assert World().apply("alice", document).owned("alice")["f:spec"]["f:selector"] == {}


def test_a_set_is_shared_value_by_value() -> None:
    def held(*finalizers: str) -> dict:
        return {**config_map(), "metadata": {"name": "conf", "finalizers": list(finalizers)}}

    world = World(kinds.CONFIG_MAP).apply("alice", held("a/x")).apply("bob", held("b/y"))
    assert world.document["metadata"]["finalizers"] == ["a/x", "b/y"]
    assert world.owned("bob")["f:metadata"] == {"f:finalizers": {'v:"b/y"': {}}}
    assert world.apply("alice", config_map()).document["metadata"]["finalizers"] == ["b/y"]


def test_ports_are_told_apart_by_both_keys_and_tcp_need_not_be_said() -> None:
    def opened(*ports: dict) -> dict:
        return deployment(container(image="web:1", ports=list(ports)))

    world = World().apply("alice", opened({"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}))
    owned = world.owned("alice")["f:spec"]["f:template"]["f:spec"]["f:containers"][WEB]["f:ports"]
    assert owned.keys() == {'k:{"containerPort":53,"protocol":"TCP"}', 'k:{"containerPort":53,"protocol":"UDP"}'}
    world.apply("alice", opened({"containerPort": 53, "protocol": "TCP"}))
    assert world.containers[0]["ports"] == [{"containerPort": 53, "protocol": "TCP"}]


def test_two_items_of_one_key_are_refused() -> None:
    with pytest.raises(CallerError, match=r'duplicate entries for key \[name="web"\]'):
        World().apply("alice", deployment(container(image="a"), container(image="b")))


def test_what_nobody_tracked_belongs_to_who_was_before() -> None:
    world = World().create("", deployment(container(image="web:1"), replicas=3))
    assert world.document["metadata"].get("managedFields") is None
    changed = world.bare
    changed["spec"]["replicas"] = 5
    assert world.update("kubectl-edit", changed).object.metadata.managed_fields == ()
    with pytest.raises(ApplyConflictError, match='"before-first-apply" using apps/v1'):
        world.apply("alice", deployment(replicas=3))


def test_kubectl_takes_over_what_it_applied_on_the_clients_side() -> None:
    document = deployment(container(image="web:1"), replicas=3)
    document["metadata"]["annotations"] = {applying.LAST_APPLIED: json.dumps(deployment(replicas=3))}
    world = World().create("kubectl-client-side-apply", document)
    with pytest.raises(ApplyConflictError):
        World().create("kubectl-client-side-apply", document).apply("alice", deployment(replicas=4))
    world.apply("kubectl", deployment(replicas=4))
    assert world.document["spec"]["replicas"] == 4
    annotation = world.document["metadata"]["annotations"][applying.LAST_APPLIED]
    assert json.loads(annotation)["spec"] == {"replicas": 4}


def test_kubectl_does_not_take_over_what_changed_since() -> None:
    document = deployment(container(image="web:1"), replicas=5)
    document["metadata"]["annotations"] = {applying.LAST_APPLIED: json.dumps(deployment(replicas=3))}
    world = World().create("kubectl-client-side-apply", document)
    with pytest.raises(ApplyConflictError):
        world.apply("kubectl", deployment(replicas=4))


def test_an_apply_that_says_the_same_leaves_the_time() -> None:
    world = World().apply("alice", deployment(replicas=3), at=NOW)
    before = world.document
    assert world.apply("alice", deployment(replicas=3), at=LATER).document == before
    [entry] = world.apply("alice", deployment(replicas=4), at=LATER).object.metadata.managed_fields
    assert entry.time == LATER


def test_the_items_of_both_stand_in_the_order_of_who_applied_last() -> None:
    def named(*names: str) -> dict:
        return deployment(*(container(name, image="i") for name in names))

    world = World().apply("alice", named("a", "b", "c", "d")).apply("bob", named("d", "x", "b"))
    assert [each["name"] for each in world.containers] == ["a", "c", "d", "x", "b"]


def test_an_empty_value_is_owned_and_changes_nothing() -> None:
    world = World().create("alice", deployment(container(image="web:1"), replicas=3))
    world.apply("bob", deployment(paused=False))
    assert world.owned("bob") == {"f:spec": {"f:paused": {}}}
    world.apply("carol", deployment(paused=False))


def test_an_empty_object_leaves_what_is_in_it() -> None:
    limits = {"limits": {"cpu": "1"}}
    world = World().apply("alice", deployment(container(image="web:1", resources=limits)))
    world.apply("bob", deployment(container(resources={})))
    assert world.containers[0]["resources"] == limits


def test_an_object_is_emptied_and_stays_where_it_is_asked_for() -> None:
    def cached(**options: str) -> dict:
        document = deployment(container(image="web:1"))
        document["spec"]["template"]["spec"]["volumes"] = [{"name": "cache", "emptyDir": options}]
        return document

    world = World().apply("alice", cached(sizeLimit="1Gi")).apply("alice", cached())
    assert world.document["spec"]["template"]["spec"]["volumes"] == [{"name": "cache", "emptyDir": {}}]


def test_an_object_that_goes_is_nobodys() -> None:
    probe = {"exec": {"command": ["true"]}}
    world = World().create("alice", deployment(container(image="web:1", livenessProbe=probe)))
    changed = world.bare
    del changed["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]
    world.update("bob", changed)
    owned = world.owned("alice", UPDATE)["f:spec"]["f:template"]["f:spec"]["f:containers"][WEB]
    assert "f:livenessProbe" not in owned


def test_one_empty_entry_ends_the_tracking() -> None:
    old = World().apply("alice", deployment(replicas=3)).object.metadata.managed_fields
    assert tracking.carried(old, [ManagedFieldsEntry()]) == ()
    assert tracking.carried(old, []) == old
    assert tracking.carried(old, [ManagedFieldsEntry(manager="x", operation="Eat")]) == old
