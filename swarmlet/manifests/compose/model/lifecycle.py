"""When a service starts, whether it is well, and what runs beside its start and stop."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from swarmlet.manifests.compose.model.base import ComposeStruct, Duration

STARTED = "service_started"
HEALTHY = "service_healthy"
COMPLETED = "service_completed_successfully"


class Dependency(ComposeStruct, frozen=True, kw_only=True):
    """`restart`: this service restarts when the other was changed. Not `required`: missing is a word, no error."""

    condition: Literal["service_started", "service_healthy", "service_completed_successfully"] = "service_started"
    restart: bool = False
    required: bool = True


class HealthCheck(ComposeStruct, frozen=True, kw_only=True):
    """`test` begins with "CMD" (a program and its arguments) or "CMD-SHELL" (one line for /bin/sh).

    `disable` is also what `test: NONE` means; then `test` is empty. None is the engine's default: 30 s of interval and
    timeout, 3 retries, no start period.
    """

    test: tuple[str, ...] = ()
    interval: Duration | None = None
    timeout: Duration | None = None
    retries: Annotated[int, msgspec.Meta(ge=0)] | None = None
    start_period: Duration | None = None
    start_interval: Duration | None = None
    disable: bool = False


class Hook(ComposeStruct, frozen=True, kw_only=True):
    """A command that runs in the container after its start or before its stop."""

    command: tuple[str, ...]
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: dict[str, str | None] = {}


class Logging(ComposeStruct, frozen=True, kw_only=True):
    driver: str = ""
    options: dict[str, str | None] = {}


class CredentialSpec(ComposeStruct, frozen=True, kw_only=True):
    """Windows' gMSA."""

    config: str = ""
    file: str = ""
    registry: str = ""


class EnvFile(ComposeStruct, frozen=True, kw_only=True):
    """A file of variables; its own end is in `environment`, so no service has one once it is loaded."""

    path: str
    required: bool = True
    format: str = ""
