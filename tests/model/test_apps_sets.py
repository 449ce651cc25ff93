"""Defaults and rules of StatefulSet, DaemonSet and ControllerRevision."""

from __future__ import annotations

import pytest

from swarmlet.model import kinds, objects
from tests.model.test_validation import made, merged, problems, update_problems

TEMPLATE = {
    "metadata": {"labels": {"app": "x"}},
    "spec": {"containers": [{"name": "c", "image": "nginx:1"}]},
}
SPEC = {"selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}
SET = {"metadata": {"name": "x", "namespace": "default"}, "spec": {**SPEC, "serviceName": "peers"}}
DAEMONS = {"metadata": {"name": "x", "namespace": "default"}, "spec": SPEC}


def test_a_stateful_sets_defaults_are_kubernetes() -> None:
    spec = objects.to_document(made(kinds.STATEFUL_SET, SET))["spec"]
    assert spec["replicas"] == 1
    assert spec["podManagementPolicy"] == "OrderedReady"
    assert spec["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"partition": 0, "maxUnavailable": 1},
    }
    assert spec["revisionHistoryLimit"] == 10
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert spec["template"]["spec"]["restartPolicy"] == "Always"


def test_a_daemon_sets_defaults_are_kubernetes() -> None:
    spec = objects.to_document(made(kinds.DAEMON_SET, DAEMONS))["spec"]
    assert spec["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }
    assert spec["revisionHistoryLimit"] == 10
    assert spec["template"]["spec"]["restartPolicy"] == "Always"


def test_an_empty_status_has_the_counts_that_clients_require() -> None:
    status = objects.to_document(made(kinds.STATEFUL_SET, SET))["status"]
    assert status == {"replicas": 0, "availableReplicas": 0}
    assert set(objects.to_document(made(kinds.DAEMON_SET, DAEMONS))["status"]) == {
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
    }


@pytest.mark.parametrize("document", [SET, merged(SET, "spec.updateStrategy", {"type": "OnDelete"})])
def test_a_stateful_set_that_keeps_the_rules_is_taken(document: dict) -> None:
    assert problems(kinds.STATEFUL_SET, document) == {}


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("metadata.name", "a.b", "a lowercase RFC 1123 label"),
        ("metadata.name", "x" * 53, "must be no more than 52 characters"),
        ("spec.replicas", -1, "must be greater than or equal to 0"),
        ("spec.ordinals.start", -1, "must be greater than or equal to 0"),
        ("spec.minReadySeconds", -1, "must be greater than or equal to 0"),
        ("spec.revisionHistoryLimit", -1, "must be greater than or equal to 0"),
        ("spec.podManagementPolicy", "Random", "must be 'OrderedReady' or 'Parallel'"),
        ("spec.serviceName", "a.b", "a lowercase RFC 1123 label"),
        ("spec.updateStrategy.type", "Recreate", "must be 'RollingUpdate' or 'OnDelete'"),
        ("spec.updateStrategy.rollingUpdate.partition", -1, "must be greater than or equal to 0"),
        ("spec.updateStrategy.rollingUpdate.maxUnavailable", 0, "cannot be 0"),
        ("spec.updateStrategy.rollingUpdate.maxUnavailable", "0%", "cannot be 0"),
        ("spec.updateStrategy.rollingUpdate.maxUnavailable", "101%", "must not be greater than 100%"),
        ("spec.updateStrategy.rollingUpdate.maxUnavailable", "many", "a valid percent string"),
        ("spec.persistentVolumeClaimRetentionPolicy.whenScaled", "Keep", "supported values"),
        ("spec.selector", {}, "empty selector is invalid for statefulset"),
        ("spec.template.spec.restartPolicy", "Never", "Unsupported value"),
    ],
)
def test_a_stateful_sets_wrong_field_is_named(path: str, value: object, told: str) -> None:
    assert told in problems(kinds.STATEFUL_SET, merged(SET, path, value)).get(path, "")


def test_the_rolling_update_of_one_that_is_updated_by_hand_is_refused() -> None:
    by_hand = {"type": "OnDelete", "rollingUpdate": {"partition": 1}}
    found = problems(kinds.STATEFUL_SET, merged(SET, "spec.updateStrategy", by_hand))
    assert "only allowed for updateStrategy 'RollingUpdate'" in found["spec.updateStrategy.rollingUpdate"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.serviceName", "others"),
        ("spec.podManagementPolicy", "Parallel"),
        ("spec.selector", {"matchExpressions": [{"key": "app", "operator": "Exists"}]}),
    ],
)
def test_what_makes_its_pods_who_they_are_stays(path: str, value: object) -> None:
    found = update_problems(kinds.STATEFUL_SET, SET, merged(SET, path, value))
    assert found["spec"].startswith("Forbidden: updates to statefulset spec for fields other than 'replicas'")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.replicas", 3),
        ("spec.ordinals", {"start": 2}),
        ("spec.minReadySeconds", 3),
        ("spec.revisionHistoryLimit", 3),
        ("spec.updateStrategy", {"type": "OnDelete"}),
        ("spec.template.spec.containers.0.image", "nginx:2"),
        ("spec.persistentVolumeClaimRetentionPolicy.whenDeleted", "Delete"),
    ],
)
def test_what_may_change_of_a_stateful_set_may(path: str, value: object) -> None:
    assert update_problems(kinds.STATEFUL_SET, SET, merged(SET, path, value)) == {}


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("spec.minReadySeconds", -1, "must be greater than or equal to 0"),
        ("spec.revisionHistoryLimit", -1, "must be greater than or equal to 0"),
        ("spec.updateStrategy.type", "Recreate", 'supported values: "RollingUpdate", "OnDelete"'),
        ("spec.updateStrategy.rollingUpdate.maxSurge", 1, "may not be set when maxUnavailable is non-zero"),
        ("spec.updateStrategy.rollingUpdate.maxUnavailable", 0, "cannot be 0 when maxSurge is 0"),
        ("spec.updateStrategy.rollingUpdate.maxUnavailable", "101%", "must not be greater than 100%"),
        ("spec.selector", {}, "empty selector is invalid for daemonset"),
    ],
)
def test_a_daemon_sets_wrong_field_is_named(path: str, value: object, told: str) -> None:
    assert told in problems(kinds.DAEMON_SET, merged(DAEMONS, path, value)).get(path, "")


def test_a_daemon_set_may_surge_instead() -> None:
    surging = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}}
    assert problems(kinds.DAEMON_SET, merged(DAEMONS, "spec.updateStrategy", surging)) == {}
    by_hand = {"type": "OnDelete", "rollingUpdate": {}}
    assert "OnDelete" in problems(kinds.DAEMON_SET, merged(DAEMONS, "spec.updateStrategy", by_hand)).get(
        "spec.updateStrategy.rollingUpdate", ""
    )


def test_a_daemon_sets_selector_stays() -> None:
    changed = merged(DAEMONS, "spec.selector", {"matchExpressions": [{"key": "app", "operator": "Exists"}]})
    assert "field is immutable" in update_problems(kinds.DAEMON_SET, DAEMONS, changed)["spec.selector"]


def test_a_revision_keeps_what_it_holds() -> None:
    revision = {"metadata": {"name": "x", "namespace": "default"}, "data": {"spec": {}}, "revision": 1}
    assert problems(kinds.CONTROLLER_REVISION, revision) == {}
    assert update_problems(kinds.CONTROLLER_REVISION, revision, merged(revision, "revision", 2)) == {}
    assert "field is immutable" in update_problems(
        kinds.CONTROLLER_REVISION, revision, merged(revision, "data", {"a": 1})
    ).get("data", "")
    assert "data is mandatory" in problems(kinds.CONTROLLER_REVISION, merged(revision, "data", {}))["data"]
    assert "revision" in problems(kinds.CONTROLLER_REVISION, merged(revision, "revision", -1))


def test_a_stateful_sets_containers_may_mount_its_claims() -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    mounts = [{"name": "data", "mountPath": "/data"}]
    container = {"name": "c", "image": "nginx:1", "volumeMounts": mounts}
    document = merged(SET, "spec.template.spec.containers", [container])
    where = "spec.template.spec.containers[0].volumeMounts[0].name"
    assert problems(kinds.STATEFUL_SET, document) == {where: 'Not found: "data"'}
    templates = [{"metadata": {"name": "data"}, "spec": claim}]
    assert problems(kinds.STATEFUL_SET, merged(document, "spec.volumeClaimTemplates", templates)) == {}
    twice = problems(kinds.STATEFUL_SET, merged(document, "spec.volumeClaimTemplates", [*templates, *templates]))
    assert twice == {"spec.volumeClaimTemplates[1].metadata.name": 'Duplicate value: "data"'}
