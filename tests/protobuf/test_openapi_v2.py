"""The OpenAPI v2 document in protobuf, read by Google's own runtime from descriptors after OpenAPIv2.proto."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from swarmlet.protobuf import openapi_v2

TYPE = descriptor_pb2.FieldDescriptorProto
MESSAGES = {
    "Document": "swagger:1 info:2:Info paths:8:Paths definitions:9:Definitions",
    "Info": "title:1 version:2",
    "Definitions": "additional_properties:1:[]NamedSchema",
    "NamedSchema": "name:1 value:2:Schema",
    "Properties": "additional_properties:1:[]NamedSchema",
    "Schema": "ref:1 format:2 description:4 required:19:[] additional_properties:21:AdditionalPropertiesItem "
    "type:22:TypeItem items:23:ItemsItem properties:25:Properties vendor_extension:31:[]NamedAny",
    "AdditionalPropertiesItem": "schema:1:Schema boolean:2:bool",
    "TypeItem": "value:1:[]",
    "ItemsItem": "schema:1:[]Schema",
    "NamedAny": "name:1 value:2:Any",
    "Any": "yaml:2",
    "Paths": "path:2:[]NamedPathItem",
    "NamedPathItem": "name:1 value:2:PathItem",
    "PathItem": "get:2:Operation put:3:Operation post:4:Operation delete:5:Operation patch:8:Operation "
    "parameters:9:[]ParametersItem",
    "Operation": "tags:1:[] operation_id:5 produces:6:[] consumes:7:[] parameters:8:[]ParametersItem "
    "responses:9:Responses vendor_extension:13:[]NamedAny",
    "ParametersItem": "parameter:1:Parameter",
    "Parameter": "body_parameter:1:BodyParameter non_body_parameter:2:NonBodyParameter",
    "BodyParameter": "name:2 in:3 required:4:bool schema:5:Schema",
    "NonBodyParameter": "query_parameter_sub_schema:3:QueryParameterSubSchema "
    "path_parameter_sub_schema:4:PathParameterSubSchema",
    "PathParameterSubSchema": "required:1:bool in:2 name:4 type:5",
    "QueryParameterSubSchema": "in:2 name:4 type:6",
    "Responses": "response_code:1:[]NamedResponseValue",
    "NamedResponseValue": "name:1 value:2:ResponseValue",
    "ResponseValue": "response:1:Response",
    "Response": "description:1 schema:2:SchemaItem",
    "SchemaItem": "schema:1:Schema",
}
GVK = "x-kubernetes-group-version-kind"
WIDGET = {
    "description": "Grüße",
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {"$ref": "#/definitions/Spec", "description": "what is wanted"},
        "tags": {"type": "array", "items": {"type": "string", "format": "byte"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "any": {"type": "object", "additionalProperties": True},
    },
    GVK: [{"group": "", "version": "v1", "kind": "Widget"}],
}
PATCH = {
    "tags": ["core_v1"],
    "operationId": "patchWidget",
    "produces": ["application/json"],
    "consumes": ["application/merge-patch+json"],
    "parameters": [
        {"name": "body", "in": "body", "required": True, "schema": {"type": "object"}},
        {"name": "dryRun", "in": "query", "type": "string", "uniqueItems": True},
    ],
    "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/Widget"}}},
    GVK: {"group": "", "version": "v1", "kind": "Widget"},
}

NAME = {"name": "name", "in": "path", "required": True, "type": "string"}


@functools.cache
def document_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="openapi.proto", package="openapi", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            label, number, *rest = field.split(":")
            kind = (rest or [""])[0]
            repeated, kind = kind.startswith("[]"), kind.removeprefix("[]")
            added = message.field.add(name=label, number=int(number))
            added.label = TYPE.LABEL_REPEATED if repeated else TYPE.LABEL_OPTIONAL
            added.type = {"": TYPE.TYPE_STRING, "bool": TYPE.TYPE_BOOL}.get(kind, TYPE.TYPE_MESSAGE)
            if added.type == TYPE.TYPE_MESSAGE:
                added.type_name = f".openapi.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("openapi.Document"))


def decoded() -> Any:
    whole = {
        "swagger": "2.0",
        "info": {"title": "swarmlet", "version": "v1"},
        "paths": {"/api/v1/widgets/{name}": {"patch": PATCH, "parameters": [NAME]}},
        "definitions": {"Widget": WIDGET, "Spec": {"type": "object"}},
    }
    found = document_class()()
    found.ParseFromString(openapi_v2.encode(whole))
    return found


def test_a_definition_says_what_it_is_made_of() -> None:
    document = decoded()
    assert (document.swagger, document.info.title) == ("2.0", "swarmlet")
    widget, spec = document.definitions.additional_properties
    assert (widget.name, widget.value.description, list(widget.value.type.value)) == ("Widget", "Grüße", ["object"])
    assert (spec.name, list(widget.value.required)) == ("Spec", ["spec"])
    properties = {each.name: each.value for each in widget.value.properties.additional_properties}
    assert (properties["spec"].ref, properties["spec"].description) == ("#/definitions/Spec", "what is wanted")
    assert properties["tags"].items.schema[0].format == "byte"
    assert list(properties["labels"].additional_properties.schema.type.value) == ["string"]
    assert properties["any"].additional_properties.boolean
    [extension] = widget.value.vendor_extension
    assert (extension.name, msgspec.json.decode(extension.value.yaml)) == (GVK, WIDGET[GVK])


def test_an_operation_says_what_it_takes() -> None:
    [path] = decoded().paths.path
    patch = path.value.patch
    assert (path.name, patch.operation_id, list(patch.consumes)) == (
        "/api/v1/widgets/{name}",
        "patchWidget",
        ["application/merge-patch+json"],
    )
    body, dry_run = (each.parameter for each in patch.parameters)
    assert (body.body_parameter.name, body.body_parameter.required) == ("body", True)
    assert dry_run.non_body_parameter.query_parameter_sub_schema.name == "dryRun"
    [response] = patch.responses.response_code
    assert (response.name, response.value.response.schema.schema.ref) == ("200", "#/definitions/Widget")
    assert patch.vendor_extension[0].name == GVK
    [name] = (each.parameter.non_body_parameter.path_parameter_sub_schema for each in path.value.parameters)
    assert (name.name, name.required, name.type) == ("name", True, "string")
