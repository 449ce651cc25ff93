"""Errors as Kubernetes tells them: a `Status` document, its HTTP code, and whether to come back later.

Source: k8s.io/apimachinery/pkg/apis/meta/v1/types.go (Status, StatusReason).
"""

from __future__ import annotations

from typing import Any

import msgspec

from swarmlet.errors import (
    ApplyConflictError,
    BugError,
    CallerError,
    DisruptionBudgetError,
    InvalidError,
    NamespaceTerminatingError,
    SwarmletError,
)

CODES = {
    "BadRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "MethodNotAllowed": 405,
    "NotAcceptable": 406,
    "AlreadyExists": 409,
    "Conflict": 409,
    "Expired": 410,
    "RequestEntityTooLarge": 413,
    "UnsupportedMediaType": 415,
    "Invalid": 422,
    "TooManyRequests": 429,
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "Timeout": 504,
}
RETRY_AFTER_SECONDS = 1
_RETRIED = ("TooManyRequests", "ServiceUnavailable")


class UnsupportedMediaTypeError(CallerError):
    """A body in a form that this server does not read."""

    reason = "UnsupportedMediaType"


class NotAcceptableError(CallerError):
    """An answer is asked for in forms only that this server does not write."""

    reason = "NotAcceptable"


class MethodNotAllowedError(CallerError):
    """The path exists, and not for this method."""

    reason = "MethodNotAllowed"


class TooLargeRevisionError(SwarmletError):
    """A resourceVersion from the future: no server of this cluster has given it out yet."""

    reason = "Timeout"
    retryable = True


def code_of(error: SwarmletError) -> int:
    """Return the HTTP status code of an error."""
    return CODES.get(error.reason, 500)


def message_of(error: SwarmletError) -> str:
    """Return what the caller may know: a bug of ours is logged, not told."""
    return "internal error; the daemon's log has the details" if isinstance(error, BugError) else str(error)


def headers_of(error: SwarmletError) -> dict[str, str]:
    """Return the headers that go with an error."""
    seconds = _retry_after_seconds(error)
    return {"Retry-After": str(seconds)} if seconds else {}


def failure(error: SwarmletError, *, name: str = "", group: str = "", kind: str = "") -> bytes:
    """Return the JSON of the Status for `error`; the names say what the request was about.

    `kind` is the plural of a resource, or for `InvalidError` the kind, as in Kubernetes.
    """
    return msgspec.json.encode(failure_document(error, name=name, group=group, kind=kind))


def failure_document(error: SwarmletError, *, name: str = "", group: str = "", kind: str = "") -> dict[str, Any]:
    """Return the Status for `error` as a document."""
    details: dict[str, Any] = _names(name, group, kind)
    if isinstance(error, InvalidError) and error.causes:
        details["causes"] = [
            {"reason": "FieldValueInvalid", "message": message, "field": field} for field, message in error.causes
        ]
    elif isinstance(error, InvalidError):
        details = {}  # kubectl tells the message only where nothing is named
    if isinstance(error, ApplyConflictError):
        details["causes"] = [
            {"reason": "FieldManagerConflict", "message": message, "field": field} for field, message in error.causes
        ]
    if isinstance(error, DisruptionBudgetError):
        details["causes"] = [{"reason": "DisruptionBudget", "message": error.cause}]
    if isinstance(error, NamespaceTerminatingError):
        told = f"namespace {error.namespace} is being terminated"
        details["causes"] = [{"reason": "NamespaceTerminating", "message": told, "field": "metadata.namespace"}]
    if seconds := _retry_after_seconds(error):
        details["retryAfterSeconds"] = seconds
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message_of(error),
        "reason": error.reason,
        "details": details,  # kubectl debug looks into it, be it empty
        "code": code_of(error),
    }


def deleted(*, name: str, group: str, kind: str, uid: str) -> bytes:
    """Return the JSON of the Status that answers a delete which took effect at once."""
    return msgspec.json.encode(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": _names(name, group, kind) | {"uid": uid},
        }
    )


def _retry_after_seconds(error: SwarmletError) -> int:
    """Return after how long clients are to come back by themselves, 0 where they are to ask their user first."""
    if isinstance(error, DisruptionBudgetError):
        return error.retry_after_seconds
    return RETRY_AFTER_SECONDS if error.reason in _RETRIED else 0


def _names(name: str, group: str, kind: str) -> dict[str, Any]:
    named = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in named.items() if value}
