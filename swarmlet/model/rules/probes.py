"""Rules of probes, hooks and restartable init containers. Source: k8s.io/kubernetes/pkg/apis/core/validation."""

from __future__ import annotations

import re

from swarmlet.model import syntax
from swarmlet.model.container import Container
from swarmlet.model.probes import ExecAction, GRPCAction, HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction
from swarmlet.model.problems import Place

ALWAYS = "Always"
MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
SCHEMES = ("HTTP", "HTTPS")
ACTIVE_DEADLINE_SECONDS_MAX = 2**31 - 1

_HEADER_NAME = re.compile(r"[-A-Za-z0-9]+")
_HEADER_RULE = (
    "a valid HTTP header must consist of alphanumeric characters or '-' "
    "(e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"
)
_PROBES = (
    ("livenessProbe", "liveness_probe"), ("readinessProbe", "readiness_probe"), ("startupProbe", "startup_probe")
)  # fmt: skip


def container(value: Container, place: Place, grace_seconds: int | None) -> None:
    """Check one of the containers that run together; `grace_seconds` is what the Pod is given to end."""
    if value.restart_policy:
        place.field("restartPolicy").forbidden("may not be set for non-init containers")
    _running(value, place, grace_seconds)


def init_container(value: Container, place: Place, grace_seconds: int | None) -> None:
    """Check an init container: only one that restarts always (a sidecar) may be probed and have hooks."""
    if value.restart_policy == ALWAYS:
        _running(value, place, grace_seconds)
        return
    if value.restart_policy:
        place.field("restartPolicy").unsupported(value.restart_policy, (ALWAYS,))
    for name, attribute in (("lifecycle", "lifecycle"), *_PROBES):
        if getattr(value, attribute) is not None:
            place.field(name).forbidden("must not be set for init containers")
    _termination_message(value, place)


def active_deadline(seconds: int | None, place: Place) -> None:
    """Check how long a Pod may be active."""
    if seconds is not None and not 1 <= seconds <= ACTIVE_DEADLINE_SECONDS_MAX:
        place.invalid(seconds, f"must be between 1 and {ACTIVE_DEADLINE_SECONDS_MAX}, inclusive")


def active_deadline_update(new: int | None, old: int | None, place: Place) -> None:
    """Check that a deadline is only set or brought nearer."""
    if old is None:
        return
    if new is None:
        place.invalid(None, "must not update from a positive integer to nil value")
    elif new > old:
        place.invalid(new, "must be less than or equal to previous value")


def _running(value: Container, place: Place, grace_seconds: int | None) -> None:
    if value.lifecycle:
        hooks = place.field("lifecycle")
        for name, handler in (("postStart", value.lifecycle.post_start), ("preStop", value.lifecycle.pre_stop)):
            if handler is not None:
                _hook(handler, hooks.field(name), grace_seconds)
    for name, attribute in _PROBES:
        probe = getattr(value, attribute)
        if probe is not None:
            _probe(probe, place.field(name), is_readiness=name == "readinessProbe")
    _termination_message(value, place)


def _termination_message(value: Container, place: Place) -> None:
    place.field("terminationMessagePolicy").one_of(value.termination_message_policy or "File", MESSAGE_POLICIES)


def _probe(probe: Probe, place: Place, *, is_readiness: bool) -> None:
    _handler(probe, place, ("exec", "http_get", "tcp_socket", "grpc"))
    for name, value in (
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ):
        place.field(name).not_negative(value)
    grace = probe.termination_grace_period_seconds
    if grace is not None and is_readiness:
        place.field("terminationGracePeriodSeconds").invalid(grace, "must not be set for readinessProbes")
    elif grace is not None and grace <= 0:
        place.field("terminationGracePeriodSeconds").invalid(grace, "must be greater than 0")
    place.field("terminationGracePeriodSeconds").not_endless(grace)
    if not is_readiness and probe.success_threshold != 1:
        place.field("successThreshold").invalid(probe.success_threshold, "must be 1")


def _hook(handler: LifecycleHandler, place: Place, grace_seconds: int | None) -> None:
    _handler(handler, place, ("exec", "http_get", "sleep"))
    if handler.sleep is None:
        return
    seconds = handler.sleep.seconds
    if grace_seconds is not None and not 0 <= seconds <= grace_seconds:
        why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_seconds})"
        place.field("sleep").invalid(seconds, why)


def _handler(handler: Probe | LifecycleHandler, place: Place, names: tuple[str, ...]) -> None:
    """Check that one kind of action is given, and that one."""
    given = [action for name in names if (action := getattr(handler, name)) is not None]
    if not given:
        place.required("must specify a handler type")
    if len(given) > 1:
        place.forbidden("may not specify more than 1 handler type")
    for action in given:
        match action:
            case ExecAction():
                if not action.command:
                    place.field("exec").field("command").required()
            case HTTPGetAction():
                _http_get(action, place.field("httpGet"))
            case TCPSocketAction():
                _port(action.port, place.field("tcpSocket").field("port"))
            case GRPCAction():
                _port(action.port, place.field("grpc").field("port"))


def _http_get(action: HTTPGetAction, place: Place) -> None:
    if not action.path:
        place.field("path").required()
    _port(action.port, place.field("port"))
    place.field("scheme").one_of(action.scheme, SCHEMES)
    for header in action.http_headers:
        if not _HEADER_NAME.fullmatch(header.name):
            place.field("httpHeaders").invalid(header.name, _HEADER_RULE)


def _port(port: int | str, place: Place) -> None:
    check = syntax.port_number(port) if isinstance(port, int) else syntax.port_name(port)
    place.invalid_each(port, check)
