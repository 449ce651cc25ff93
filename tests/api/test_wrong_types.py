"""Every field of every kind is given what it is not: that is refused by its path, and nothing else ever happens."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from swarmlet.api.queries import WriteOptions
from swarmlet.api.targets import Target
from swarmlet.api.writing import admission
from swarmlet.errors import CallerError
from swarmlet.model import kinds, schema
from swarmlet.model.kinds import Kind
from tests.api.conftest import START, Api
from tests.api.documents import MERGE
from tests.poison import samples

pytestmark = pytest.mark.slow
SEED = 20261121
ASKED = 100
"""Of those sent over HTTP, among all."""
SCHEMA = "openAPIV3Schema"
"""What is in it is read with the rules of schemas, which name the schema as a whole."""


def deep(levels: int = 40) -> Any:
    value: Any = "bottom"
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


VALUES: tuple[Any, ...] = (True, 7, -1, 1.5, 2**70, "text", "", [], [None], {}, {"a": 1}, deep(), None)
WIDTHS = {"int32": 2**31, "int64": 2**63, schema.INT_OR_STRING: 2**31}
BY_REFERENCE: dict[str, tuple[type, ...]] = {
    schema.QUANTITY: (str, int, float),
    schema.INT_OR_STRING: (str, int),
    schema.TIME: (str,),
    schema.MICRO_TIME: (str,),
}
SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
}
WRITTEN = kinds.SERVED + kinds.OTHER_VERSIONS
TARGETS = {f"{kind.api_version} {kind.kind}": kind for kind in WRITTEN}


@dataclass(frozen=True)
class Place:
    """One field: the way to it ("" an item of a list, "*" a value of a map), and what Kubernetes says of its value."""

    way: tuple[str, ...]
    part: schema.Schema

    @property
    def path(self) -> str:
        text = ""
        for step in self.way:
            text += "[0]" if not step else f".{'key' if step == '*' else step}"
        return text.removeprefix(".")

    @property
    def told(self) -> str:
        """What a refusal tells at least."""
        return SCHEMA if SCHEMA in self.path else self.path

    def takes(self, value: Any) -> bool:
        """Whether the value is of the type that belongs there; null is as if nothing were there."""
        reference = self.part.get("$ref", "")
        definition = schema.definitions().get(reference, self.part)
        is_free = reference not in BY_REFERENCE and "type" not in definition and "properties" not in definition
        if value is None or is_free:
            return is_free or self.way[-1] != ""
        types = BY_REFERENCE.get(reference) or SCALARS[definition.get("type", "object")]
        width = WIDTHS.get(self.part.get("format", "")) or WIDTHS.get(reference)
        return type(value) in types and not (type(value) is int and width and abs(value) >= width)

    def put(self, document: Any, value: Any) -> None:
        """Put the value into a document, which may have nothing yet on the way there."""
        steps = ["key" if step == "*" else step or 0 for step in self.way]
        for step, following in itertools.pairwise(steps):
            inner: Any = [None] if following == 0 else {}
            if step == 0:
                document[0] = inner if document[0] is None else document[0]
            else:
                inner = document.setdefault(step, inner) or inner
                document[step] = inner
            document = document[step]
        document[steps[-1]] = value


def places(part: schema.Schema, way: tuple[str, ...] = (), above: tuple[str, ...] = ()) -> Iterator[Place]:
    if way:
        yield Place(way, part)
    reference = part.get("$ref", "")
    if "items" in part:
        yield from places(part["items"], (*way, ""), above)
    elif "additionalProperties" in part:
        yield from places(part["additionalProperties"], (*way, "*"), above)
    elif reference and reference not in above:
        for name, inner in schema.definitions()[reference].get("properties", {}).items():
            yield from places(inner, (*way, name), (*above, reference))


def of(kind: Kind) -> list[Place]:
    found = places({"$ref": schema.definition_of_kind(kind)})
    return [each for each in found if each.way not in (("apiVersion",), ("kind",))]


def write(kind: Kind, document: Any) -> None:
    """Do to a document all that is done to one that is created, before it is stored."""
    value = admission.read(kind, document, WriteOptions(), [])
    target = Target(kind, "default" if kind.namespaced else "", "")
    admission.created(target, value, START, random.Random(SEED))


def named(document: dict[str, Any], name: str) -> dict[str, Any]:
    metadata = {"name": name, **document.get("metadata", {})}
    return {**document, "metadata": metadata}


def refused(kind: Kind, document: Any) -> str:
    """Return why a document is refused, "" where it is not. What is no fault of the caller's is raised."""
    try:
        write(kind, document)
    except CallerError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", TARGETS)
def test_a_value_of_the_wrong_type_is_refused_by_its_path(name: str) -> None:
    kind, rng, wrong = TARGETS[name], random.Random(SEED), list[tuple[str, Any, str]]()
    whole = msgspec.json.encode(named(samples.sample(kind), "web"))
    for place in of(kind):
        chosen = VALUES if SCHEMA in place.path else (rng.choice(VALUES),)  # the others come alone: that is quick
        for value in VALUES:
            if value in chosen or not place.takes(value):
                document: Any = msgspec.json.decode(whole) if value in chosen else {}
                place.put(document, value)
                refusal = refused(kind, document)
                if not place.takes(value) and place.told not in refusal:
                    wrong.append((place.path, value, refusal))
    assert wrong == []


async def test_over_http_a_wrong_type_is_a_400_or_a_422_that_names_it(api: Api) -> None:
    rng = random.Random(SEED)
    everywhere = [(kind, place) for kind in WRITTEN for place in of(kind) if SCHEMA not in place.path]
    for kind, place in rng.sample(everywhere, ASKED):
        value = rng.choice([each for each in VALUES if not place.takes(each)] or [None])
        whole = msgspec.json.decode(msgspec.json.encode(named(samples.sample(kind), "web")))
        await api.read("POST", path_of(kind), json=whole)
        place.put(whole, value)
        for method, path, headers in (("POST", path_of(kind), None), ("PATCH", f"{path_of(kind)}/web", MERGE)):
            code, answer = await api.read(method, path, json=whole, headers=headers)
            assert code < 500, (method, place.path, value, answer)
            if value is not None and code != 404:  # a sample that needs others is not there
                assert code in (400, 422), (method, place.path, value, answer)
                assert place.path in answer["message"]


def path_of(kind: Kind) -> str:
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.api_version}"
    return f"{root}/namespaces/default/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
