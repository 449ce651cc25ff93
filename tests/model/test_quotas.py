"""ResourceQuota and LimitRange: fields, defaults, rules; what objects use, and what limits make of a Pod."""

from __future__ import annotations

import pytest

from swarmlet.model import amounts, kinds, limits, objects, usage
from tests.model.test_validation import made, problems, update_problems


def quota(hard: dict, **spec: object) -> dict:
    return {"metadata": {"name": "q", "namespace": "default"}, "spec": {"hard": hard, **spec}}


def limit_range(*items: dict) -> dict:
    return {"metadata": {"name": "l", "namespace": "default"}, "spec": {"limits": list(items)}}


def pod(*containers: dict, **spec: object):
    told = [{"name": f"c{number}", "image": "web:1", **each} for number, each in enumerate(containers)]
    return made(kinds.POD, {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": told, **spec}})


def asking(requests: dict | None = None, limits_: dict | None = None) -> dict:
    return {"resources": {"requests": requests or {}, "limits": limits_ or {}}}


def used(value, **spec: object) -> dict[str, str]:
    spec = made(kinds.RESOURCE_QUOTA, quota(**spec)).spec
    return amounts.written(usage.counted(spec, kinds.POD.resource, value))


# Rules.


@pytest.mark.parametrize(
    ("document", "path", "told"),
    [
        (quota({"pods": "-1"}), "spec.hard[pods]", 'Invalid value: "-1": must be greater than or equal to 0'),
        (quota({"pods": "1500m"}), "spec.hard[pods]", 'Invalid value: "1500m": must be an integer'),
        (
            quota({"count/jobs.batch": "500m"}),
            "spec.hard[count/jobs.batch]",
            'Invalid value: "500m": must be an integer',
        ),
        (quota({"gold": "1"}), "spec.hard[gold]", 'Invalid value: "gold": must be a standard resource for quota'),
        (quota({"pods": "1"}, scopes=["Sometimes"]), "spec.scopes[0]", 'Invalid value: "Sometimes": unsupported scope'),
        (
            quota({"pods": "1"}, scopes=["BestEffort", "NotBestEffort"]),
            "spec.scopes",
            'Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
        ),
        (
            quota({"cpu": "1"}, scopes=["BestEffort"]),
            "spec.scopes[0]",
            'Invalid value: ["BestEffort"]: unsupported scope applied to resource',
        ),
        (
            quota({"configmaps": "1"}, scopes=["Terminating"]),
            "spec.scopes[0]",
            'Invalid value: ["Terminating"]: unsupported scope applied to resource',
        ),
        (
            quota(
                {"pods": "1"}, scopeSelector={"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}
            ),
            "spec.scopeSelector.matchExpressions[0].values",
            "Required value: must be atleast one value when `operator` is 'In' or 'NotIn' for scope selector",
        ),
    ],
)
def test_a_quota_that_breaks_a_rule_names_the_field(document: dict, path: str, told: str) -> None:
    assert problems(kinds.RESOURCE_QUOTA, document) == {path: told}


def test_the_names_that_kubernetes_documents_are_taken() -> None:
    names = (
        "pods cpu memory requests.cpu limits.memory ephemeral-storage requests.nvidia.com/gpu hugepages-2Mi configmaps"
    )
    names += (
        " count/deployments.apps requests.storage gold.storageclass.storage.k8s.io/requests.storage services.nodeports"
    )
    assert problems(kinds.RESOURCE_QUOTA, quota(dict.fromkeys(names.split(), "4"))) == {}


def test_a_scope_that_pods_here_cannot_have_is_refused_by_name() -> None:
    told = problems(kinds.RESOURCE_QUOTA, quota({"pods": "1"}, scopes=["VolumeAttributesClass"]))
    assert "not supported by swarmlet" in told["spec.scopes[0]"]


def test_scopes_are_immutable() -> None:
    told = update_problems(kinds.RESOURCE_QUOTA, quota({"pods": "1"}), quota({"pods": "1"}, scopes=["Terminating"]))
    assert told == {"spec.scopes": 'Invalid value: ["Terminating"]: field is immutable'}


@pytest.mark.parametrize(
    ("item", "path", "told"),
    [
        (
            {"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}},
            "min[cpu]",
            'Invalid value: "2": min value 2 is greater than max value 1',
        ),
        (
            {"type": "Container", "default": {"cpu": "2"}, "max": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}},
            "default[cpu]",
            'Invalid value: "2": default value 2 is greater than max value 1',
        ),
        (
            {"type": "Pod", "default": {"cpu": "2"}},
            "default",
            "Forbidden: may not be specified when `type` is 'Pod'",
        ),
        (
            {"type": "PersistentVolumeClaim"},
            "",
            "Required value: either minimum or maximum storage value is required, but neither was provided",
        ),
        (
            {"type": "Machine", "max": {"cpu": "1"}},
            "type",
            'Invalid value: "Machine": must be a standard limit type or fully qualified',
        ),
        (
            {"type": "Pod", "maxLimitRequestRatio": {"cpu": "500m"}},
            "maxLimitRequestRatio[cpu]",
            'Invalid value: "500m": ratio 500m is less than 1',
        ),
    ],
)
def test_a_limit_range_that_breaks_a_rule_names_the_field(item: dict, path: str, told: str) -> None:
    full = f"spec.limits[0].{path}" if path else "spec.limits[0]"
    assert problems(kinds.LIMIT_RANGE, limit_range(item))[full] == told


def test_a_limit_range_fills_in_limits_from_maxima_and_requests_from_limits_or_minima() -> None:
    item = {
        "type": "Container",
        "max": {"cpu": "2"},
        "min": {"cpu": "100m", "memory": "1Mi"},
        "default": {"memory": "1Gi"},
    }
    filled = objects.to_document(made(kinds.LIMIT_RANGE, limit_range(item)))["spec"]["limits"][0]
    assert filled["default"] == {"cpu": "2", "memory": "1Gi"}
    assert filled["defaultRequest"] == {"cpu": "2", "memory": "1Gi"}


# Limits.

CONTAINER_DEFAULTS = {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "100m", "memory": "64Mi"}}


def test_a_container_gets_what_it_leaves_unsaid_and_a_note_tells_of_it() -> None:
    (given, own) = (
        made(kinds.LIMIT_RANGE, limit_range(CONTAINER_DEFAULTS)),
        pod({}, asking({"cpu": "2"}, {"cpu": "3"})),
    )
    first, second = limits.with_defaults(own, [given]).spec.containers
    assert (first.resources.requests, first.resources.limits) == ({"cpu": "100m", "memory": "64Mi"}, {"cpu": "1"})
    assert (second.resources.requests, second.resources.limits) == ({"cpu": "2", "memory": "64Mi"}, {"cpu": "3"})
    assert limits.with_defaults(own, [given]).metadata.annotations == {
        "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu, memory request for container c0; "
        "cpu limit for container c0; memory request for container c1"
    }
    assert limits.with_defaults(own, [given]).status.qos_class == "Burstable"


def test_a_pod_that_says_all_stays_as_it_is() -> None:
    own = pod(asking({"cpu": "1", "memory": "1Gi"}, {"cpu": "1"}))
    assert limits.with_defaults(own, [made(kinds.LIMIT_RANGE, limit_range(CONTAINER_DEFAULTS))]) is own


@pytest.mark.parametrize(
    ("item", "value", "told"),
    [
        (
            {"type": "Container", "max": {"memory": "1Gi"}},
            pod(asking({}, {"memory": "2Gi"})),
            "maximum memory usage per Container is 1Gi, but limit is 2Gi",
        ),
        (
            {"type": "Container", "max": {"memory": "1Gi"}},
            pod({}),
            "maximum memory usage per Container is 1Gi.  No limit is specified",
        ),
        (
            {"type": "Container", "min": {"cpu": "100m"}},
            pod(asking({"cpu": "50m"})),
            "minimum cpu usage per Container is 100m, but request is 50m",
        ),
        (
            {"type": "Container", "min": {"cpu": "100m"}},
            pod({}),
            "minimum cpu usage per Container is 100m.  No request is specified",
        ),
        (
            {"type": "Pod", "max": {"cpu": "3"}},
            pod(asking({}, {"cpu": "2"}), asking({}, {"cpu": "2"})),
            "maximum cpu usage per Pod is 3, but limit is 4",
        ),
        (
            {"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}},
            pod(asking({"cpu": "1"}, {"cpu": "3"})),
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
        (
            {"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}},
            pod({}),
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
        ),
    ],
)
def test_what_breaks_a_limit_is_told_in_kubernetes_words(item: dict, value, told: str) -> None:
    assert limits.of_pod(value, [made(kinds.LIMIT_RANGE, limit_range(item))]) == [told]


def test_init_containers_are_limited_too() -> None:
    init = [{"name": "init", "image": "web:1", **asking({}, {"cpu": "2"})}]
    broken = limits.of_pod(
        pod(asking({}, {"cpu": "1"}), initContainers=init),
        [made(kinds.LIMIT_RANGE, limit_range({"type": "Container", "max": {"cpu": "1"}}))],
    )
    assert broken == ["maximum cpu usage per Container is 1, but limit is 2"]


def test_a_claim_is_limited_by_what_it_requests() -> None:
    given = made(
        kinds.LIMIT_RANGE,
        limit_range({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}),
    )
    assert limits.of_claim({"storage": "1536Mi"}, [given]) == []
    assert limits.of_claim({"storage": "3Gi"}, [given]) == [
        "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"
    ]
    assert limits.of_claim({"storage": "1Mi"}, [given]) == [
        "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi"
    ]


# Usage.

ALL = dict.fromkeys(
    ["pods", "count/pods", "cpu", "requests.cpu", "limits.cpu", "requests.memory", "requests.example.com/card"], "9"
)


def test_a_pod_uses_what_its_containers_ask_for_together() -> None:
    value = pod(asking({"cpu": "500m", "memory": "1Gi"}, {"cpu": "1", "example.com/card": "2"}), asking({"cpu": "1"}))
    assert used(value, hard=ALL) == {
        "pods": "1",
        "count/pods": "1",
        "cpu": "1500m",
        "requests.cpu": "1500m",
        "limits.cpu": "1",
        "requests.memory": "1Gi",
        "requests.example.com/card": "2",
    }


def test_a_pod_that_has_ended_is_only_an_object() -> None:
    value = pod({})
    ended = made(kinds.POD, objects.to_document(value) | {"status": {"phase": "Succeeded"}})
    assert used(ended, hard=ALL) == {"count/pods": "1"}


@pytest.mark.parametrize(
    ("scope", "value", "matches"),
    [
        ("Terminating", pod({}, activeDeadlineSeconds=5), True),
        ("Terminating", pod({}), False),
        ("NotTerminating", pod({}), True),
        ("BestEffort", pod({}), True),
        ("BestEffort", pod(asking({"cpu": "1"})), False),
        ("NotBestEffort", pod(asking({"cpu": "1"})), True),
    ],
)
def test_a_scope_takes_in_the_pods_it_names(scope: str, value, matches: bool) -> None:
    assert (used(value, hard={"pods": "1"}, scopes=[scope]) != {}) is matches


@pytest.mark.parametrize(
    ("operator", "matching"),
    [("In", ["high"]), ("Exists", ["low", "high"]), ("NotIn", ["", "low"]), ("DoesNotExist", [""])],
)
def test_a_scope_takes_in_the_pods_of_its_priority_classes(operator: str, matching: list[str]) -> None:
    values = ["high", "higher"] if operator in ("In", "NotIn") else []
    selector = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}
    found = [
        name
        for name in ("", "low", "high")
        if used(pod({}, priorityClassName=name), hard={"pods": "1"}, scopeSelector=selector)
    ]
    assert found == matching


def test_what_must_be_specified_is_told_by_container() -> None:
    spec = made(kinds.RESOURCE_QUOTA, quota({"limits.cpu": "1", "requests.memory": "1", "pods": "1"})).spec
    assert usage.unspecified(spec, pod({}, asking({"memory": "1"}))) == "limits.cpu for: c0,c1; requests.memory for: c0"


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("requests.cpu", "pods"),
        ("count/pods", "pods"),
        ("count/deployments.apps", "deployments.apps"),
        ("configmaps", "configmaps"),
        ("requests.storage", "persistentvolumeclaims"),
        ("gold.storageclass.storage.k8s.io/persistentvolumeclaims", "persistentvolumeclaims"),
        ("services.loadbalancers", "services"),
    ],
)
def test_each_name_counts_the_objects_of_one_resource(name: str, resource: str) -> None:
    assert usage.resource_of(name) == resource


def test_a_claim_uses_storage_of_its_class() -> None:
    claim = made(
        kinds.BY_RESOURCE["persistentvolumeclaims"],
        {
            "metadata": {"name": "data", "namespace": "default"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "gold",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        },
    )
    assert amounts.written(usage.of("persistentvolumeclaims", claim)) == {
        "count/persistentvolumeclaims": "1",
        "persistentvolumeclaims": "1",
        "requests.storage": "1Gi",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/requests.storage": "1Gi",
    }
