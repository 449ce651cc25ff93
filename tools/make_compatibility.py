"""Make docs/kubernetes-compatibility.md: what works with which client, out of what passed and of the model itself.

`make test-clients` writes tests/clients/passed.json and runs this; the test of this file holds that the document is
what comes of both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from swarmlet.api.discovery import lists
from swarmlet.model import kinds, reading, schema
from swarmlet.model.base import ApiStruct
from tools import make_openapi

ROOT = Path(__file__).resolve().parents[1]
PASSED = ROOT / "tests" / "clients" / "passed.json"
TARGET = ROOT / "docs" / "kubernetes-compatibility.md"
_STABLE = re.compile(r"v\d+")
_OF_DISCOVERY = ("APIGroup", "")
"""Looks like a kind with a list, and is a document of discovery."""
OWN_FIELDS = ("io.k8s.api.", "io.k8s.apiextensions")
"""How the names of the types begin whose fields are told: those of `metadata` and of quantities are all there."""

HEAD = """\
# Compatibility with Kubernetes

Made by `make test-clients` (`tools/make_compatibility.py`), not by hand. swarmlet speaks the API of Kubernetes
{version}. What is said of a client has passed with that client's official program or package, unmodified, on three
machines, asked and answered through different ones.
"""
FIELDS_HEAD = """\
## Fields

{kept} of the {known} fields of these kinds, and of all that they hold, are honoured. A type that is not named here is
honoured whole. What is *warned about* is named in a `Warning:` header and left out of the object; what is *refused* is
named in an error, for without it the thing would be another one
([decision 0003](decisions/0003-unsupported-fields.md)). A value that Kubernetes itself fills in passes in silence. An
unknown field is an error for clients that ask for `fieldValidation=Strict`, as kubectl does, and a warning for others.
"""
KINDS_HEAD = """\
*All* verbs are create, get, list, watch, update, patch, apply, delete and deletecollection. Kinds that users bring with
a CustomResourceDefinition have them too ([custom-resources.md](custom-resources.md)).
"""


@dataclass(frozen=True, slots=True)
class Proofs:
    """Which client was seen to do what: `words[what][client]` is "" where it works, or why it is refused."""

    clients: tuple[str, ...]
    words: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Support:
    """What becomes of the fields of one type."""

    name: str
    kept: int
    known: int
    warned: tuple[str, ...]
    refused: tuple[str, ...]


def main() -> None:
    TARGET.write_text(document(json.loads(PASSED.read_text(encoding="utf-8"))), encoding="utf-8")
    print(f"{TARGET.relative_to(ROOT)}: made")


def document(passed: Mapping[str, Any]) -> str:
    """Return the whole text."""
    version = ".".join(map(str, lists.KUBERNETES))
    parts = [HEAD.format(version=version), *_families(passed), _kinds(), _fields()]
    return "\n".join(parts)


# What clients do.


def _families(passed: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table for each family of clients: kubectl, helm, and the rest."""
    for family, title in (("kubectl", "kubectl"), ("helm", "Helm"), ("", "Client libraries and plain HTTPS")):
        proofs = _proofs(proof for proofs in passed.values() for proof in proofs if _family(proof["client"]) == family)
        if proofs.clients:
            yield _table_of(title, proofs)


def _family(client: str) -> str:
    first = client.split(maxsplit=1)[0]
    return first if first in {"kubectl", "helm"} else ""


def _proofs(proofs: Iterable[Mapping[str, Any]]) -> Proofs:
    words: dict[str, dict[str, str]] = {}
    for proof in proofs:
        for word in proof["proves"]:
            words.setdefault(word, {})[proof["client"]] = proof["refused"]
    clients = {client for each in words.values() for client in each}
    return Proofs(tuple(sorted(clients, key=_newest_first)), dict(sorted(words.items())))


def _newest_first(client: str) -> tuple[str, float]:
    name, _, version = client.partition(" ")
    major, _, minor = version.partition(".")
    return name, -(int(major or 0) * 1000 + int(minor or 0))


def _table_of(title: str, proofs: Proofs) -> str:
    rows = [[f"`{word}`", *(_cell(told, client) for client in proofs.clients)] for word, told in proofs.words.items()]
    refused = {word: next(filter(None, told.values()), "") for word, told in proofs.words.items()}
    notes = [f"- `{word}` is refused: {why}." for word, why in refused.items() if why]
    return _section(title, _table(["", *proofs.clients], rows), *notes)


def _cell(told: Mapping[str, str], client: str) -> str:
    if client not in told:
        return ""
    return "refused" if told[client] else "yes"


# What is served.


def _kinds() -> str:
    served = [*kinds.SERVED, *kinds.OTHER_VERSIONS, *kinds.VIRTUAL, *kinds.REVIEWS]
    rows = [
        [
            f"{kind.kind}",
            kind.api_version,
            " ".join(kind.short_names),
            "namespace" if kind.namespaced else "cluster",
            " ".join(kind.subresources),
            _verbs(kind),
        ]
        for kind in served
    ]
    absent = f"Kinds of Kubernetes' stable API that are not served: {', '.join(not_served())}."
    columns = ["Kind", "apiVersion", "Short names", "Scope", "Subresources", "Verbs"]
    return _section("Kinds", KINDS_HEAD, _table(columns, rows), absent)


def not_served() -> list[str]:
    """Return the kinds of a stable version of Kubernetes' API that have no place in ours, with their groups."""
    every = {
        (each["group"], each["version"], each["kind"])
        for definition in make_openapi.published().values()
        for each in definition.get(make_openapi.GVK, ())
    }
    ours = {(kind.group, kind.kind) for kind in (*kinds.SERVED, *kinds.OTHER_VERSIONS, *kinds.REVIEWS)}
    absent = {
        (kind, group)
        for group, version, kind in every
        if _STABLE.fullmatch(version) and (group, version, f"{kind}List") in every and (group, kind) not in ours
    }
    return [f"{kind} ({group})" if group else kind for kind, group in sorted(absent - {_OF_DISCOVERY})]


def _verbs(kind: kinds.Kind) -> str:
    if kind in kinds.REVIEWS:
        return "create"
    return "get list" if kind in kinds.VIRTUAL else "all"


# What becomes of fields.


def _fields() -> str:
    told = supports()
    rows = [
        [each.name, f"{each.kept} of {each.known}", " ".join(each.warned), " ".join(each.refused)]
        for each in told
        if each.warned or each.refused
    ]
    head = FIELDS_HEAD.format(kept=sum(each.kept for each in told), known=sum(each.known for each in told))
    return head + "\n" + _table(["Type", "Honoured", "Warned about", "Refused"], rows) + "\n"


def supports() -> list[Support]:
    """Return what becomes of the fields of each type that the served kinds reach, by the types' names."""
    found: dict[str, Support] = {}
    waiting: list[tuple[str, type[ApiStruct]]] = [
        (schema.definition_of_kind(kind), kind.type) for kind in (*kinds.SERVED, *kinds.OTHER_VERSIONS)
    ]
    while waiting:
        definition, struct = waiting.pop()
        if definition in found or not definition.startswith(OWN_FIELDS):
            continue
        known = schema.fields(definition)
        kept = {each.encode_name: each for each in msgspec.structs.fields(struct)}
        if not known or definition == schema.JSON_SCHEMA:
            continue
        left = tuple(sorted(set(known) - set(kept)))
        refuses = definition in reading.ONE_OF
        found[definition] = Support(
            name=definition.removeprefix("io.k8s.api.").removeprefix("io.k8s."),
            kept=len(known) - len(left),
            known=len(known),
            warned=() if refuses else left,
            refused=left if refuses else (),
        )
        waiting += [
            (field.definition, inner)
            for name, field in known.items()
            if name in kept and field.definition and (inner := reading.struct_in(kept[name].type))
        ]
    return sorted(found.values(), key=lambda each: each.name)


# Markdown.


def _section(title: str, *parts: str) -> str:
    return "\n".join([f"## {title}", "", *parts, ""])


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    main()
