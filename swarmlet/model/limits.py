"""What LimitRanges make of a new object: the defaults they give it, and the limits it breaks.

Source: kubernetes plugin/pkg/admission/limitranger/admission.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from swarmlet.model import amounts, objects, pods, quantity, quotas, usage
from swarmlet.model.amounts import Amounts
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.pod import Pod
from swarmlet.model.quantity import Quantity
from swarmlet.model.quotas import LimitRange, LimitRangeItem

ANNOTATION = "kubernetes.io/limit-ranger"
_TOLD = "LimitRanger plugin set: "


@dataclass(frozen=True, slots=True)
class Asked:
    """What one container, or a whole Pod, asks for at least and at most."""

    requests: Amounts
    limits: Amounts


def with_defaults(pod: Pod, ranges: Iterable[LimitRange]) -> Pod:
    """Return the Pod with what its containers leave unsaid, noted in an annotation, and its class of service."""
    told: list[str] = []
    spec = pod.spec
    for each in ranges:
        limits, requests = _defaults(each)
        if limits or requests:
            containers = tuple(_filled(c, limits, requests, "container", told) for c in spec.containers)
            init = tuple(_filled(c, limits, requests, "init container", told) for c in spec.init_containers)
            spec = msgspec.structs.replace(spec, containers=containers, init_containers=init)
    if not told:
        return pod
    status = msgspec.structs.replace(pod.status, qos_class=pods.qos_class(spec))
    annotations = {**pod.metadata.annotations, ANNOTATION: _TOLD + "; ".join(told)}
    return objects.with_metadata(msgspec.structs.replace(pod, spec=spec, status=status), annotations=annotations)


def of_pod(pod: Pod, ranges: Iterable[LimitRange]) -> list[str]:
    """Return what a Pod breaks, in Kubernetes' words."""
    return [broken for each in _items(ranges) for asked in _parts(pod, each.type) for broken in _broken(each, asked)]


def of_claim(requests: Mapping[str, str], ranges: Iterable[LimitRange]) -> list[str]:
    """Return what a PersistentVolumeClaim that requests so much breaks."""
    asked = amounts.parsed(requests)
    found: list[str] = []
    for each in _items(ranges):
        if each.type == quotas.CLAIM:
            found += [told for name, least in each.min.items() if (told := _below(each.type, name, least, asked))]
            found += [told for name, most in each.max.items() if (told := _request_above(each.type, name, most, asked))]
    return found


def words(broken: Sequence[str]) -> str:
    """Return several complaints as one, as Go writes a list of errors."""
    unique = list(dict.fromkeys(broken))
    return unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"


def _items(ranges: Iterable[LimitRange]) -> Iterator[LimitRangeItem]:
    return (item for each in ranges for item in each.spec.limits)


def _defaults(limit_range: LimitRange) -> tuple[dict[str, str], dict[str, str]]:
    limits: dict[str, str] = {}
    requests: dict[str, str] = {}
    for item in limit_range.spec.limits:
        if item.type == quotas.CONTAINER:
            limits |= item.default
            requests |= item.default_request
    return limits, requests


def _filled(
    container: Container, limits: Mapping[str, str], requests: Mapping[str, str], what: str, told: list[str]
) -> Container:
    """Return the container with what it leaves unsaid; `told` gets a line for each kind of it."""
    given = container.resources
    missing = {
        "request": {name: text for name, text in requests.items() if name not in given.requests},
        "limit": {name: text for name, text in limits.items() if name not in given.limits},
    }
    told += [
        f"{', '.join(sorted(names))} {kind} for {what} {container.name}" for kind, names in missing.items() if names
    ]
    if not any(missing.values()):
        return container
    complete = ResourceRequirements(
        requests={**given.requests, **missing["request"]}, limits={**given.limits, **missing["limit"]}
    )
    return msgspec.structs.replace(container, resources=complete)


def _parts(pod: Pod, limit_type: str) -> list[Asked]:
    if limit_type == quotas.POD:
        return [Asked(*usage.pod_resources(pod.spec))]
    if limit_type != quotas.CONTAINER:
        return []
    return [
        Asked(amounts.parsed(each.resources.requests), amounts.parsed(each.resources.limits))
        for each in (*pod.spec.containers, *pod.spec.init_containers)
    ]


def _broken(item: LimitRangeItem, asked: Asked) -> Iterator[str]:
    for name, least in item.min.items():
        yield from filter(None, [_below(item.type, name, least, asked.requests, asked.limits)])
    for name, most in item.max.items():
        yield from filter(None, [_above(item.type, name, most, asked)])
    for name, ratio in item.max_limit_request_ratio.items():
        yield from filter(None, [_out_of_ratio(item.type, name, ratio, asked)])


def _below(limit_type: str, name: str, text: str, requests: Amounts, limits: Amounts | None = None) -> str:
    least = quantity.parse(text)
    told = f"minimum {name} usage per {limit_type} is {least}"
    request, limit = requests.get(name), (limits or {}).get(name)
    if request is None:
        return f"{told}.  No request is specified"
    if request.nano < least.nano:
        return f"{told}, but request is {request}"
    return f"{told}, but limit is {limit}" if limit is not None and limit.nano < least.nano else ""


def _above(limit_type: str, name: str, text: str, asked: Asked) -> str:
    most, limit = quantity.parse(text), asked.limits.get(name)
    told = f"maximum {name} usage per {limit_type} is {most}"
    if limit is None:
        return f"{told}.  No limit is specified"
    if limit.nano > most.nano:
        return f"{told}, but limit is {limit}"
    request = asked.requests.get(name)
    return f"{told}, but request is {request}" if request is not None and request.nano > most.nano else ""


def _request_above(limit_type: str, name: str, text: str, requests: Amounts) -> str:
    most, request = quantity.parse(text), requests.get(name)
    told = f"maximum {name} usage per {limit_type} is {most}"
    if request is None:
        return f"{told}.  No request is specified"
    return f"{told}, but request is {request}" if request.nano > most.nano else ""


def _out_of_ratio(limit_type: str, name: str, text: str, asked: Asked) -> str:
    most = quantity.parse(text)
    told = f"{name} max limit to request ratio per {limit_type} is {most}"
    request, limit = asked.requests.get(name), asked.limits.get(name)
    if _is_nothing(request) or request is None:
        return f"{told}, but no request is specified or request is 0"
    if _is_nothing(limit) or limit is None:
        return f"{told}, but no limit is specified or limit is 0"
    ratio = limit.nano / request.nano
    return f"{told}, but provided ratio is {ratio:f}" if limit.nano * 10**9 > most.nano * request.nano else ""


def _is_nothing(amount: Quantity | None) -> bool:
    return amount is None or amount.nano == 0
