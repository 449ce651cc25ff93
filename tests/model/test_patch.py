from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.errors import CallerError
from swarmlet.model import patch

DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
POD = "io.k8s.api.core.v1.Pod"
NODE = "io.k8s.api.core.v1.Node"


def pod(**spec) -> dict:
    return {"spec": spec}


def merged(document: dict, change: dict, definition: str = POD) -> dict:
    before, asked = copy.deepcopy(document), copy.deepcopy(change)
    result = patch.strategic_merge(document, change, definition)
    assert (document, change) == (before, asked)
    return result


def test_containers_are_merged_by_name_and_new_ones_come_first():
    old = pod(containers=[{"name": "a", "image": "1", "tty": True}, {"name": "b", "image": "2"}])
    change = pod(containers=[{"name": "c", "image": "3"}, {"name": "a", "image": "9"}])
    assert merged(old, change) == pod(
        containers=[{"name": "c", "image": "3"}, {"name": "a", "image": "9", "tty": True}, {"name": "b", "image": "2"}]
    )


def test_the_asked_for_order_is_kept():
    old = pod(containers=[{"name": "a"}, {"name": "b"}, {"name": "s"}])
    change = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": []}}
    assert [each["name"] for each in merged(old, change)["spec"]["containers"]] == ["b", "a", "s"]


def test_an_item_is_deleted_by_its_key():
    old = pod(containers=[{"name": "a"}, {"name": "b"}])
    assert merged(old, pod(containers=[{"name": "a", "$patch": "delete"}])) == pod(containers=[{"name": "b"}])


def test_a_merged_list_can_be_replaced():
    old = pod(containers=[{"name": "a"}, {"name": "b"}])
    assert merged(old, pod(containers=[{"$patch": "replace"}, {"name": "c"}])) == pod(containers=[{"name": "c"}])
    assert merged(old, pod(containers=[{"$patch": "replace"}, "c"])) == pod(containers=["c"])  # refused as it is read


def test_a_list_without_a_merge_key_is_replaced():
    old = pod(tolerations=[{"key": "a"}, {"key": "b"}])
    assert merged(old, pod(tolerations=[{"key": "c"}])) == pod(tolerations=[{"key": "c"}])


def test_finalizers_are_united_and_removed_by_value():
    old = {"metadata": {"finalizers": ["x", "y"]}}
    change = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"], "finalizers": ["z", "y"]}}
    assert merged(old, change) == {"metadata": {"finalizers": ["z", "y"]}}


def test_fields_not_retained_go():
    old = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    change = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert merged(old, change, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_many_keys_are_retained_in_no_time_that_grows_with_their_square():
    keys = [f"k{number}" for number in range(40_000)]
    old = {"data": {f"a{number}": "" for number in range(40_000)} | {"k1": ""}}
    assert merged(old, {"data": {"$retainKeys": keys}}) == {"data": {"k1": ""}}


def test_a_volume_changes_its_source():
    old = pod(volumes=[{"name": "v", "emptyDir": {}}])
    change = pod(volumes=[{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}])
    assert merged(old, change) == pod(volumes=[{"name": "v", "hostPath": {"path": "/x"}}])


def test_labels_are_merged_and_null_removes():
    old = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    assert merged(old, {"metadata": {"labels": {"a": None, "c": "3"}}}) == {
        "metadata": {"labels": {"b": "2", "c": "3"}}
    }


def test_nulls_in_what_is_new_are_not_stored():
    assert merged({}, {"metadata": {"labels": {"a": None}}}) == {"metadata": {"labels": {}}}
    assert merged({}, pod(containers=[{"name": "a", "image": None}])) == pod(containers=[{"name": "a"}])


def test_an_object_can_be_replaced_or_emptied():
    old = {"metadata": {"labels": {"a": "1"}}}
    assert merged(old, {"metadata": {"$patch": "replace", "name": "x"}}) == {"metadata": {"name": "x"}}
    assert merged(old, {"metadata": {"labels": {"$patch": "replace", "b": "2"}}}) == {
        "metadata": {"labels": {"b": "2"}}
    }
    assert merged(old, {"metadata": {"$patch": "delete"}}) == {"metadata": {}}


def test_items_that_share_a_merge_key_are_all_kept():
    ports = [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}]
    old = pod(containers=[{"name": "a", "ports": ports}])
    change = pod(containers=[{"name": "a", "ports": [{"containerPort": 80}]}])
    assert merged(old, change)["spec"]["containers"][0]["ports"] == [{"containerPort": 80}, *ports]


def test_cordon_and_uncordon():
    cordoned = merged({"spec": {}}, {"spec": {"unschedulable": True}}, NODE)
    assert cordoned == {"spec": {"unschedulable": True}}
    assert merged(cordoned, {"spec": {"unschedulable": None}}, NODE) == {"spec": {}}


@pytest.mark.parametrize(
    "change",
    [
        pod(containers=[{"image": "x"}]),
        pod(containers=["x"]),
        pod(containers=[{"name": {}}]),
        {"metadata": {"finalizers": [{}]}},
        {"spec": {"$patch": "explode"}},
        {"spec": {"$retainKeys": 1}},
        {"spec": {"$setElementOrder/containers": 1}},
        [],
    ],
)
def test_a_malformed_patch_is_the_callers_fault(change):
    with pytest.raises(CallerError):
        patch.strategic_merge(pod(containers=[{"name": "a"}]), change, POD)


def deep(levels: int) -> dict:
    change: dict = {}
    for _ in range(levels):
        change = {"a": change}
    return change


@pytest.mark.parametrize("apply", [patch.merge, lambda d, p: patch.strategic_merge(d, p, POD)])
def test_a_patch_too_deep_is_refused(apply):
    with pytest.raises(CallerError, match="nested over 64 deep"):
        apply({}, deep(100_000 // 100))


def test_json_merge_patch_is_that_of_the_rfc():
    old = {"title": "Goodbye!", "author": {"given": "John", "family": "Doe"}, "tags": ["a", "b"], "content": "x"}
    change = {"title": "Hello!", "phone": "+01", "author": {"family": None}, "tags": ["a"]}
    wanted = {"title": "Hello!", "author": {"given": "John"}, "tags": ["a"], "content": "x", "phone": "+01"}
    assert patch.merge(old, change) == wanted


scalars = st.integers(0, 3) | st.text("ab", max_size=2) | st.booleans()
values = st.recursive(
    scalars, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=2)
)
documents = st.dictionaries(st.sampled_from("abc"), values, max_size=3)
patches = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        scalars | st.none(),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(scalars, max_size=2),
    ),
    max_size=3,
)


@given(documents, patches)
def test_a_merge_patch_applied_twice_is_as_once(document, change):
    once = patch.merge(document, change)
    assert patch.merge(once, change) == once


@given(documents)
def test_an_empty_patch_changes_nothing(document):
    assert patch.merge(document, {}) == document
    assert patch.strategic_merge(document, {}, POD) == document


names = st.sampled_from("abcd")
containers = st.lists(
    st.fixed_dictionaries({"name": names}, optional={"image": st.sampled_from("xy"), "tty": st.booleans()}),
    max_size=4,
    unique_by=lambda each: each["name"],
)


@given(containers, containers)
def test_a_strategic_merge_applied_twice_is_as_once(old, new):
    once = patch.strategic_merge(pod(containers=old), pod(containers=new), POD)
    assert patch.strategic_merge(once, pod(containers=new), POD) == once


@given(containers, containers)
def test_a_strategic_merge_holds_every_container_once_and_the_patchs_fields_win(old, new):
    result = patch.strategic_merge(pod(containers=old), pod(containers=new), POD)["spec"]["containers"]
    by_name = {each["name"]: each for each in old}
    for each in new:
        by_name[each["name"]] = by_name.get(each["name"], {}) | each
    assert len(result) == len(by_name)
    assert {each["name"]: each for each in result} == by_name
