from __future__ import annotations

import copy
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.errors import CallerError, InvalidError
from swarmlet.model import apps, decode, defaults, kinds, objects, reading, schema, validation
from swarmlet.model.meta import Condition
from swarmlet.model.services import Endpoint

CONTAINER = {"name": "web", "image": "nginx"}


def deployment(container=None, **spec) -> dict:
    template = {"spec": {"containers": [CONTAINER | (container or {})]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": template} | spec,
    }


def container_of(document: dict):
    return decode.decode(kinds.DEPLOYMENT, document).object.spec.template.spec.containers[0]


def test_a_document_becomes_the_typed_object():
    decoded = decode.decode(kinds.DEPLOYMENT, deployment(replicas=3))
    assert isinstance(decoded.object, apps.Deployment)
    assert decoded.object.spec.replicas == 3
    assert decoded.warnings() == ()
    decoded.raise_if_unknown()


def test_unknown_fields_are_named_by_their_paths_in_kubernetes_words():
    decoded = decode.decode(kinds.DEPLOYMENT, deployment({"imag": 1}, replicsa=3))
    assert set(decoded.unknown_fields) == {"spec.replicsa", "spec.template.spec.containers[0].imag"}
    with pytest.raises(CallerError) as caught:
        decode.decode(kinds.DEPLOYMENT, deployment(replicsa=3)).raise_if_unknown()
    assert str(caught.value) == (
        'Deployment in version "v1" cannot be handled as a Deployment: '
        'strict decoding error: unknown field "spec.replicsa"'
    )


def test_fields_of_kubernetes_that_swarmlet_lacks_are_told_and_not_called_unknown(monkeypatch):
    struct = msgspec.defstruct("Thin", [("name", str, "")], bases=(apps.ApiStruct,), frozen=True, kw_only=True)
    report = reading.Report()
    reading.reader("io.k8s.api.core.v1.Container", struct)({"name": "a", "image": "b", "tty": True}, "c", report)
    assert report.unsupported == ["c.image", "c.tty"]
    assert report.unknown == []


def test_an_unsupported_field_warns_and_is_no_error_even_strictly():
    decoded = decode.Decoded(apps.Deployment(), (), ("spec.x",))
    assert decoded.warnings() == ("spec.x: not supported by swarmlet yet; ignored",)
    decoded.raise_if_unknown()


def test_what_is_switched_off_and_stays_on_is_told():
    document = deployment()
    document["spec"]["template"]["spec"]["hostUsers"] = False
    assert decode.decode(kinds.DEPLOYMENT, document).unsupported_fields == ("spec.template.spec.hostUsers",)
    document["spec"]["template"]["spec"]["hostUsers"] = True
    assert decode.decode(kinds.DEPLOYMENT, document).warnings() == ()


def test_what_kubernetes_fills_in_itself_is_ignored_without_a_word():
    document = deployment({"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"})
    document["spec"]["template"]["spec"] |= {"dnsPolicy": "ClusterFirst", "securityContext": {}, "affinity": None}
    assert decode.decode(kinds.DEPLOYMENT, document).warnings() == ()


WRONG = [
    ({"metadata": {"annotations": {"a": True}}}, "metadata.annotations.a: expected a string, got a boolean"),
    ({"metadata": {"labels": {"a": 1}}}, "metadata.labels.a: expected a string, got a number"),
    ({"metadata": {"creationTimestamp": "x"}}, "metadata.creationTimestamp: 'x' is no time"),
    ({"metadata": {"creationTimestamp": "2020-01-01T00:00:00"}}, "is no time"),
    ({"metadata": []}, "metadata: expected an object, got a list"),
    ({"metadata": {"managedFields": [{"fieldsV1": "x"}]}}, r"managedFields\[0\].fieldsV1: expected an object"),
    ({"spec": {"replicas": "3"}}, "spec.replicas: expected an integer, got a string"),
    ({"spec": {"replicas": True}}, "spec.replicas: expected an integer, got a boolean"),
    ({"spec": {"replicas": 3.0}}, "spec.replicas: expected an integer, got a number"),
    ({"spec": {"replicas": 2**31}}, "spec.replicas: 2147483648 does not fit int32"),
    ({"spec": {"paused": "yes"}}, "spec.paused: expected a boolean, got a string"),
    ({"spec": {"strategy": {"rollingUpdate": {"maxSurge": True}}}}, "expected an integer or a string, got a boolean"),
    ({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 2**31}}}}, "maxSurge: 2147483648 does not fit int32"),
    ({"spec": {"template": {"spec": {"containers": {}}}}}, "containers: expected a list, got an object"),
    ({"spec": {"template": {"spec": {"containers": [None]}}}}, r"containers\[0\]: expected an object, got null"),
    ({"apiVersion": "v1"}, r"the API version in the data \(v1\) does not match"),
    ({"kind": "Pod"}, r"the kind in the data \(Pod\) does not match"),
    ([], "expected a Deployment object, got a list"),
    (None, "expected a Deployment object, got null"),
]


@pytest.mark.parametrize(("document", "message"), WRONG)
def test_a_wrong_type_is_refused_with_the_path_of_its_field(document, message):
    with pytest.raises(CallerError, match=message):
        decode.decode(kinds.DEPLOYMENT, document)


NODES = {"required": {}}
PATHLESS = {"capacity": {"storage": "1"}, "accessModes": ["ReadWriteOnce"], "local": {}, "nodeAffinity": NODES}
METRIC = {"type": "Resource", "resource": {"name": "cpu"}}
LACKING = [
    (kinds.PERSISTENT_VOLUME, PATHLESS, "spec.local.path"),
    (kinds.PERSISTENT_VOLUME, PATHLESS, "spec.nodeAffinity.required.nodeSelectorTerms"),
    (kinds.HORIZONTAL_POD_AUTOSCALER, {"maxReplicas": 1, "metrics": [METRIC]}, "spec.metrics[0].resource.target.type"),
    (kinds.HORIZONTAL_POD_AUTOSCALER, {"maxReplicas": 1}, "spec.scaleTargetRef.kind"),
]


@pytest.mark.parametrize(("kind", "spec", "field"), LACKING)
def test_what_is_required_and_missing_is_left_to_the_rules(kind, spec, field):
    document = {"metadata": {"name": "a", "namespace": "default" if kind.namespaced else ""}, "spec": spec}
    with pytest.raises(InvalidError) as refused:
        validation.validate(defaults.fill(decode.decode(kind, document).object))
    assert field in dict(refused.value.causes)


def test_quantities_become_canonical_however_they_are_written():
    limits = {"cpu": 0.5, "memory": 134217728, "ephemeral-storage": "1.5Gi"}
    container = container_of(deployment({"resources": {"limits": limits}}))
    assert container.resources.limits == {"cpu": "500m", "memory": "134217728", "ephemeral-storage": "1536Mi"}


def test_a_quantity_that_is_none_is_refused_with_its_path():
    with pytest.raises(CallerError, match=r"resources.limits.cpu: quantity '1x'"):
        decode.decode(kinds.DEPLOYMENT, deployment({"resources": {"limits": {"cpu": "1x"}}}))


def test_nulls_are_dropped_and_are_empty_text_in_maps_of_text():
    document = {"metadata": {"name": "a", "labels": None}, "data": {"x": None}}
    decoded = decode.decode(kinds.CONFIG_MAP, document)
    assert decoded.object.metadata.labels == {}
    assert decoded.object.data == {"x": ""}


def test_required_fields_that_are_missing_get_zero_values_for_validation_to_refuse():
    assert container_of(deployment({"ports": [{}]})).ports[0].container_port == 0


def test_times_are_utc_and_whole_seconds():
    document = {"metadata": {"name": "a", "creationTimestamp": "2020-01-01T02:00:00.5+02:00"}}
    created = decode.decode(kinds.CONFIG_MAP, document).object.metadata.creation_timestamp
    assert created == datetime(2020, 1, 1, tzinfo=UTC)


def test_micro_times_are_written_with_the_six_digits_that_go_demands():
    document = {"metadata": {"name": "a"}, "spec": {"renewTime": "2020-01-01T00:00:00Z"}}
    lease = decode.decode(kinds.LEASE, document).object
    assert objects.to_document(lease)["spec"]["renewTime"] == "2020-01-01T00:00:00.000001Z"


def test_the_document_is_not_changed():
    document = deployment({"resources": {"limits": {"cpu": 1}}}, replicas=None)
    before = copy.deepcopy(document)
    decode.decode(kinds.DEPLOYMENT, document)
    assert document == before


def test_a_scale_can_be_decoded():
    scale = decode.decode_as(apps.Scale, {"metadata": {"name": "web"}, "spec": {"replicas": 2}}).object
    assert scale.spec.replicas == 2


@pytest.mark.parametrize("kind", kinds.SERVED + kinds.OTHER_VERSIONS, ids=lambda kind: kind.kind)
def test_every_field_of_ours_is_a_field_of_kubernetes(kind):
    def differences(definition: str, struct: type, path: str):
        known = schema.fields(definition)
        for each in msgspec.structs.fields(struct):
            where = f"{path}.{each.encode_name}"
            if each.encode_name not in known:
                yield where
            elif each.encode_name == "conditions" and struct is not Endpoint:
                assert issubclass(
                    reading.struct_in(each.type), Condition
                )  # one struct with the fields of all kinds of conditions
            elif (inner := reading.struct_in(each.type)) and known[each.encode_name].definition:
                yield from differences(known[each.encode_name].definition, inner, where)

    assert list(differences(schema.definition_of_kind(kind), kind.type, kind.kind)) == []


@pytest.mark.parametrize("kind", kinds.SERVED + kinds.OTHER_VERSIONS, ids=lambda kind: kind.kind)
def test_what_is_encoded_decodes_to_the_same(kind):
    empty = kind.type()
    assert decode.decode(kind, objects.to_document(empty)).object == empty


SAMPLE = {
    "metadata": {"name": "p", "labels": {"a": "b"}, "creationTimestamp": "2020-01-01T00:00:00Z", "finalizers": ["x/y"]},
    "spec": {
        "containers": [{"name": "c", "ports": [{"containerPort": 1}], "resources": {"limits": {"cpu": "1"}}}],
        "volumes": [{"name": "v", "secret": {"items": [{"key": "k", "path": "p", "mode": 1}]}}],
        "nodeSelector": {"a": "b"},
        "hostNetwork": True,
    },
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copied = copy.copy(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


anything = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
anything |= st.lists(anything, max_size=2) | st.dictionaries(st.text(max_size=3), anything, max_size=2)


@given(st.sampled_from(list(places(SAMPLE))), anything)
def test_no_value_anywhere_gives_anything_but_an_object_or_a_callers_error(path, value):
    try:
        decoded = decode.decode(kinds.POD, replaced(SAMPLE, path, value))
        validation.validate(defaults.fill(decoded.object))
    except CallerError as error:
        assert str(error)  # noqa: PT017  both ways out are fine; a third is not
