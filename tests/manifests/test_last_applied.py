from __future__ import annotations

from typing import Any

import pytest

from swarmlet.manifests import last_applied
from swarmlet.model import patch, schema

DEPLOYMENT = schema.definition_of("apps/v1", "Deployment")


def deployment(containers: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}
    metadata = {"name": "web", "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template, **spec}}


def applied(current: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return what the server makes of the patch."""
    return patch.strategic_merge(current, last_applied.strategic_patch(current, document), DEPLOYMENT)


def containers(document: dict[str, Any]) -> list[dict[str, Any]]:
    return document["spec"]["template"]["spec"]["containers"]


def test_the_annotation_is_what_kubectl_writes() -> None:
    document = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "<ü&\u2028>"}}
    text = last_applied.annotated(document)["metadata"]["annotations"][last_applied.ANNOTATION]
    assert text == (
        '{"apiVersion":"v1","data":{"k":"\\u003cü\\u0026\\u2028\\u003e"},"kind":"ConfigMap",'
        '"metadata":{"annotations":{},"name":"a"}}\n'
    )


def test_applying_the_same_again_changes_nothing() -> None:
    document = deployment([{"name": "a", "image": "a:1", "ports": [{"containerPort": 80}]}], replicas=2)
    current = last_applied.annotated(document)
    assert applied(current, document) == current


def test_what_others_set_stays() -> None:
    current = last_applied.annotated(deployment([{"name": "a", "image": "a:1"}]))
    current["spec"]["replicas"] = 7
    containers(current).append({"name": "injected", "image": "i:1"})
    containers(current)[0]["terminationMessagePath"] = "/dev/log"
    after = applied(current, deployment([{"name": "a", "image": "a:2"}]))
    assert after["spec"]["replicas"] == 7
    assert containers(after) == [
        {"name": "a", "image": "a:2", "terminationMessagePath": "/dev/log"},
        {"name": "injected", "image": "i:1"},
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([{"name": "a"}, {"name": "b"}], [{"name": "b"}]),
        ([{"name": "a"}], [{"name": "b"}, {"name": "a"}]),
        ([{"name": "a", "command": ["x", "y"]}], [{"name": "a", "command": ["z"]}]),
        ([{"name": "a", "command": ["x"]}], [{"name": "a"}]),
        ([{"name": "a", "env": [{"name": "E", "value": "1"}]}], [{"name": "a", "env": [{"name": "F", "value": "2"}]}]),
    ],
)
def test_lists_become_what_the_manifest_says(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    current = last_applied.annotated(deployment(before))
    assert containers(applied(current, deployment(after))) == after


def test_a_field_that_left_the_manifest_leaves_the_object() -> None:
    current = last_applied.annotated(deployment([{"name": "a"}], replicas=3, paused=True))
    assert "paused" not in applied(current, deployment([{"name": "a"}], replicas=3))["spec"]


def test_a_volume_that_changes_its_source_keeps_nothing_of_the_old() -> None:
    def with_volume(source: dict[str, Any]) -> dict[str, Any]:
        document = deployment([{"name": "a"}])
        document["spec"]["template"]["spec"]["volumes"] = [{"name": "v", **source}]
        return document

    current = last_applied.annotated(with_volume({"emptyDir": {}}))
    wanted = with_volume({"configMap": {"name": "c"}})
    volumes = applied(current, wanted)["spec"]["template"]["spec"]["volumes"]
    assert volumes == [{"name": "v", "configMap": {"name": "c"}}]


def test_a_merge_patch_serves_kinds_without_a_schema() -> None:
    old = {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "x"}, "spec": {"a": 1, "b": {"c": 1, "d": 2}}}
    new = {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "x"}, "spec": {"b": {"c": 3}}}
    current = last_applied.annotated(old)
    current["status"] = {"ready": True}
    after = patch.merge(current, last_applied.merge_patch(current, new))
    assert (after["spec"], after["status"]) == ({"b": {"c": 3}}, {"ready": True})


def test_an_annotation_that_cannot_be_read_is_as_none() -> None:
    assert last_applied.last_applied({"metadata": {"annotations": {last_applied.ANNOTATION: "{"}}}) is None


def test_the_patch_says_in_which_order_items_stand() -> None:
    current = last_applied.annotated(deployment([{"name": "a"}]))
    made = last_applied.strategic_patch(current, deployment([{"name": "b"}, {"name": "a"}]))
    assert made["spec"]["template"]["spec"]["$setElementOrder/containers"] == [{"name": "b"}, {"name": "a"}]


def test_what_was_filled_in_beside_the_old_strategy_goes_with_it() -> None:
    current = last_applied.annotated(deployment([{"name": "a"}]))
    current["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}
    after = applied(current, deployment([{"name": "a"}], strategy={"type": "Recreate"}))
    assert after["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    "said",
    [
        '{"metadata": 3}',
        '{"spec": {"template": {"spec": {"containers": [{"name": [1]}, 2, {"name": {}}]}}}}',
        '{"spec": {"template": {"spec": {"containers": 1}}}}',
    ],
)
def test_an_annotation_that_says_something_odd_is_passed_over(said: str) -> None:
    """Whoever may write an object may write its annotations."""
    document = deployment([{"name": "a", "image": "a:2"}])
    current = deployment([{"name": "a", "image": "a:1"}])
    current["metadata"]["annotations"] = {last_applied.ANNOTATION: said}
    assert containers(applied(current, document)) == containers(document)


def test_an_item_whose_key_is_no_name_is_sent_as_it_is() -> None:
    document = deployment([{"name": "a", "ports": [{"containerPort": [80]}]}])
    patch_sent = last_applied.strategic_patch(deployment([{"name": "a"}]), document)
    assert containers(patch_sent)[0]["ports"] == [{"containerPort": [80]}]
