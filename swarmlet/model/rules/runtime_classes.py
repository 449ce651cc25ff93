"""Rules of RuntimeClasses, and of what a Pod says of its own.

Source: kubernetes pkg/apis/node/validation, pkg/apis/core/validation (ValidateRuntimeClassName, validateOverhead).
"""

from __future__ import annotations

from swarmlet.model import pod as model
from swarmlet.model import syntax
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import meta, resources, tolerations
from swarmlet.model.runtime_classes import RuntimeClass


def runtime_class(value: RuntimeClass, problems: Problems) -> None:
    """Check a class."""
    problems.at("handler").invalid_each(value.handler, syntax.dns_label(value.handler))
    if value.overhead:
        resources.amounts(value.overhead.pod_fixed, problems.at("overhead").field("podFixed"))
    if value.scheduling:
        place = problems.at("scheduling")
        meta.label_map(value.scheduling.node_selector, place.field("nodeSelector"))
        tolerations.tolerations(value.scheduling.tolerations, place.field("tolerations"))


def runtime_class_update(new: RuntimeClass, old: RuntimeClass, problems: Problems) -> None:
    """Check what of a class may not change: Pods run by its handler."""
    if new.handler != old.handler:
        problems.at("handler").invalid(new.handler, meta.IMMUTABLE)


def pod(spec: model.PodSpec, place: Place) -> None:
    """Check what a Pod's spec says of its class."""
    if spec.runtime_class_name:
        inner = place.field("runtimeClassName")
        inner.invalid_each(spec.runtime_class_name, syntax.dns_subdomain(spec.runtime_class_name))
    resources.amounts(spec.overhead, place.field("overhead"))
