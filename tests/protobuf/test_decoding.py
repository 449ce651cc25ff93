"""Protobuf bodies become the documents that JSON bodies give."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.errors import CallerError
from swarmlet.model import schema as openapi
from swarmlet.protobuf import decoding, schema, wire
from swarmlet.protobuf.schema import Shape
from tests.protobuf import encoding
from tests.protobuf.documents import VALUES, some_document

DEPTH = 64
KINDS = sorted(schema._content().kinds)
SPECIAL = {
    openapi.QUANTITY,
    openapi.INT_OR_STRING,
    openapi.TIME,
    openapi.MICRO_TIME,
    openapi.FIELDS_V1,
    "io.k8s.apimachinery.pkg.runtime.RawExtension",
}
ONLY_ANSWERED = {
    openapi.META + name
    for name in (
        "APIGroup",
        "APIResource",
        "APIVersions",
        "GroupVersionForDiscovery",
        "ServerAddressByClientCIDR",
        "WatchEvent",
    )
}
WITHOUT_PROTOBUF = "io.k8s.apiextensions-apiserver."
"""CustomResourceDefinitions come as JSON: their schemas are documents."""
GONE_SINCE = {"io.k8s.api.core.v1.PodSpec.workloadRef", "io.k8s.api.core.v1.WorkloadReference"}
"""Of Kubernetes 1.35, alpha, and gone from 1.36 on: a client's of those days is an unknown field."""


def names(message: str) -> set[str]:
    found: set[str] = set()
    for field in schema.fields(message).values():
        found |= names(field.type) if field.name == schema.INLINE else {field.name}
    return found


def decoded(document: dict[str, Any], **envelope: str) -> dict[str, Any]:
    return decoding.decode(encoding.body(document, **envelope), DEPTH)


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_comes_back_as_googles_runtime_wrote_it(kind: str) -> None:
    api_version, name = kind.split(" ")
    for seed in range(10):
        document = {"apiVersion": api_version, "kind": name}
        document |= some_document(random.Random(seed), schema.message_of(api_version, name), 6)
        assert decoded(document) == document


def test_every_field_of_our_openapi_types_has_a_number() -> None:
    missing = set()
    for name, definition in openapi.definitions().items():
        if name in SPECIAL | ONLY_ANSWERED or name.endswith("List") or "properties" not in definition:
            continue
        if name.startswith(WITHOUT_PROTOBUF):
            continue
        known = names(name) if name in schema._content().messages else set()
        missing |= {f"{name}.{field}" for field in set(definition["properties"]) - known - {"apiVersion", "kind"}}
        missing |= set() if known or not definition["properties"] else {name}
    assert {each for each in missing if not each.startswith(tuple(GONE_SINCE))} == set()


def test_the_schema_names_only_types_that_are_read() -> None:
    for message in schema._content().messages:
        for field in schema.fields(message).values():
            assert field.type in schema._content().messages if field.is_message else field.type in VALUES, field
            assert field.name != schema.INLINE or (field.is_message and field.shape is Shape.PLAIN)


def test_zeros_are_left_out_unless_behind_a_pointer() -> None:
    port = {"name": "", "port": 80, "targetPort": 0, "appProtocol": ""}
    spec = {"ports": [port], "clusterIP": "", "publishNotReadyAddresses": False, "allocateLoadBalancerNodePorts": False}
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec, "status": {}}
    found = decoded(document)
    assert found["spec"] == {"ports": [{"port": 80, "appProtocol": ""}], "allocateLoadBalancerNodePorts": False}
    assert "status" not in found
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 0, "selector": {}}}
    assert decoded(deployment) == deployment


def test_empty_volumes_and_empty_values_are_kept() -> None:
    volume = {"name": "scratch", "emptyDir": {}}
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"volumes": [volume], "containers": [{"name": "main"}]}}
    assert decoded(pod) == pod
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"empty": "", "": "eA=="}}
    assert decoded(secret) == secret
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"ingress": [{}]}}
    assert decoded(policy) == policy


def test_options_are_read_in_every_group() -> None:
    options = {"apiVersion": "apps/v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": ""}
    assert decoded(options) == options


def test_a_message_that_comes_in_parts_is_one_and_the_last_scalar_holds() -> None:
    name = "io.k8s.api.core.v1.ConfigMap"
    first = encoding.encoded(
        name, {"metadata": {"name": "a", "uid": "u"}, "data": {"x": "1", "y": "1"}, "immutable": True}
    )
    second = encoding.encoded(name, {"metadata": {"name": "b"}, "data": {"x": "2"}, "immutable": False})
    found: dict[str, Any] = {}
    decoding._Decoder(wire.Reader(100)).read(name, memoryview(first + second), found, DEPTH)
    assert found == {"metadata": {"name": "b", "uid": "u"}, "data": {"x": "2", "y": "1"}, "immutable": False}


def test_a_zero_that_comes_later_takes_the_value_away() -> None:
    name = "io.k8s.api.core.v1.PodSpec"
    parts = encoding.encoded(name, {"hostNetwork": True}) + encoding.encoded(name, {"hostNetwork": False})
    found: dict[str, Any] = {}
    decoding._Decoder(wire.Reader(10)).read(name, memoryview(parts), found, DEPTH)
    assert found == {}


def test_no_time_is_no_time_even_behind_a_pointer() -> None:
    body = enveloped("v1", "ConfigMap", b"\x0a\x07\x0a\x01a\x42\x00\x4a\x00")  # name, creation-, deletionTimestamp
    assert decoding.decode(body, DEPTH)["metadata"] == {"name": "a"}


def test_messages_nested_too_deep_are_refused() -> None:
    body = encoding.body({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "main"}]}})
    decoding.decode(body, 3)
    with pytest.raises(CallerError, match="messages are nested too deep"):
        decoding.decode(body, 2)


def test_packed_numbers_are_a_list() -> None:
    found: dict[str, Any] = {}
    ids = b"\x22\x03\x01\x96\x01\x20\x07"  # supplementalGroups = 4: packed 1 and 150, then 7 by itself
    decoding._Decoder(wire.Reader(10)).read("io.k8s.api.core.v1.PodSecurityContext", memoryview(ids), found, DEPTH)
    assert found == {"supplementalGroups": [1, 150, 7]}


def test_an_unknown_number_stands_in_the_document_as_an_unknown_field() -> None:
    body = enveloped("v1", "ConfigMap", b"\x98\x3f\x01")
    assert decoding.decode(body, DEPTH) == {"apiVersion": "v1", "kind": "ConfigMap", "1011": None}


def enveloped(api_version: str, kind: str, raw: bytes) -> bytes:
    unknown = encoding._class("unknown")
    type_meta = encoding._class("typeMeta")(apiVersion=api_version, kind=kind)
    return decoding.MAGIC + unknown(typeMeta=type_meta, raw=raw).SerializeToString()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{}", "it does not begin with Kubernetes' envelope"),
        (b"k8s\x00\x0a\x05\x01", "unexpected EOF"),
        (enveloped("v1", "Nothing", b""), 'no kind "Nothing" is registered for version "v1"'),
        (enveloped("", "", b""), 'no kind "" is registered'),
        (enveloped("apps/v1", "Deployment", b"\x10\x01"), "wrong wireType = 0 for field Deployment.spec"),
        (enveloped("v1", "ConfigMap", b"\x22\x01\x00"), "wrong wireType = 2 for field ConfigMap.immutable"),
        (enveloped("v1", "ConfigMap", b"\x0b"), "field 1 has the wire type 3"),
        (enveloped("v1", "ConfigMap", b"\x00\x00"), "no field has the number 0"),
        (enveloped("v1", "ConfigMap", b"\x20" + b"\xff" * 11), "integer overflow"),
        (enveloped("v1", "Secret", b"\x1a\x02\xff\xfe"), "a text is not UTF-8"),
        (enveloped("v1", "ConfigMap", b"\x20\x01" * (decoding.FIELDS_MAX + 1)), "it has over 200000 fields"),
        (decoding.MAGIC + b"\x08\x01", "wrong wireType = 0"),
    ],
)
def test_what_is_no_body_is_refused_in_one_line(body: bytes, words: str) -> None:
    with pytest.raises(CallerError, match=words.replace("(", r"\(")) as refused:
        decoding.decode(body, DEPTH)
    assert "\n" not in str(refused.value)


def test_a_time_that_no_calendar_has_is_refused() -> None:
    seconds = b"\x08" + b"\xff" * 8 + b"\x7f"
    time = b"\x42" + bytes([len(seconds)]) + seconds
    with pytest.raises(CallerError, match="a time is out of range"):
        decoding.decode(enveloped("v1", "ConfigMap", b"\x0a" + bytes([len(time)]) + time), DEPTH)


@pytest.mark.parametrize("envelope", [{"contentEncoding": "gzip"}, {"contentType": "application/json"}])
def test_an_envelope_with_something_else_in_it_is_refused(envelope: dict[str, str]) -> None:
    with pytest.raises(CallerError, match=next(iter(envelope.values()))):
        decoded({"apiVersion": "v1", "kind": "ConfigMap"}, **envelope)


def survives(body: bytes) -> None:
    told = ""
    try:
        decoding.decode(body, DEPTH)
    except CallerError as error:
        told = str(error)
    assert "\n" not in told


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KINDS), st.binary(max_size=200))
def test_any_bytes_are_a_document_or_refused(kind: str, raw: bytes) -> None:
    survives(enveloped(*kind.split(" "), raw))
    survives(decoding.MAGIC + raw)
    survives(raw)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_mutated_bodies_are_documents_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(300):
        api_version, kind = rng.choice(KINDS).split(" ")
        document = {"apiVersion": api_version, "kind": kind}
        document |= some_document(rng, schema.message_of(api_version, kind), 4)
        body = bytearray(encoding.body(document))
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(body))
            match rng.randrange(3):
                case 0:
                    body[at] = rng.randrange(256)
                case 1:
                    del body[at : at + rng.randint(1, 20)]
                case _:
                    body[at:at] = rng.randbytes(rng.randint(1, 10))
            body = body or bytearray(b"k")
        survives(bytes(body))
