"""OpenAPI v2: all types and operations in one document, for clients that read no v3 (kubectl before 1.24, Helm 3).

It is made of the v3 documents: what v2 has other words for is reworded, and what it has none for is left out, as in
Kubernetes. Pure. Source: k8s.io/kube-openapi/pkg/schemaconv; k8s.io/apiextensions-apiserver/pkg/controller/openapi/v2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Document = dict[str, Any]

_V3 = "#/components/schemas/"
_V2 = "#/definitions/"
_NOT_IN_V2 = frozenset(("allOf", "anyOf", "oneOf", "not", "nullable", "default"))
_INT_OR_STRING = {"type": "string", "format": "int-or-string"}
_SCALARS = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _INT_OR_STRING,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
}
"""Types of several forms; v2 knows one, and its readers do not mind a number in the place of such a string."""
_METHODS = ("get", "put", "post", "delete", "patch")


def document(parts: Iterable[Document]) -> Document:
    """Return one v2 document of the v3 documents of all groups and versions."""
    paths: Document = {}
    definitions: Document = {}
    info: Document = {}
    for part in parts:
        info = part["info"]
        paths |= {path: _path(item) for path, item in part["paths"].items()}
        for name, schema in part["components"]["schemas"].items():
            if name not in definitions:
                definitions[name] = _definition(name, schema)
    return {"swagger": "2.0", "info": info, "paths": paths, "definitions": definitions}


def _definition(name: str, schema: Document) -> Document:
    scalar = _SCALARS.get(name)
    if scalar is None:
        return _schema(schema)
    return {**scalar, "description": schema["description"]} if "description" in schema else scalar


def _schema(schema: Document) -> Document:
    result = {key: _part(key, value) for key, value in schema.items() if key not in _NOT_IN_V2}
    references = [each["$ref"] for each in (schema, *schema.get("allOf", ())) if "$ref" in each]
    if references:
        result["$ref"] = references[0].replace(_V3, _V2)
    if schema.get("x-kubernetes-int-or-string"):
        return {**_without(result, "type"), **_INT_OR_STRING}
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return _without(result, "type", "properties", "items", "additionalProperties")
    return result


def _part(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: _schema(each) for name, each in value.items()}
    return _schema(value) if key in ("items", "additionalProperties") and isinstance(value, dict) else value


def _path(item: Document) -> Document:
    result: Document = {method: _operation(item[method]) for method in _METHODS if method in item}
    if "parameters" in item:
        result["parameters"] = [_parameter(each) for each in item["parameters"]]
    return result


def _operation(operation: Document) -> Document:
    result = _without(operation, "parameters", "requestBody", "responses")
    parameters = [_parameter(each) for each in operation.get("parameters", ())]
    body = operation.get("requestBody")
    if body:
        result["consumes"] = list(body["content"])
        schema = _schema(next(iter(body["content"].values()))["schema"])
        parameters = [{"name": "body", "in": "body", "required": True, "schema": schema}, *parameters]
    if parameters:
        result["parameters"] = parameters
    result["produces"] = ["application/json"]
    result["responses"] = {code: _response(each) for code, each in operation["responses"].items()}
    return result


def _parameter(parameter: Document) -> Document:
    schema: Document = parameter["schema"]
    return {**_without(parameter, "schema"), **schema}


def _response(response: Document) -> Document:
    [content] = response["content"].values()
    return {"description": response["description"], "schema": _schema(content["schema"])}


def _without(document: Document, *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}
