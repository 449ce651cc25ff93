"""One tree of errors: whose fault it is, and whether trying again helps.

Every error that crosses a room is one of these. The command line prints `str(error)` as its one line;
`api.status` turns `reason` into a Kubernetes Status and an HTTP code. A message names the field, key or
machine concerned and says what to do.
"""

from __future__ import annotations

from typing import ClassVar


class SwarmletError(Exception):
    """Root of the tree. `retryable` says whether the same call may succeed later, unchanged."""

    reason: ClassVar[str] = "InternalError"
    retryable: ClassVar[bool] = False


# The caller's fault: the same call fails again until the caller changes something.


class CallerError(SwarmletError):
    """The request cannot be served as it is."""

    reason = "BadRequest"


class InvalidError(CallerError):
    """Values that break a rule. `causes` are (field path, message) pairs, one a broken rule."""

    reason = "Invalid"

    def __init__(self, message: str, causes: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.causes = causes


class UnauthorizedError(CallerError):
    """Nobody known: no certificate or token, or one that is wrong or expired."""

    reason = "Unauthorized"


class ForbiddenError(CallerError):
    """Somebody known who may not do this."""

    reason = "Forbidden"


class NamespaceTerminatingError(ForbiddenError):
    """Nothing new is made in a namespace that is being deleted; clients look for this cause and come back later."""

    def __init__(self, message: str, namespace: str) -> None:
        super().__init__(message)
        self.namespace = namespace


class NotFoundError(CallerError):
    """The named object does not exist."""

    reason = "NotFound"


class AlreadyExistsError(CallerError):
    """An object of that name exists."""

    reason = "AlreadyExists"


class ConflictError(CallerError):
    """The object changed since the caller read it, or a precondition does not hold."""

    reason = "Conflict"


class ApplyConflictError(ConflictError):
    """Others own fields that an apply would change. `causes` are (field path, message) pairs, one a field."""

    def __init__(self, message: str, causes: tuple[tuple[str, str], ...]) -> None:
        super().__init__(message)
        self.causes = causes


class ExpiredError(CallerError):
    """The asked-for revision is compacted; list again."""

    reason = "Expired"


class TooLargeError(CallerError):
    """A body or object over a named limit."""

    reason = "RequestEntityTooLarge"


class ConfigError(CallerError):
    """A key of the configuration file, a flag or the data folder is unusable."""


class RemovedError(CallerError):
    """This node was removed from its cluster: its daemon stops, and its machine may join anew under a new id."""

    reason = "Forbidden"


class CutOffError(RemovedError):
    """The cluster goes on without this node in a later incarnation: it was restored or recovered elsewhere."""


# A peer's fault: a machine, an engine or a registry did not do its part; a later try may succeed.


class PeerError(SwarmletError):
    """Something outside this process did not do its part."""

    reason = "ServiceUnavailable"
    retryable = True


class UnavailableError(PeerError):
    """No quorum, no leader or no route to the peer; nothing was changed."""


class BusyError(PeerError):
    """A named limit is reached; nothing was changed."""

    reason = "TooManyRequests"


class DisruptionBudgetError(BusyError):
    """A Pod may not be evicted now; `cause` says which budget stands against it, and with what counts.

    `retry_after_seconds` 0: nobody can tell when.
    """

    def __init__(self, message: str, cause: str = "", *, retry_after_seconds: int = 0) -> None:
        super().__init__(message)
        self.cause = cause
        self.retry_after_seconds = retry_after_seconds


class OutcomeUnknownError(PeerError):
    """Time ran out after the command was handed over: it may or may not take effect."""

    reason = "Timeout"


class EngineError(PeerError):
    """The container engine refused or failed; `str()` is its own message, shortened."""

    reason = "InternalError"


# Ours.


class BugError(SwarmletError):
    """An invariant of ours does not hold. Never caught below a runner's top loop."""


class DiskError(BugError):
    """The disk failed a write or an fsync, or holds what we did not write; fatal, never retried."""
