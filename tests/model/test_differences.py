from __future__ import annotations

import copy

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarmlet.model import differences
from swarmlet.model.differences import Difference, between, desired, written


def deployment(**spec):
    container = {"name": "web", "image": "a:1", "ports": [{"containerPort": 80, "protocol": "TCP"}]}
    pod = {"containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
        "spec": {"replicas": 2, "template": {"spec": pod}, **spec},
    }


def changed(document, change):
    after = copy.deepcopy(document)
    change(after)
    return after


def lines(before, after):
    return [line for each in between(before, after) for line in written(each)]


def of_pod(change):
    before = deployment()
    return lines(before, changed(before, lambda it: change(it["spec"]["template"]["spec"])))


def test_a_scalar_is_told_with_both_values():
    before = deployment()
    assert lines(before, deployment(replicas=3)) == ["~ spec.replicas: 2 -> 3"]
    assert lines(before, before) == []


def test_an_item_of_a_list_is_told_by_its_merge_key():
    assert of_pod(lambda pod: pod["containers"][0].update(image="a:2")) == [
        "~ spec.template.spec.containers[web].image: a:1 -> a:2"
    ]


def test_an_item_that_comes_before_another_does_not_change_that_one():
    assert of_pod(lambda pod: pod["containers"].insert(0, {"name": "side", "image": "b:1"})) == [
        "+ spec.template.spec.containers[side]: {name: side, image: b:1}"
    ]


def test_ports_are_told_apart_by_number_and_protocol():
    assert of_pod(lambda pod: pod["containers"][0]["ports"].append({"containerPort": 80, "protocol": "UDP"})) == [
        "+ spec.template.spec.containers[web].ports[80/UDP]: {containerPort: 80, protocol: UDP}"
    ]


def test_another_order_of_the_same_items_is_told():
    before = deployment()
    before["spec"]["template"]["spec"]["initContainers"] = [{"name": "a"}, {"name": "b"}]
    after = changed(before, lambda it: it["spec"]["template"]["spec"]["initContainers"].reverse())
    assert lines(before, after) == ["~ spec.template.spec.initContainers (order): [a, b] -> [b, a]"]


def test_plain_lists_are_told_as_a_whole_and_text_that_yaml_would_misread_in_quotes():
    before = changed(deployment(), lambda it: it["spec"]["template"]["spec"]["containers"][0].update(args=["a", "yes"]))
    after = changed(deployment(), lambda it: it["spec"]["template"]["spec"]["containers"][0].update(args=["a", "b c"]))
    assert lines(before, after) == ['~ spec.template.spec.containers[web].args: [a, "yes"] -> [a, "b c"]']


def test_names_with_dots_stand_in_brackets():
    before = deployment()
    after = changed(before, lambda it: it["metadata"]["labels"].update({"example.com/x": "1"}))
    assert lines(before, after) == ['+ metadata.labels[example.com/x]: "1"']


def test_what_goes_is_told():
    before = deployment()
    after = changed(before, lambda it: it["metadata"].pop("labels"))
    assert lines(before, after) == ["- metadata.labels: {app: web}"]


def test_a_long_object_is_taken_apart():
    probe = {"httpGet": {"path": "/a-path-of-some-length", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10}
    told = of_pod(lambda pod: pod["containers"][0].update(readinessProbe=probe))
    path = "+ spec.template.spec.containers[web].readinessProbe"
    assert told == [
        f"{path}.httpGet: {{path: /a-path-of-some-length, port: 8080, scheme: HTTP}}",
        f"{path}.periodSeconds: 10",
    ]


def test_of_a_long_text_only_the_lines_that_differ_are_told():
    before = {"kind": "ConfigMap", "apiVersion": "v1", "data": {"a.conf": "one\ntwo\nthree"}}
    after = {"kind": "ConfigMap", "apiVersion": "v1", "data": {"a.conf": "one\nzwei\nthree"}}
    assert lines(before, after) == ["~ data[a.conf]: - two", "~ data[a.conf]: + zwei"]


def test_a_secret_tells_its_keys_and_never_its_values():
    before = {"apiVersion": "v1", "kind": "Secret", "data": {"old": "aGVtbGlnaA==", "same": "YQ=="}}
    after = {"apiVersion": "v1", "kind": "Secret", "data": {"new": "aGVtbGlnaA==", "same": "YWJj"}}
    found = between(before, after)
    assert [line for each in found for line in written(each)] == [
        "- data.old: (secret)",
        "~ data.same: (secret) -> (secret)",
        "+ data.new: (secret)",
    ]
    assert b"aGVtbGlnaA" not in msgspec.json.encode(found)
    whole = between({"kind": "Secret", "apiVersion": "v1"}, after)
    assert b"aGVtbGlnaA" not in msgspec.json.encode(whole)
    assert [line for each in whole for line in written(each)] == ["+ data: {new: (secret), same: (secret)}"]


def test_desired_leaves_out_what_the_server_writes():
    document = deployment() | {"status": {"replicas": 1}}
    document["metadata"] |= {
        "uid": "u",
        "resourceVersion": "3",
        "generation": 2,
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    assert desired(document) == deployment()


def test_a_kind_that_is_not_known_is_compared_all_the_same():
    before = {"apiVersion": "example.com/v1", "kind": "Thing", "spec": {"a": [{"b": 1}], "c": 1}}
    after = {"apiVersion": "example.com/v1", "kind": "Thing", "spec": {"a": [{"b": 2}], "c": 1}}
    assert lines(before, after) == ["~ spec.a[0].b: 1 -> 2"]


def test_json_leaves_out_the_side_that_is_not_there():
    assert msgspec.json.encode(Difference(path="a", after=None)) == b'{"path":"a","after":null}'
    assert msgspec.json.decode(b'{"path":"a","before":1}', type=Difference) == Difference(path="a", before=1)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=4), each, max_size=3),
    max_leaves=12,
)
documents = st.fixed_dictionaries(
    {"spec": st.dictionaries(st.sampled_from(["replicas", "template", "x", "y"]), values, max_size=4)}
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents, documents)
def test_nothing_is_told_of_equal_documents_and_something_of_others(before, after):
    found = between(before, after)
    assert bool(found) == (before != after)
    assert all(written(each) for each in found)
    assert between(before, before) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        ("", '""'),
        ("a:", '"a:"'),
        ("3", '"3"'),
        ("1e3", '"1e3"'),
        ("2026-11-21", '"2026-11-21"'),
        ("900m", "900m"),
        ("100Gi", "100Gi"),
        ("25%", "25%"),
        ({}, "{}"),
        ([], "[]"),
    ],
)
def test_values_are_shown_in_the_short_form_of_yaml(value, text):
    assert differences.shown(value) == text
