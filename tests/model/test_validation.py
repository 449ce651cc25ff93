from __future__ import annotations

import base64
import copy
from datetime import UTC, datetime

import msgspec
import pytest

from swarmlet.errors import InvalidError
from swarmlet.model import apps, core, decode, defaults, kinds, objects, validation
from swarmlet.model.singletons import FENCED, STRICT_SINGLETON

LONG = "x" * 64


def made(kind: kinds.Kind, document: dict):
    return defaults.fill(decode.decode(kind, document).object)


def problems(kind: kinds.Kind, document: dict) -> dict[str, str]:
    """Return the messages by path of an object that breaks rules."""
    try:
        validation.validate(made(kind, document))
    except InvalidError as error:
        return dict(error.causes)
    return {}


def update_problems(kind: kinds.Kind, old: dict, new: dict) -> dict[str, str]:
    try:
        validation.validate_update(made(kind, new), made(kind, old))
    except InvalidError as error:
        return dict(error.causes)
    return {}


def merged(document: dict, path: str, value) -> dict:
    """Return a copy with the value at a dotted path."""
    copied = copy.deepcopy(document)
    *parents, last = path.split(".")
    place = copied
    for name in parents:
        place = place[int(name)] if name.isdigit() else place.setdefault(name, {})
    place[int(last) if last.isdigit() else last] = value
    return copied


POD = {
    "metadata": {"name": "p", "namespace": "default"},
    "spec": {
        "containers": [
            {
                "name": "c",
                "image": "nginx:1",
                "ports": [{"containerPort": 80, "name": "http"}],
                "env": [{"name": "A", "value": "b"}],
                "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
            }
        ],
        "volumes": [{"name": "v", "configMap": {"name": "m", "items": [{"key": "k", "path": "p"}]}}],
        "tolerations": [{"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 5}],
        "nodeSelector": {"disk": "ssd"},
    },
}
DEPLOYMENT = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": POD["spec"]},
    },
}


@pytest.mark.parametrize(
    ("kind", "document"), [(kinds.POD, POD), (kinds.DEPLOYMENT, DEPLOYMENT), (kinds.REPLICA_SET, DEPLOYMENT)]
)
def test_a_right_object_passes_as_new_and_as_update(kind, document):
    assert problems(kind, document) == {}
    assert update_problems(kind, document, document) == {}


def test_one_broken_rule_is_told_as_kubernetes_tells_it():
    value = made(kinds.DEPLOYMENT, merged(DEPLOYMENT, "spec.replicas", -1))
    with pytest.raises(InvalidError) as caught:
        validation.validate(value)
    wanted = 'Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    assert str(caught.value) == wanted


def test_several_broken_rules_are_told_at_once():
    document = merged(merged(POD, "spec.restartPolicy", "Sometimes"), "spec.containers", [])
    with pytest.raises(InvalidError) as caught:
        validation.validate(made(kinds.POD, document))
    assert str(caught.value) == (
        'Pod "p" is invalid: [spec.containers: Required value, spec.restartPolicy: Unsupported value: "Sometimes": '
        'supported values: "Always", "OnFailure", "Never"]'
    )


METADATA = [
    ("metadata.name", "Web", "metadata.name", "a lowercase RFC 1123 subdomain"),
    ("metadata.name", "", "metadata.name", "Required value: name or generateName is required"),
    ("metadata.name", "a" * 254, "metadata.name", "no more than 253"),
    ("metadata.generateName", "_", "metadata.generateName", "Invalid value"),
    ("metadata.namespace", "", "metadata.namespace", "Required value"),
    ("metadata.namespace", "a.b", "metadata.namespace", "a lowercase RFC 1123 label"),
    ("metadata.labels", {"a b": ""}, "metadata.labels", "name part must consist of"),
    ("metadata.labels", {"/a": ""}, "metadata.labels", "prefix part must be non-empty"),
    ("metadata.labels", {"a/b/c": ""}, "metadata.labels", "a qualified name"),
    ("metadata.labels", {"a": "-"}, "metadata.labels", "a valid label must be"),
    ("metadata.labels", {"a": LONG}, "metadata.labels", "no more than 63"),
    ("metadata.annotations", {"a b": ""}, "metadata.annotations", "name part"),
    ("metadata.annotations", {"a": "x" * 300_000}, "metadata.annotations", "Too long"),
    ("metadata.finalizers", ["mine"], "metadata.finalizers", "nor is it fully qualified"),
    (
        "metadata.ownerReferences",
        [{"kind": "A", "name": "a", "uid": "u"}],
        "metadata.ownerReferences[0].apiVersion",
        "version",
    ),
]


@pytest.mark.parametrize(("path", "value", "where", "message"), METADATA)
def test_rules_of_metadata(path, value, where, message):
    assert message in problems(kinds.POD, merged(POD, path, value))[where]


def test_an_object_has_one_controller():
    owners = [{"apiVersion": "v1", "kind": "A", "name": name, "uid": "u", "controller": True} for name in "ab"]
    found = problems(kinds.POD, merged(POD, "metadata.ownerReferences", owners))
    assert "Only one reference can have Controller set to true" in found["metadata.ownerReferences"]


def test_a_name_may_be_left_to_the_server():
    document = merged(POD, "metadata", {"generateName": "web-", "namespace": "default"})
    assert problems(kinds.POD, document) == {}


def test_a_cluster_wide_object_has_no_namespace_and_a_namespace_no_dots():
    assert "not allowed" in problems(kinds.NODE, {"metadata": {"name": "n", "namespace": "x"}})["metadata.namespace"]
    assert "RFC 1123 label" in problems(kinds.NAMESPACE, {"metadata": {"name": "a.b"}})["metadata.name"]


CONTAINER = "spec.containers.0"
POD_RULES = [
    ("spec.containers", [], "spec.containers", "Required value"),
    (f"{CONTAINER}.name", "", "spec.containers[0].name", "Required value"),
    (f"{CONTAINER}.name", "A", "spec.containers[0].name", "RFC 1123 label"),
    (f"{CONTAINER}.image", "", "spec.containers[0].image", "Required value"),
    (f"{CONTAINER}.image", " nginx", "spec.containers[0].image", "whitespace"),
    (f"{CONTAINER}.imagePullPolicy", "Maybe", "spec.containers[0].imagePullPolicy", "Unsupported value"),
    (f"{CONTAINER}.ports.0.containerPort", 0, "spec.containers[0].ports[0].containerPort", "Required value"),
    (f"{CONTAINER}.ports.0.containerPort", 70000, "spec.containers[0].ports[0].containerPort", "between 1 and 65535"),
    (f"{CONTAINER}.ports.0.hostPort", -1, "spec.containers[0].ports[0].hostPort", "between 1 and 65535"),
    (f"{CONTAINER}.ports.0.protocol", "ICMP", "spec.containers[0].ports[0].protocol", 'supported values: "SCTP"'),
    (f"{CONTAINER}.ports.0.name", "a" * 16, "spec.containers[0].ports[0].name", "no more than 15"),
    (f"{CONTAINER}.ports.0.name", "80", "spec.containers[0].ports[0].name", "at least one letter"),
    (f"{CONTAINER}.ports.0.name", "a--b", "spec.containers[0].ports[0].name", "consecutive hyphens"),
    (f"{CONTAINER}.ports.0.name", "-a", "spec.containers[0].ports[0].name", "begin or end"),
    (f"{CONTAINER}.ports.0.name", "HTTP", "spec.containers[0].ports[0].name", "must contain"),
    (f"{CONTAINER}.env.0.name", "", "spec.containers[0].env[0].name", "Required value"),
    (f"{CONTAINER}.env.0.name", "a=b", "spec.containers[0].env[0].name", "environment variable name"),
    (f"{CONTAINER}.volumeMounts.0.name", "w", "spec.containers[0].volumeMounts[0].name", 'Not found: "w"'),
    (f"{CONTAINER}.volumeMounts.0.mountPath", "", "spec.containers[0].volumeMounts[0].mountPath", "Required value"),
    (
        f"{CONTAINER}.resources.requests.cpu",
        "3",
        "spec.containers[0].resources.requests",
        "less than or equal to cpu limit of 2",
    ),
    (
        f"{CONTAINER}.resources.limits.cpu",
        "-1",
        "spec.containers[0].resources.limits[cpu]",
        "greater than or equal to 0",
    ),
    (f"{CONTAINER}.resources.limits.gpu", "1", "spec.containers[0].resources.limits[gpu]", "standard resource type"),
    (f"{CONTAINER}.lifecycle.preStop", {}, "spec.containers[0].lifecycle.preStop", "must specify a handler type"),
    (
        f"{CONTAINER}.lifecycle.preStop.sleep",
        {"seconds": 1},
        "spec.containers[0].lifecycle.preStop",
        "more than 1 handler",
    ),
    (
        f"{CONTAINER}.lifecycle.preStop.exec.command",
        [],
        "spec.containers[0].lifecycle.preStop.exec.command",
        "Required",
    ),
    (
        f"{CONTAINER}.lifecycle.preStop",
        {"sleep": {"seconds": -1}},
        "spec.containers[0].lifecycle.preStop.sleep",
        "non-neg",
    ),
    (f"{CONTAINER}.lifecycle.preStop", {"httpGet": {}}, "spec.containers[0].lifecycle.preStop.httpGet.port", "between"),
    ("spec.volumes.0.name", "", "spec.volumes[0].name", "Required value"),
    ("spec.volumes.0.secret", {"secretName": "s"}, "spec.volumes[0].secret", "more than 1 volume type"),
    ("spec.volumes.0.configMap.name", "", "spec.volumes[0].configMap.name", "Required value"),
    ("spec.volumes.0.configMap.defaultMode", 0o1000, "spec.volumes[0].configMap.defaultMode", "between 0 and 0777"),
    ("spec.volumes.0.configMap.items.0.path", "/x", "spec.volumes[0].configMap.items[0].path", "relative path"),
    ("spec.volumes.0.configMap.items.0.path", "a/../b", "spec.volumes[0].configMap.items[0].path", "'..'"),
    ("spec.volumes.0.configMap.items.0.path", "", "spec.volumes[0].configMap.items[0].path", "Required value"),
    ("spec.volumes.0.configMap.items.0.key", "", "spec.volumes[0].configMap.items[0].key", "Required value"),
    ("spec.volumes.0", {"name": "v", "secret": {}}, "spec.volumes[0].secret.secretName", "Required value"),
    ("spec.volumes.0", {"name": "v", "hostPath": {"path": ""}}, "spec.volumes[0].hostPath.path", "Required value"),
    ("spec.volumes.0", {"name": "v", "hostPath": {"path": "/a/.."}}, "spec.volumes[0].hostPath.path", "'..'"),
    (
        "spec.volumes.0",
        {"name": "v", "hostPath": {"path": "/", "type": "x"}},
        "spec.volumes[0].hostPath.type",
        "Unsupported",
    ),
    ("spec.volumes.0", {"name": "v", "emptyDir": {"medium": "x"}}, "spec.volumes[0].emptyDir.medium", "Unsupported"),
    ("spec.restartPolicy", "x", "spec.restartPolicy", "Unsupported value"),
    ("spec.terminationGracePeriodSeconds", -1, "spec.terminationGracePeriodSeconds", "greater than or equal to 0"),
    ("spec.nodeSelector", {"a": "b c"}, "spec.nodeSelector", "a valid label must be"),
    ("spec.nodeName", "A", "spec.nodeName", "RFC 1123 subdomain"),
    ("spec.hostname", "a.b", "spec.hostname", "RFC 1123 label"),
    ("spec.tolerations.0.operator", "Like", "spec.tolerations[0].operator", "Unsupported value"),
    ("spec.tolerations.0.operator", "Exists", "spec.tolerations[0].operator", "value must be empty"),
    ("spec.tolerations.0.key", "", "spec.tolerations[0].operator", "operator must be Exists when `key` is empty"),
    ("spec.tolerations.0.effect", "NoSchedule", "spec.tolerations[0].effect", "must be 'NoExecute'"),
    ("spec.tolerations.0.tolerationSeconds", 2**31, "spec.tolerations[0].tolerationSeconds", "must be less than or"),
    ("spec.terminationGracePeriodSeconds", 2**31, "spec.terminationGracePeriodSeconds", "must be less than or equal"),
    ("spec.tolerations.0.effect", "x", "spec.tolerations[0].effect", ""),
]


@pytest.mark.parametrize(("path", "value", "where", "message"), POD_RULES)
def test_rules_of_pods(path, value, where, message):
    assert message in problems(kinds.POD, merged(POD, path, value))[where]


def test_names_ports_and_mounts_of_a_pod_are_unique():
    container = POD["spec"]["containers"][0]
    port = {"containerPort": 80, "hostPort": 80, "name": "http"}
    twice = container | {"volumeMounts": container["volumeMounts"] * 2, "ports": [port, port]}
    document = merged(POD, "spec.containers", [twice, container])
    found = problems(kinds.POD, merged(document, "spec.volumes", POD["spec"]["volumes"] * 2))
    assert found["spec.containers[1].name"] == 'Duplicate value: "c"'
    assert found["spec.containers[0].ports[1].name"] == 'Duplicate value: "http"'
    assert found["spec.containers[0].ports[1].hostPort"] == 'Duplicate value: "TCP//80"'
    assert "must be unique" in found["spec.containers[0].volumeMounts[1].mountPath"]
    assert found["spec.volumes[1].name"] == 'Duplicate value: "v"'


def test_an_init_container_may_not_bear_the_name_of_a_container():
    document = merged(POD, "spec.initContainers", [{"name": "c", "image": "x"}])
    assert problems(kinds.POD, document)["spec.containers[0].name"] == 'Duplicate value: "c"'


def test_on_the_hosts_network_ports_agree():
    document = merged(merged(POD, "spec.hostNetwork", value=True), f"{CONTAINER}.ports.0.hostPort", 81)
    assert "must match `containerPort`" in problems(kinds.POD, document)["spec.containers[0].ports[0].hostPort"]


def rolling(surge, unavailable) -> dict:
    return {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


STRATEGY = "spec.strategy.rollingUpdate"
DEPLOYMENT_RULES = [
    ("spec.selector", {}, "spec.selector", "Required value"),
    (
        "spec.selector",
        {"matchLabels": {"app": "x"}},
        "spec.template.metadata.labels",
        "`selector` does not match template",
    ),
    (
        "spec.selector",
        {"matchExpressions": [{"key": "a", "operator": "x"}]},
        "spec.selector.matchExpressions[0].operator",
        "",
    ),
    (
        "spec.selector",
        {"matchExpressions": [{"key": "a", "operator": "In"}]},
        "spec.selector.matchExpressions[0].values",
        "",
    ),
    ("spec.template.spec.restartPolicy", "Never", "spec.template.spec.restartPolicy", 'supported values: "Always"'),
    ("spec.template.metadata.labels.x y", "", "spec.template.metadata.labels", "name part"),
    ("spec.minReadySeconds", -1, "spec.minReadySeconds", "greater than or equal to 0"),
    ("spec.revisionHistoryLimit", -1, "spec.revisionHistoryLimit", "greater than or equal to 0"),
    ("spec.progressDeadlineSeconds", 0, "spec.progressDeadlineSeconds", "greater than minReadySeconds"),
    ("spec.strategy", {"type": "Magic"}, "spec.strategy.type", "Unsupported value"),
    ("spec.strategy", {"type": "Recreate", **rolling(1, 1)}, STRATEGY, "may not be specified when strategy `type`"),
    ("spec.strategy", rolling(0, 0), f"{STRATEGY}.maxUnavailable", "may not be 0 when `maxSurge` is 0"),
    ("spec.strategy", rolling("0%", "0%"), f"{STRATEGY}.maxUnavailable", "may not be 0 when `maxSurge` is 0"),
    ("spec.strategy", rolling(1, "101%"), f"{STRATEGY}.maxUnavailable", "must not be greater than 100%"),
    ("spec.strategy", rolling("x", 1), f"{STRATEGY}.maxSurge", "a valid percent string"),
    ("spec.strategy", rolling(-1, 1), f"{STRATEGY}.maxSurge", "greater than or equal to 0"),
]


@pytest.mark.parametrize(("path", "value", "where", "message"), DEPLOYMENT_RULES)
def test_rules_of_deployments(path, value, where, message):
    assert message in problems(kinds.DEPLOYMENT, merged(DEPLOYMENT, path, value))[where]


def test_a_surge_may_be_over_the_whole():
    assert problems(kinds.DEPLOYMENT, merged(DEPLOYMENT, "spec.strategy", rolling("200%", 0))) == {}


@pytest.mark.parametrize("kind", [kinds.DEPLOYMENT, kinds.REPLICA_SET], ids=lambda kind: kind.kind)
def test_a_selector_may_not_change(kind):
    new = merged(merged(DEPLOYMENT, "spec.selector.matchLabels.b", "c"), "spec.template.metadata.labels.b", "c")
    assert "field is immutable" in update_problems(kind, DEPLOYMENT, new)["spec.selector"]


POD_CHANGES = [
    (f"{CONTAINER}.image", "nginx:2", ""),
    ("metadata.labels", {"a": "b"}, ""),
    ("spec.tolerations", [*POD["spec"]["tolerations"], {"operator": "Exists"}], ""),
    ("spec.tolerations", [POD["spec"]["tolerations"][0] | {"tolerationSeconds": 60}], ""),
    ("spec.tolerations", [POD["spec"]["tolerations"][0] | {"value": "w"}], "spec.tolerations"),
    ("spec.tolerations", [], "spec.tolerations"),
    (f"{CONTAINER}.env", [], "spec"),
    ("spec.nodeName", "n", "spec"),
    ("metadata.annotations", {"a": "b"}, ""),
    ("metadata.annotations", {STRICT_SINGLETON: "true"}, f"metadata.annotations[{STRICT_SINGLETON}]"),
    ("metadata.annotations", {FENCED: "uid"}, f"metadata.annotations[{FENCED}]"),
    ("spec.containers", POD["spec"]["containers"] * 2, "spec.containers"),
]


@pytest.mark.parametrize(("path", "value", "where"), POD_CHANGES)
def test_little_of_a_pod_may_change(path, value, where):
    found = update_problems(kinds.POD, POD, merged(POD, path, value))
    assert (where in found) if where else found == {}


def test_no_toleration_of_a_pod_may_go():
    old = merged(POD, "spec.tolerations", [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}])
    new = merged(old, "spec.tolerations", old["spec"]["tolerations"][:1])
    assert "spec.tolerations" in update_problems(kinds.POD, old, new)


@pytest.mark.parametrize("field", ["name", "namespace", "uid"])
def test_an_objects_identity_may_not_change(field):
    assert f"metadata.{field}" in update_problems(kinds.POD, POD, merged(POD, f"metadata.{field}", "other"))


def test_an_object_that_goes_gets_no_new_finalizers():
    old = objects.with_metadata(made(kinds.POD, POD), deletion_timestamp=datetime(2024, 1, 1, tzinfo=UTC))
    with pytest.raises(InvalidError, match="no new finalizers can be added"):
        validation.validate_update(objects.with_metadata(old, finalizers=("a/b",)), old)


def content(kind: str, **fields) -> dict:
    return {"metadata": {"name": kind, "namespace": "default"}, **fields}


CONTENT_RULES = [
    (kinds.CONFIG_MAP, {"data": {"a b": ""}}, "data[a b]", "a valid config key"),
    (kinds.CONFIG_MAP, {"data": {"..": ""}}, "data[..]", "must not be '..'"),
    (kinds.CONFIG_MAP, {"data": {"..a": ""}}, "data[..a]", "must not start with '..'"),
    (kinds.CONFIG_MAP, {"data": {"a": ""}, "binaryData": {"a": ""}}, "data[a]", "duplicate of key"),
    (kinds.CONFIG_MAP, {"binaryData": {"a": "%%"}}, "binaryData[a]", "must be base64"),
    (kinds.CONFIG_MAP, {"data": {"a": "x" * 2**20, "b": "x"}}, "data", "Too long: may not be more than 1048576 bytes"),
    (kinds.SECRET, {"data": {"a": "%%"}}, "data[a]", "must be base64"),
    (kinds.SECRET, {"stringData": {"a": "x" * (2**20 + 1)}}, "data", "Too long"),
    (kinds.SECRET, {"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}, "data[tls.key]", "Required value"),
    (kinds.EVENT, {"involvedObject": {"namespace": "x"}}, "involvedObject.namespace", "does not match event.namespace"),
    (kinds.LEASE, {"spec": {"leaseDurationSeconds": 0}}, "spec.leaseDurationSeconds", "greater than 0"),
    (kinds.LEASE, {"spec": {"leaseTransitions": -1}}, "spec.leaseTransitions", "greater than or equal to 0"),
]


@pytest.mark.parametrize(("kind", "fields", "where", "message"), CONTENT_RULES)
def test_rules_of_the_other_kinds(kind, fields, where, message):
    assert message in problems(kind, content("x", **fields))[where]


def test_a_megabyte_is_allowed():
    assert problems(kinds.CONFIG_MAP, content("x", data={"a": "x" * 2**20})) == {}
    assert problems(kinds.SECRET, content("x", stringData={"a": "x" * 2**20})) == {}


def test_an_error_never_shows_what_a_secret_holds():
    password = base64.b64encode(b"hunter2").decode() + "%"
    value = made(kinds.SECRET, content("x", data={"a": password}))
    with pytest.raises(InvalidError) as caught:
        validation.validate(value)
    assert password not in str(caught.value)


FROZEN = content("x", data={"a": "eA=="}, immutable=True)


@pytest.mark.parametrize("kind", [kinds.CONFIG_MAP, kinds.SECRET], ids=lambda kind: kind.kind)
def test_what_was_declared_immutable_is(kind):
    assert update_problems(kind, FROZEN, merged(FROZEN, "metadata.labels", {"a": "b"})) == {}
    assert "Forbidden" in update_problems(kind, FROZEN, merged(FROZEN, "data.a", "eQ=="))["data"]
    assert "Forbidden" in update_problems(kind, FROZEN, merged(FROZEN, "immutable", value=False))["immutable"]


def test_a_secrets_type_may_not_change():
    old = content("x", type="Opaque")
    assert "type" in update_problems(kinds.SECRET, old, merged(old, "type", "other"))


TAINTS = [
    ([{"key": "a", "effect": "x"}], "spec.taints[0].effect"),
    ([{"key": "a", "effect": ""}], "spec.taints[0].effect"),
    ([{"key": "", "effect": "NoExecute"}], "spec.taints[0].key"),
    ([{"key": "a", "effect": "NoExecute", "value": "-"}], "spec.taints[0].value"),
    ([{"key": "a", "effect": "NoExecute"}] * 2, "spec.taints[1]"),
]


@pytest.mark.parametrize(("taints", "where"), TAINTS)
def test_rules_of_taints(taints, where):
    assert where in problems(kinds.NODE, {"metadata": {"name": "n"}, "spec": {"taints": taints}})


def test_a_nodes_amounts_are_not_negative():
    document = {"metadata": {"name": "n"}, "status": {"capacity": {"cpu": "-1"}}}
    assert "status.capacity[cpu]" in problems(kinds.NODE, document)


def test_a_scale_is_not_negative():
    scale = msgspec.convert({"metadata": {"name": "w", "namespace": "d"}, "spec": {"replicas": -1}}, apps.Scale)
    with pytest.raises(InvalidError, match=r'^Scale.autoscaling "w" is invalid: spec.replicas: Invalid value: -1'):
        validation.validate(scale)


def test_a_flood_of_problems_is_cut():
    labels = {f"bad key {number}": "" for number in range(1_000)}
    with pytest.raises(InvalidError) as caught:
        validation.validate(
            core.ConfigMap(metadata=objects.with_metadata(core.ConfigMap(), name="a", labels=labels).metadata)
        )
    assert len(caught.value.causes) == 100
