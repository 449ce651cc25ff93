"""Documents to protobuf by Google's own runtime, from descriptors built of our schema."""

from __future__ import annotations

import base64
import functools
import json
from datetime import datetime
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from swarmlet.protobuf import schema
from swarmlet.protobuf.decoding import MAGIC
from swarmlet.protobuf.schema import Field, Shape

SCALARS = {"string": "STRING", "bool": "BOOL", "int32": "INT32", "int64": "INT64", "bytes": "BYTES"}
TYPE = descriptor_pb2.FieldDescriptorProto
SPECIAL = {
    "quantity": ("string:1:string",),
    "intOrString": ("type:1:int64", "intVal:2:int32", "strVal:3:string"),
    "time": ("seconds:1:int64", "nanos:2:int32"),
    "microTime": ("seconds:1:int64", "nanos:2:int32"),
    "json": ("raw:1:bytes",),
    "strings": ("items:1:[]string",),
    "typeMeta": ("apiVersion:1:string", "kind:2:string"),
    "unknown": ("typeMeta:1:typeMeta", "raw:2:bytes", "contentEncoding:3:string", "contentType:4:string"),
}


def body(document: dict[str, Any], **envelope: str) -> bytes:
    """Return the whole body of a document, in its envelope."""
    type_meta = {"apiVersion": document["apiVersion"], "kind": document["kind"]}
    name = schema.message_of(document["apiVersion"], document["kind"])
    unknown = _class("unknown")(typeMeta=_class("typeMeta")(**type_meta), raw=encoded(name, document), **envelope)
    return MAGIC + unknown.SerializeToString()


def encoded(message: str, document: dict[str, Any]) -> bytes:
    return _filled(message, document).SerializeToString()


def _filled(name: str, document: dict[str, Any]) -> Any:
    found = _class(name)()
    for number, field in schema.fields(name).items():
        target = f"f{number}"
        if field.name == schema.INLINE:
            getattr(found, target).CopyFrom(_filled(field.type, document))
        elif field.name in document:
            _fill(found, target, field, document[field.name])
    return found


def _fill(message: Any, target: str, field: Field, value: Any) -> None:
    if field.shape is Shape.LIST:
        getattr(message, target).extend(_value(field, each) for each in value)
    elif field.shape is Shape.MAP:
        for key, each in value.items():
            entry = getattr(message, target).add(key=key)
            _set(entry, "value", _value(field, each))
    else:
        _set(message, target, _value(field, value))


def _set(message: Any, target: str, value: Any) -> None:
    if hasattr(value, "CopyFrom"):
        getattr(message, target).CopyFrom(value)
    else:
        setattr(message, target, value)


def _value(field: Field, value: Any) -> Any:
    if field.is_message:
        return _filled(field.type, value)
    if field.type == "bytes":
        return base64.b64decode(value)
    return _class(field.type)(**_members(field.type, value)) if field.type in SPECIAL else value


def _members(type_: str, value: Any) -> dict[str, Any]:
    match type_:
        case "quantity":
            return {"string": value}
        case "intOrString":
            return {"type": 1, "strVal": value} if isinstance(value, str) else {"intVal": value}
        case "json":
            return {"raw": json.dumps(value).encode()}
        case "strings":
            return {"items": value}
    moment = datetime.fromisoformat(value)
    return {"seconds": int(moment.timestamp() // 1), "nanos": moment.microsecond * 1000}


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(_flat(name)))


@functools.cache
def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="all.proto", syntax="proto2")
    for name, fields in SPECIAL.items():
        message = file.message_type.add(name=name)
        for field in fields:
            title, number, type_ = field.split(":")
            _declare(message, int(number), title, schema._field(f"{title} {type_}"))
    for name in schema._content().messages:
        message = file.message_type.add(name=_flat(name))
        for number, field in schema.fields(name).items():
            _declare(message, number, f"f{number}", field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _declare(message: Any, number: int, name: str, field: Field) -> None:
    label = TYPE.LABEL_REPEATED if field.shape in (Shape.LIST, Shape.MAP) else TYPE.LABEL_OPTIONAL
    declared = message.field.add(name=name, number=number, label=label)
    if field.shape is Shape.MAP:
        entry = message.nested_type.add(name=f"{name}Entry")
        entry.field.add(name="key", number=1, label=TYPE.LABEL_OPTIONAL, type=TYPE.TYPE_STRING)
        _type(entry.field.add(name="value", number=2, label=TYPE.LABEL_OPTIONAL), field.type)
        declared.type, declared.type_name = TYPE.TYPE_MESSAGE, f"{message.name}.{name}Entry"
    else:
        _type(declared, field.type)


def _type(declared: Any, type_: str) -> None:
    if type_ in SCALARS:
        declared.type = getattr(TYPE, f"TYPE_{SCALARS[type_]}")
    else:
        declared.type, declared.type_name = TYPE.TYPE_MESSAGE, f".{_flat(type_)}"


def _flat(name: str) -> str:
    return name.replace(".", "_")
