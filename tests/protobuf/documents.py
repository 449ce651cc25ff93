"""Documents of any type, by chance."""

from __future__ import annotations

import random
from typing import Any

from swarmlet.protobuf import schema
from swarmlet.protobuf.schema import Shape

VALUES: dict[str, tuple[Any, ...]] = {
    "string": ("a", "ä\n", "x" * 300),
    "bool": (True,),
    "int32": (1, -1, 2**31 - 1, -(2**31)),
    "int64": (1, -1, 2**63 - 1, -(2**63)),
    "bytes": ("AAH/", "eA=="),
    "quantity": ("100m", "1Gi", "0"),
    "intOrString": (80, -1, "http", "25%"),
    "time": ("2026-01-02T03:04:05Z", "1969-12-31T23:59:59Z", "0999-01-01T00:00:00Z"),
    "microTime": ("2026-01-02T03:04:05.000006Z", "1969-12-31T23:59:59.999999Z"),
    "json": ({"a": [1, None, "b"]}, [], 0),
    "strings": (["a", ""], []),
}
ZEROS = {"string": "", "bool": False, "int32": 0, "int64": 0, "bytes": "", "intOrString": 0}


def some_document(rng: random.Random, message: str, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in schema.fields(message).values():
        if field.name == schema.INLINE:
            found |= some_document(rng, field.type, depth)
        elif rng.random() < 0.4 and not (field.is_message and depth == 0):
            value = some_value(rng, field, depth)
            if value not in ({}, []) or field.shape is Shape.POINTER or field.type == "json":
                found[field.name] = value
    return found


def some_value(rng: random.Random, field: schema.Field, depth: int) -> Any:
    def single() -> Any:
        return some_document(rng, field.type, depth - 1) if field.is_message else rng.choice(VALUES[field.type])

    if field.shape is Shape.LIST:
        return [single() for _ in range(rng.randint(0, 3))]
    if field.shape is Shape.MAP:
        return {rng.choice("abc"): single() for _ in range(rng.randint(0, 3))}
    if field.shape is Shape.POINTER and field.type in ZEROS and rng.random() < 0.3:
        return ZEROS[field.type]
    return single()
