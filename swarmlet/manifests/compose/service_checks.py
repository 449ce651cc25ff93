"""What the keys of one service say of each other, and the forms of its texts that no type tells.

Source: compose-spec/05-services.md; compose-go loader/validate.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from swarmlet.manifests.compose import ports
from swarmlet.manifests.compose.model.services import Service
from swarmlet.manifests.compose.model.storage import BIND

_RESTART = re.compile(r"no|always|unless-stopped|on-failure(:[0-9]{1,9})?")
_PULL = re.compile(r"always|never|missing|if_not_present|build|refresh|daily|weekly|every_([0-9]+[wdhms])+")
_EXPOSE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/[a-z]+)?")
_PROFILE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_RESERVED_LABELS = "com.docker.compose."

Problem = tuple[str, str]
"""The path of a key, and what is the matter with it."""


def problems(service: Service, path: str) -> Iterator[Problem]:
    """Yield what is the matter with a service by itself; `path` is its own, "services.web"."""
    yield from _forms(service, path)
    yield from _excluding(service, path)
    yield from _agreeing(service, path)
    yield from _labels(service, path)
    for name, limit in service.ulimits.items():
        if limit.hard != -1 and (limit.soft == -1 or limit.soft > limit.hard):
            yield f"{path}.ulimits.{name}", f"soft ({limit.soft}) is over hard ({limit.hard})"
    for number, mount in enumerate(service.volumes):
        if mount.type == BIND and not mount.source:
            yield f"{path}.volumes[{number}]", "a bind mount needs a source"
    if service.healthcheck and service.healthcheck.test in {("CMD",), ("CMD-SHELL",)}:
        yield f"{path}.healthcheck.test", "a command is missing"


def _forms(service: Service, path: str) -> Iterator[Problem]:
    if service.restart and not _RESTART.fullmatch(service.restart):
        told = f"must be no, always, on-failure[:TIMES] or unless-stopped, not {service.restart!r}"
        yield f"{path}.restart", told
    if service.pull_policy and not _PULL.fullmatch(service.pull_policy):
        told = f"must be always, never, missing, build, daily, weekly or every_DURATION, not {service.pull_policy!r}"
        yield f"{path}.pull_policy", told
    for number, profile in enumerate(service.profiles):
        if not _PROFILE.fullmatch(profile):
            yield f"{path}.profiles[{number}]", "a profile has letters, digits, and . _ -"
    yield from _exposed(service, f"{path}.expose")


def _exposed(service: Service, path: str) -> Iterator[Problem]:
    count = 0
    for number, port in enumerate(service.expose):
        written = _EXPOSE.fullmatch(port)
        first = int(written[1]) if written else 0
        last = int(written[2] or first) if written else 0
        if not 1 <= first <= last <= ports.NUMBER_MAX:
            told = f"{port[:60]!r} is no port; it is PORT[-PORT][/PROTOCOL], from 1 to {ports.NUMBER_MAX}"
            yield f"{path}[{number}]", told
        count += last - first + 1
    if count > ports.PORTS_MAX:
        yield path, f"over {ports.PORTS_MAX} ports"


def _excluding(service: Service, path: str) -> Iterator[Problem]:
    if not (service.image or service.build or service.provider):
        yield path, "has neither image nor build"
    if service.network_mode and service.networks:
        yield f"{path}.network_mode", "cannot stand beside networks"
    if service.network_mode == "host" and service.ports:
        yield f"{path}.ports", "cannot be published with network_mode: host, which has all ports of its machine"
    replicas = service.scale if service.scale is not None else service.deploy.replicas if service.deploy else None
    if service.container_name and replicas not in {None, 0, 1}:
        yield f"{path}.container_name", f"one name cannot be that of {replicas} containers"


def _labels(service: Service, path: str) -> Iterator[Problem]:
    for key, labels in (("labels", service.labels), ("deploy.labels", service.deploy.labels if service.deploy else {})):
        for label in labels:
            if label.startswith(_RESERVED_LABELS):
                yield f"{path}.{key}.{label}", f"{_RESERVED_LABELS}* is reserved for Compose itself"


def _agreeing(service: Service, path: str) -> Iterator[Problem]:
    """Keys of a service that say what a key of `deploy` says too: they may not differ."""
    deploy = service.deploy
    resources = deploy.resources if deploy else None
    limits = resources.limits if resources else None
    reserved = resources.reservations if resources else None
    both: list[tuple[str, object, str, object]] = [
        ("scale", service.scale, "replicas", deploy.replicas if deploy else None),
        ("cpus", service.cpus, "resources.limits.cpus", limits.cpus if limits else None),
        ("mem_limit", service.mem_limit, "resources.limits.memory", limits.memory if limits else None),
        ("pids_limit", service.pids_limit, "resources.limits.pids", limits.pids if limits else None),
        (
            "mem_reservation",
            service.mem_reservation,
            "resources.reservations.memory",
            reserved.memory if reserved else None,
        ),
    ]
    for key, one, other_key, other in both:
        if one is not None and other is not None and one != other:
            yield f"{path}.{key}", f"differs from deploy.{other_key}; set one of the two"
