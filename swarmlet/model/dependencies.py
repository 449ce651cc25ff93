"""What a Pod waits for before it is started: the annotation that says it, and the gate that holds the Pod back.

    metadata:
      annotations:
        swarmlet.io/depends-on: deployment/db=ready, job/migrate-4c1d=complete, cache=started?

Entries are `[kind/]name[=condition][?]`: the kind is a Deployment where none is said, the condition "ready" ("complete"
for a Job), and "?" marks what need not be there and may fail. All are of the Pod's namespace. The gate is put on when
the Pod is made, so the same manifests start at once, and in no order, on a cluster that does not know the annotation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from swarmlet.model import syntax
from swarmlet.model.pod import Pod
from swarmlet.model.problems import Place
from swarmlet.model.scheduling import PodSchedulingGate

DEPENDS_ON = "swarmlet.io/depends-on"
GATE = DEPENDS_ON
"""The scheduling gate bears the annotation's name: who meets it finds what it waits for."""
DEPENDENCIES_MET = "swarmlet.io/DependenciesMet"
"""The condition of the Pod that tells what it waits for."""

STARTED = "started"
READY = "ready"
COMPLETE = "complete"
DEPENDENCIES_MAX = 64

CONDITIONS: Mapping[str, Sequence[str]] = {
    "deployment": (READY, STARTED),
    "statefulset": (READY, STARTED),
    "daemonset": (READY, STARTED),
    "job": (COMPLETE, STARTED),
    "pod": (READY, STARTED, COMPLETE),
}
"""What can be waited for of each kind; the first is meant where none is said."""

_ENTRY = re.compile(r"(?:(?P<kind>[^/=?]*)/)?(?P<name>[^/=?]+)(?:=(?P<condition>[^/=?]*))?(?P<optional>\?)?")


@dataclass(frozen=True, slots=True)
class Dependency:
    """One thing that a Pod waits for: `condition` of the `kind` (lower case) of this name.

    An `optional` one is not waited for where it does not exist or has failed for good.
    """

    kind: str
    name: str
    condition: str
    optional: bool = False

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}={self.condition}{'?' if self.optional else ''}"

    @property
    def target(self) -> str:
        """What it names, as it is told to people."""
        return f"{self.kind}/{self.name}"


def parse(text: str) -> tuple[Dependency, ...]:
    """Return the entries of an annotation; raise `ValueError` that says which one cannot be understood, and why."""
    entries = [entry.strip() for entry in text.split(",")]
    found = tuple(_entry(entry) for entry in entries if entry)
    if len(found) > DEPENDENCIES_MAX:
        raise ValueError(f"must have at most {DEPENDENCIES_MAX} entries")
    return found


def to_text(dependencies: Sequence[Dependency]) -> str:
    """Return the annotation that says them."""
    return ",".join(str(each) for each in dependencies)


def is_gated(pod: Pod) -> bool:
    """Whether the Pod is held back until what it waits for is there."""
    return any(gate.name == GATE for gate in pod.spec.scheduling_gates)


def gated(pod: Pod) -> Pod:
    """Return a new Pod with the gate, where it says that it waits for something; one with a node waits no more."""
    if DEPENDS_ON not in pod.metadata.annotations or pod.spec.node_name or is_gated(pod):
        return pod
    gates = (*pod.spec.scheduling_gates, PodSchedulingGate(name=GATE))
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, scheduling_gates=gates))


def without_gate(pod: Pod) -> Pod:
    """Return the Pod let go."""
    gates = tuple(gate for gate in pod.spec.scheduling_gates if gate.name != GATE)
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, scheduling_gates=gates))


def check(annotations: Mapping[str, str], place: Place) -> None:
    """Check how the annotation is written; `place` is that of the annotations."""
    text = annotations.get(DEPENDS_ON)
    if text is None:
        return
    try:
        parse(text)
    except ValueError as error:
        place.key(DEPENDS_ON).invalid(text, str(error))


def _entry(text: str) -> Dependency:
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not [kind/]name[=condition][?]")
    kind = (match["kind"] if match["kind"] is not None else "deployment").lower()
    if kind not in CONDITIONS:
        raise ValueError(f"{text!r}: the kind is one of {', '.join(CONDITIONS)}")
    if wrong := syntax.dns_subdomain(match["name"]):
        raise ValueError(f"{text!r}: {wrong[0]}")
    condition = match["condition"] if match["condition"] is not None else CONDITIONS[kind][0]
    if condition not in CONDITIONS[kind]:
        raise ValueError(f"{text!r}: of a {kind} can be waited for {' or '.join(CONDITIONS[kind])}")
    return Dependency(kind, match["name"], condition, optional=match["optional"] is not None)
