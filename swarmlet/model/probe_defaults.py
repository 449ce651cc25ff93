"""What the API server fills into probes and hooks. Source: k8s.io/kubernetes/pkg/apis/core/v1/defaults.go."""

from __future__ import annotations

import msgspec

from swarmlet.model.container import Container
from swarmlet.model.probes import HTTPGetAction, Lifecycle, LifecycleHandler, Probe

TIMEOUT_SECONDS = 1
PERIOD_SECONDS = 10
SUCCESS_THRESHOLD = 1
FAILURE_THRESHOLD = 3
PATH = "/"
SCHEME = "HTTP"
TERMINATION_MESSAGE_PATH = "/dev/termination-log"
TERMINATION_MESSAGE_POLICY = "File"


def container(value: Container) -> Container:
    """Return the container with its probes, hooks and termination message as they are to be."""
    return msgspec.structs.replace(
        value,
        lifecycle=_lifecycle(value.lifecycle),
        liveness_probe=_probe(value.liveness_probe),
        readiness_probe=_probe(value.readiness_probe),
        startup_probe=_probe(value.startup_probe),
        termination_message_path=value.termination_message_path or TERMINATION_MESSAGE_PATH,
        termination_message_policy=value.termination_message_policy or TERMINATION_MESSAGE_POLICY,
    )


def _probe(value: Probe | None) -> Probe | None:
    if value is None:
        return None
    return msgspec.structs.replace(
        value,
        http_get=_http_get(value.http_get),
        timeout_seconds=value.timeout_seconds or TIMEOUT_SECONDS,
        period_seconds=value.period_seconds or PERIOD_SECONDS,
        success_threshold=value.success_threshold or SUCCESS_THRESHOLD,
        failure_threshold=value.failure_threshold or FAILURE_THRESHOLD,
    )


def _lifecycle(value: Lifecycle | None) -> Lifecycle | None:
    if value is None:
        return None
    return Lifecycle(post_start=_handler(value.post_start), pre_stop=_handler(value.pre_stop))


def _handler(value: LifecycleHandler | None) -> LifecycleHandler | None:
    return None if value is None else msgspec.structs.replace(value, http_get=_http_get(value.http_get))


def _http_get(value: HTTPGetAction | None) -> HTTPGetAction | None:
    if value is None:
        return None
    return msgspec.structs.replace(value, path=value.path or PATH, scheme=value.scheme or SCHEME)
