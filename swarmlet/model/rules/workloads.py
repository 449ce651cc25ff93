"""Rules that all makers of Pods share: of their selector, their template, and counts that may be percentages."""

from __future__ import annotations

import re

from swarmlet.model import selectors
from swarmlet.model.base import IntOrString
from swarmlet.model.meta import LabelSelector
from swarmlet.model.pod import PodTemplateSpec
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import meta, pod

_MAKERS = {"deployment": "ReplicaSet", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
"""The kind that makes the Pods, by the word of Kubernetes' sentence about selectors."""

_PERCENT = re.compile(r"[0-9]{1,9}%", re.ASCII)


def selector(value: LabelSelector, template: PodTemplateSpec, place: Place, word: str) -> None:
    """Check a selector and the template whose Pods it must match; `word` names the kind in Kubernetes' sentence."""
    meta.selector(value, place.field("selector"))
    if meta.is_empty(value):
        place.field("selector").required(f"empty selector is invalid for {word}")
    else:
        matches(value, template, place.field("template"))
    pod.template(template, place.field("template"))
    if template.spec.active_deadline_seconds is not None:
        deadline = place.field("template").field("spec").field("activeDeadlineSeconds")
        deadline.forbidden(f"activeDeadlineSeconds in {_MAKERS[word]} is not Supported")


def immutable_selector(new: LabelSelector, old: LabelSelector, problems: Problems) -> None:
    """Check that a selector stays as it was."""
    if new != old:
        problems.at("spec").field("selector").invalid(new, meta.IMMUTABLE)


def share(value: IntOrString | None, place: Place) -> None:
    """Check a count that may be a percentage."""
    if isinstance(value, str):
        if not _PERCENT.fullmatch(value):
            place.invalid(
                value,
                "a valid percent string must be a numeric string followed by an ending '%' "
                "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
            )
    else:
        place.not_negative(value)


def not_over_all(value: IntOrString | None, place: Place) -> None:
    """Check that a percentage is no more than all."""
    if isinstance(value, str) and number(value) > 100:
        place.invalid(value, "must not be greater than 100%")


def number(value: IntOrString | None) -> int:
    """Return the number of a count or a percentage; -1 where it is none, and is complained of elsewhere."""
    if isinstance(value, str):
        return int(value[:-1]) if _PERCENT.fullmatch(value) else -1
    return value or 0


def matches(value: LabelSelector, template: PodTemplateSpec, place: Place) -> None:
    """Check that a template's labels are those that the selector asks for."""
    if any(each.operator not in ("In", "NotIn", "Exists", "DoesNotExist") for each in value.match_expressions):
        return
    if not selectors.from_labels(value)(template.metadata.labels):
        place.field("metadata").field("labels").invalid(
            template.metadata.labels, "`selector` does not match template `labels`"
        )
