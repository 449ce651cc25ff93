"""What is asked of a container while it runs: probes, and hooks in its life. Source: k8s.io/api/core/v1/types.go."""

from __future__ import annotations

from swarmlet.model.base import ApiStruct


class ExecAction(ApiStruct, frozen=True, kw_only=True):
    command: tuple[str, ...] = ()


class HTTPHeader(ApiStruct, frozen=True, kw_only=True):
    name: str
    value: str


class HTTPGetAction(ApiStruct, frozen=True, kw_only=True):
    port: int | str
    path: str = ""
    host: str = ""
    scheme: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()


class TCPSocketAction(ApiStruct, frozen=True, kw_only=True):
    port: int | str
    host: str = ""


class GRPCAction(ApiStruct, frozen=True, kw_only=True):
    """`service` is what grpc.health.v1.Health is asked about; "" is the whole server."""

    port: int
    service: str = ""


class SleepAction(ApiStruct, frozen=True, kw_only=True):
    seconds: int


class LifecycleHandler(ApiStruct, frozen=True, kw_only=True):
    """One of the three is set."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(ApiStruct, frozen=True, kw_only=True):
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None


class Probe(ApiStruct, frozen=True, kw_only=True):
    """One of the first four is set. A threshold counts results in a row."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    grpc: GRPCAction | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: int = 0
    period_seconds: int = 0
    success_threshold: int = 0
    failure_threshold: int = 0
    termination_grace_period_seconds: int | None = None
