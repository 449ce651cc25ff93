"""What Docker can do for a container and Kubernetes has no field for, as an annotation of its Pod.

    metadata:
      annotations:
        swarmlet.io/container-options: '{"web": {"init": true, "stopSignal": "SIGQUIT", "ulimits": {"nofile": 65536}}}'

Compose files bear these keys; the annotation carries them to the machine. By the names of the Pod's containers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from swarmlet.model.base import ApiStruct
from swarmlet.model.problems import Place

CONTAINER_OPTIONS = "swarmlet.io/container-options"
ULIMITS = frozenset(
    {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc"}
    | {"rss", "rtprio", "rttime", "sigpending", "stack"}
)
"""What the kernel limits per process, by the names of setrlimit(2) in lower case."""
UNLIMITED = -1
LIMIT_MAX = (1 << 63) - 1
"""What Docker can be told."""
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?")
SIGNAL = re.compile(r"(SIG)?[A-Z][A-Z0-9+-]{1,15}|[1-9][0-9]?")


class Ulimit(ApiStruct, frozen=True, kw_only=True):
    """-1 is unlimited; the soft limit may be raised to the hard one by the process itself."""

    soft: int
    hard: int


class ContainerOptions(ApiStruct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`init`: a small process 1 before the container's own, which passes signals on and buries the dead.

    `user` is "www-data" or "www-data:staff", by the names that the image knows; a `runAsUser` goes before it.
    """

    init: bool = False
    user: str = ""
    stop_signal: str = ""
    ulimits: dict[str, Ulimit | int] = {}


NO_OPTIONS = ContainerOptions()


def parse(text: str) -> dict[str, ContainerOptions]:
    """Return the options by container; raise `ValueError` that says what cannot be understood."""
    try:
        found = msgspec.json.decode(text, type=dict[str, ContainerOptions])
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    for name, options in found.items():
        _check(name, options)
    return found


def of(annotations: Mapping[str, str], container: str) -> ContainerOptions:
    """Return a container's options; none where there is no annotation, or one that admission would have refused."""
    text = annotations.get(CONTAINER_OPTIONS)
    try:
        return parse(text).get(container, NO_OPTIONS) if text else NO_OPTIONS
    except ValueError:
        return NO_OPTIONS


def limits(options: ContainerOptions) -> tuple[tuple[str, int, int], ...]:
    """Return (name, soft, hard) of each limit, in the order of names."""
    pairs = (
        (name, each if isinstance(each, Ulimit) else Ulimit(soft=each, hard=each)) for name, each in _sorted(options)
    )
    return tuple((name, each.soft, each.hard) for name, each in pairs)


def check(annotations: Mapping[str, str], place: Place) -> None:
    """Check how the annotation is written; `place` is that of the annotations."""
    text = annotations.get(CONTAINER_OPTIONS)
    if text is None:
        return
    try:
        parse(text)
    except ValueError as error:
        place.key(CONTAINER_OPTIONS).invalid(text, str(error))


def _check(container: str, options: ContainerOptions) -> None:
    if options.stop_signal and not SIGNAL.fullmatch(options.stop_signal):
        raise ValueError(f"{container}: stopSignal: {options.stop_signal!r} is no signal, such as SIGQUIT")
    if options.user and not USER.fullmatch(options.user):
        raise ValueError(f"{container}: user: {options.user!r} is no user, such as www-data or www-data:staff")
    for name, soft, hard in limits(options):
        if name not in ULIMITS:
            raise ValueError(f"{container}: ulimits: {name!r} is none of {', '.join(sorted(ULIMITS))}")
        if max(soft, hard) > LIMIT_MAX:
            raise ValueError(f"{container}: ulimits: {name}: at most {LIMIT_MAX}, or {UNLIMITED} for no limit")
        if min(soft, hard) < UNLIMITED or (hard != UNLIMITED and not UNLIMITED < soft <= hard):
            raise ValueError(f"{container}: ulimits: {name}: the soft limit {soft} is above the hard one, {hard}")


def _sorted(options: ContainerOptions) -> list[tuple[str, Ulimit | int]]:
    return sorted(options.ulimits.items())
