"""Rules and defaults of variables and volumes that are filled from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.errors import InvalidError
from swarmlet.model import decode, defaults, kinds, objects, validation
from swarmlet.model.rules import downward

METADATA = {"name": "p", "namespace": "default"}


def pod(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": METADATA, "spec": {"containers": [{"name": "c", "image": "i", **(container or {})}], **spec}}


def made(document: dict[str, Any]) -> Any:
    return defaults.fill(decode.decode(kinds.POD, document).object)


def problems(document: dict[str, Any]) -> dict[str, str]:
    try:
        validation.validate(made(document))
    except InvalidError as error:
        return dict(error.causes)
    return {}


def of_variable(source: dict[str, Any], **variable: Any) -> dict[str, str]:
    found = problems(pod({"env": [{"name": "X", "valueFrom": source, **variable}]}))
    start = "spec.containers[0].env[0].valueFrom"
    return {path.removeprefix(start).removeprefix("."): message for path, message in found.items()}


def of_volume(source: dict[str, Any]) -> dict[str, str]:
    found = problems(pod(volumes=[{"name": "v", **source}]))
    return {path.removeprefix("spec.volumes[0]."): message for path, message in found.items()}


def of_mount(**mount: Any) -> dict[str, str]:
    mounts = [{"name": "v", "mountPath": "/d", **mount}]
    found = problems(pod({"volumeMounts": mounts}, volumes=[{"name": "v", "emptyDir": {}}]))
    return {path.removeprefix("spec.containers[0].volumeMounts[0]."): message for path, message in found.items()}


GOOD_SOURCES = [
    {"fieldRef": {"fieldPath": "status.podIP"}},
    {"fieldRef": {"fieldPath": "metadata.labels['example.com/app']"}},
    {"fieldRef": {"fieldPath": "metadata.annotations['Example.com/App']"}},
    {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}},
    {"resourceFieldRef": {"resource": "requests.hugepages-2Mi", "divisor": "1Mi"}},
    {"configMapKeyRef": {"name": "m", "key": "k.k"}},
    {"secretKeyRef": {"name": "s", "key": "k", "optional": True}},
]


@pytest.mark.parametrize("source", GOOD_SOURCES)
def test_good_sources_of_variables_pass(source: dict[str, Any]) -> None:
    assert of_variable(source) == {}


ONE_OF_FOUR = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
NAME = {"fieldRef": {"fieldPath": "metadata.name"}}
SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}


@pytest.mark.parametrize(
    ("source", "path", "message"),
    [
        ({}, "", f'Invalid value: "": {ONE_OF_FOUR}'),
        (NAME | SECRET, "", 'Invalid value: "": may not have more than one field specified at a time'),
        ({"fieldRef": {"fieldPath": ""}}, "fieldRef.fieldPath", "Required value"),
        (
            {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v2"}},
            "fieldRef.fieldPath",
            'Invalid value: "metadata.name": error converting fieldPath: unsupported pod version: v2',
        ),
        (
            {"fieldRef": {"fieldPath": "status.nonsense"}},
            "fieldRef.fieldPath",
            'Invalid value: "status.nonsense": error converting fieldPath: field label not supported: status.nonsense',
        ),
        (
            {"fieldRef": {"fieldPath": "metadata.labels"}},
            "fieldRef.fieldPath",
            (
                'Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace", '
                '"metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", '
                '"status.podIP", "status.podIPs"'
            ),
        ),
        ({"fieldRef": {"fieldPath": "metadata.name['x']"}}, "fieldRef", "does not support subscript"),
        ({"fieldRef": {"fieldPath": "metadata.labels['a b']"}}, "fieldRef", 'Invalid value: "a b": name part must'),
        ({"resourceFieldRef": {"resource": ""}}, "resourceFieldRef.resource", "Required value"),
        ({"resourceFieldRef": {"resource": "limits.gold"}}, "resourceFieldRef.resource", "Unsupported value"),
        (
            {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}},
            "resourceFieldRef.divisor",
            'Invalid value: "limits.cpu": only divisor\'s values 1m and 1 are supported with the cpu resource',
        ),
        ({"resourceFieldRef": {"resource": "limits.memory", "divisor": "2Mi"}}, "resourceFieldRef.divisor", "1Pi, 1Ei"),
        ({"configMapKeyRef": {"name": "m", "key": ""}}, "configMapKeyRef.key", "Required value"),
        ({"configMapKeyRef": {"name": "M", "key": "k"}}, "configMapKeyRef.name", "a lowercase RFC 1123 subdomain"),
        ({"secretKeyRef": {"name": "s", "key": "a/b"}}, "secretKeyRef.key", "a valid config key must"),
    ],
)
def test_bad_sources_of_variables_are_told(source: dict[str, Any], path: str, message: str) -> None:
    assert message in of_variable(source)[path]


def test_a_value_and_a_source_exclude_each_other() -> None:
    told = 'Invalid value: "": may not be specified when `value` is not empty'
    assert of_variable(SECRET, value="x")[""] == told


@pytest.mark.parametrize(
    ("whole", "path", "message"),
    [
        ({}, "", "must specify one of: `configMapRef` or `secretRef`"),
        ({"configMapRef": {"name": "a"}, "secretRef": {"name": "b"}}, "", "may not have more than one field"),
        ({"configMapRef": {}}, "[0].configMapRef.name", "Required value"),
        ({"prefix": "a=", "secretRef": {"name": "b"}}, "[0].prefix", "printable ASCII"),
    ],
)
def test_bad_whole_sources_are_told(whole: dict[str, Any], path: str, message: str) -> None:
    assert message in problems(pod({"envFrom": [whole]}))[f"spec.containers[0].envFrom{path}"]


FIELD = {"fieldRef": {"fieldPath": "metadata.labels"}, "path": "labels"}


@pytest.mark.parametrize(
    ("source", "path", "message"),
    [
        ({"downwardAPI": {"items": [{"path": "x"}]}}, "downwardAPI.items[0]", "one of fieldRef and resourceFieldRef"),
        (
            {"downwardAPI": {"items": [FIELD | {"fieldRef": {"fieldPath": "status.podIP"}}]}},
            "downwardAPI.items[0].fieldRef.fieldPath",
            'Unsupported value: "status.podIP": supported values: "metadata.annotations", "metadata.labels"',
        ),
        (
            {"downwardAPI": {"items": [{"path": "x", "resourceFieldRef": {"resource": "limits.cpu"}}]}},
            "downwardAPI.items[0].resourceFieldRef.containerName",
            "Required value",
        ),
        ({"downwardAPI": {"items": [FIELD | {"path": "../x"}]}}, "downwardAPI.items[0].path", "must not contain '..'"),
        ({"configMap": {"name": "m", "items": [{"key": "k", "path": "..x"}]}}, "configMap.items[0].path", "start with"),
        ({"configMap": {"name": "M"}}, "configMap.name", "a lowercase RFC 1123 subdomain"),
        ({"projected": {"defaultMode": 512, "sources": []}}, "projected.defaultMode", "between 0 and 0777"),
        (
            {"projected": {"sources": [{"configMap": {"name": "a"}, "secret": {"name": "b"}}]}},
            "projected.sources[0]",
            "Forbidden: may not specify more than 1 volume type",
        ),
        ({"projected": {"sources": [{"secret": {}}]}}, "projected.sources[0].secret.name", "Required value"),
        (
            {"projected": {"sources": [{"downwardAPI": {"items": [FIELD]}}, {"downwardAPI": {"items": [FIELD]}}]}},
            "projected",
            'Invalid value: "labels": conflicting duplicate paths',
        ),
        ({"emptyDir": {"sizeLimit": "-1"}}, "emptyDir.sizeLimit", "SizeLimit field must be a valid resource quantity"),
        ({"emptyDir": {}, "hostPath": {"path": "/x"}}, "hostPath", "Forbidden: may not specify more than 1 volume"),
        ({"hostPath": {"path": "/x", "type": "Folder"}}, "hostPath.type", 'Unsupported value: "Folder"'),
    ],
)
def test_bad_volumes_are_told(source: dict[str, Any], path: str, message: str) -> None:
    assert message in of_volume(source)[path]


def test_parts_of_volumes_stay_inside() -> None:
    assert of_mount(subPath="a/b") == of_mount(subPathExpr="$(X)/b") == {}
    assert "must be a relative path" in of_mount(subPath="/a")["subPath"]
    assert "must not contain '..'" in of_mount(subPathExpr="a/../b")["subPathExpr"]
    assert "mutually exclusive" in of_mount(subPath="a", subPathExpr="b")["subPathExpr"]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (pod(volumes=[{"name": "v", "nfs": {"server": "s", "path": "/"}}]), "spec.volumes[0].nfs"),
        (pod(volumes=[{"name": "v", "ephemeral": {}}]), "spec.volumes[0].ephemeral"),
        (
            pod(volumes=[{"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"path": "authority"}}]}}]),
            "spec.volumes[0].projected.sources[0].clusterTrustBundle",
        ),
        (
            pod({"env": [{"name": "X", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}}}]}),
            "spec.containers[0].env[0].valueFrom.fileKeyRef",
        ),
    ],
)
def test_what_cannot_be_had_is_refused_by_name_and_nothing_runs_without_it(document: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidError) as refused:
        made(document)
    assert str(refused.value) == f'Pod "p" is invalid: {path}: Forbidden: not supported by swarmlet yet'
    assert refused.value.causes == ((path, "Forbidden: not supported by swarmlet yet"),)


def test_how_mounts_spread_is_told_where_it_would_matter() -> None:
    mount = {"name": "v", "mountPath": "/d", "mountPropagation": "None", "recursiveReadOnly": "Disabled"}
    volumes = [{"name": "v", "emptyDir": {}}]
    assert decode.decode(kinds.POD, pod({"volumeMounts": [mount]}, volumes=volumes)).warnings() == ()
    shared = pod({"volumeMounts": [mount | {"mountPropagation": "Bidirectional"}]}, volumes=volumes)
    assert decode.decode(kinds.POD, shared).unsupported_fields == (
        "spec.containers[0].volumeMounts[0].mountPropagation",
    )


def test_defaults_are_those_of_kubernetes() -> None:
    env = [
        {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ]
    items = [{"path": "x", "fieldRef": {"fieldPath": "metadata.labels"}}]
    volumes = [
        {"name": "none"},
        {"name": "p", "projected": {"sources": [{"downwardAPI": {"items": items}}]}},
        {"name": "d", "downwardAPI": {"items": items, "defaultMode": 0}},
        {"name": "c", "configMap": {"name": "m"}},
    ]
    filled = made(pod({"env": env}, volumes=volumes))
    assert defaults.fill(filled) == filled
    stored = objects.to_document(filled)["spec"]
    assert stored["containers"][0]["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert stored["containers"][0]["env"][1]["valueFrom"]["resourceFieldRef"]["divisor"] == "0"
    shown = [{**items[0], "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}}]
    assert stored["volumes"] == [
        {"name": "none", "emptyDir": {}},
        {"name": "p", "projected": {"sources": [{"downwardAPI": {"items": shown}}], "defaultMode": 0o644}},
        {"name": "d", "downwardAPI": {"items": shown, "defaultMode": 0}},
        {"name": "c", "configMap": {"name": "m", "defaultMode": 0o644}},
    ]


def test_a_subscript_is_read_whole() -> None:
    assert downward.subscripted("metadata.labels['a.b/c']") == ("metadata.labels", "a.b/c")
    assert downward.subscripted("metadata.labels") is None


IMMUTABLE = "Forbidden: field is immutable when `immutable` is set"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"data": {"k": "dw=="}}, "data"),
        ({"data": {}}, "data"),
        ({"immutable": None}, "immutable"),
        ({"immutable": False}, "immutable"),
    ],
)
@pytest.mark.parametrize("kind", [kinds.CONFIG_MAP, kinds.SECRET])
def test_what_is_immutable_stays_as_it_is(kind: kinds.Kind, change: dict[str, Any], field: str) -> None:
    old = {"metadata": METADATA, "data": {"k": "dg=="}, "immutable": True}
    was, becomes = (defaults.fill(decode.decode(kind, each).object) for each in (old, old | change))
    with pytest.raises(InvalidError) as refused:
        validation.validate_update(becomes, was)
    assert refused.value.causes == ((field, IMMUTABLE),)


@pytest.mark.parametrize("kind", [kinds.CONFIG_MAP, kinds.SECRET])
def test_what_is_immutable_may_get_labels_and_what_is_not_may_become_it(kind: kinds.Kind) -> None:
    old = {"metadata": METADATA, "data": {"k": "dg=="}}
    frozen = old | {"immutable": True}
    labelled = frozen | {"metadata": METADATA | {"labels": {"a": "b"}}}
    for before, after in ((old, frozen), (frozen, labelled)):
        was, becomes = (defaults.fill(decode.decode(kind, each).object) for each in (before, after))
        validation.validate_update(becomes, was)


@pytest.mark.parametrize("kind", [kinds.CONFIG_MAP, kinds.SECRET])
def test_objects_hold_no_more_than_a_mebibyte(kind: kinds.Kind) -> None:
    def document(size: int) -> dict[str, Any]:
        content = {"stringData" if kind is kinds.SECRET else "data": {"k": "x" * size}}
        return {"metadata": METADATA, **content}

    validation.validate(defaults.fill(decode.decode(kind, document(1024 * 1024)).object))
    with pytest.raises(InvalidError, match="Too long: may not be more than 1048576 bytes"):
        validation.validate(defaults.fill(decode.decode(kind, document(1024 * 1024 + 1)).object))
