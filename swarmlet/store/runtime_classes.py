"""What a new Pod gets from its RuntimeClass. Source: kubernetes plugin/pkg/admission/runtimeclass."""

from __future__ import annotations

from typing import cast

import msgspec

from swarmlet.errors import ForbiddenError
from swarmlet.model import kinds
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.runtime_classes import RuntimeClass, Scheduling
from swarmlet.store.commands import Key
from swarmlet.store.replica import View


def admitted(view: View, pod: Pod) -> Pod:
    """Return a new Pod with its class' overhead, node selector and tolerations.

    Raises `ForbiddenError` for a class that is not, and for a Pod that contradicts its class.
    """
    found = _class_of(view, pod)
    overhead = found.overhead.pod_fixed if found and found.overhead else {}
    if pod.spec.overhead and not overhead:
        raise _rejected(pod, "Pod Overhead set without corresponding RuntimeClass defined Overhead")
    if pod.spec.overhead and pod.spec.overhead != overhead:
        raise _rejected(pod, "Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    spec = msgspec.structs.replace(pod.spec, overhead=overhead) if overhead else pod.spec
    if found and found.scheduling:
        spec = _scheduled(pod, spec, found.scheduling)
    return msgspec.structs.replace(pod, spec=spec)


def _scheduled(pod: Pod, spec: PodSpec, scheduling: Scheduling) -> PodSpec:
    for key, value in scheduling.node_selector.items():
        own = spec.node_selector.get(key, value)
        if own != value:
            conflict = f"runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {own}"
            raise _forbidden(pod, f"conflict: {conflict}")
    new = (each for each in scheduling.tolerations if each not in spec.tolerations)
    return msgspec.structs.replace(
        spec,
        node_selector={**spec.node_selector, **scheduling.node_selector},
        tolerations=(*spec.tolerations, *new),
    )


def _class_of(view: View, pod: Pod) -> RuntimeClass | None:
    name = pod.spec.runtime_class_name
    if not name:
        return None
    stored = view.get(Key(kinds.RUNTIME_CLASS.resource, "", name))
    if stored is None:
        raise _rejected(pod, f'RuntimeClass "{name}" not found')
    return cast("RuntimeClass", stored.object)


def _rejected(pod: Pod, why: str) -> ForbiddenError:
    return _forbidden(pod, f"pod rejected: {why}")


def _forbidden(pod: Pod, why: str) -> ForbiddenError:
    return ForbiddenError(f'{kinds.POD.resource} "{pod.metadata.name}" is forbidden: {why}')
