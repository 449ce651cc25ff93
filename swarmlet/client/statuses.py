"""From a Kubernetes Status to our errors: the server's words, our tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from swarmlet import errors

BY_REASON: Mapping[str, type[errors.SwarmletError]] = {
    "BadRequest": errors.CallerError,
    "Unauthorized": errors.UnauthorizedError,
    "Forbidden": errors.ForbiddenError,
    "NotFound": errors.NotFoundError,
    "AlreadyExists": errors.AlreadyExistsError,
    "Conflict": errors.ConflictError,
    "Expired": errors.ExpiredError,
    "Gone": errors.ExpiredError,
    "Invalid": errors.InvalidError,
    "RequestEntityTooLarge": errors.TooLargeError,
    "MethodNotAllowed": errors.CallerError,
    "NotAcceptable": errors.CallerError,
    "UnsupportedMediaType": errors.CallerError,
    "TooManyRequests": errors.BusyError,
    "ServiceUnavailable": errors.UnavailableError,
    "Timeout": errors.OutcomeUnknownError,
    "ServerTimeout": errors.OutcomeUnknownError,
}
BY_CODE: Mapping[int, type[errors.SwarmletError]] = {
    400: errors.CallerError,
    401: errors.UnauthorizedError,
    403: errors.ForbiddenError,
    404: errors.NotFoundError,
    405: errors.CallerError,
    409: errors.ConflictError,
    410: errors.ExpiredError,
    413: errors.TooLargeError,
    415: errors.CallerError,
    422: errors.InvalidError,
    429: errors.BusyError,
    503: errors.UnavailableError,
    504: errors.OutcomeUnknownError,
}
TEXT_LENGTH_MAX = 400


def error_of_answer(code: int, body: bytes, request: str) -> errors.SwarmletError:
    """Return the error that an HTTP answer of 400 and above is; `request` is told where the body says nothing."""
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        document = None
    if isinstance(document, dict) and document.get("kind") == "Status":
        return error_of_status(document, code)
    text = " ".join(body.decode(errors="replace").split())[:TEXT_LENGTH_MAX]
    return _class(code, "")(f"{request}: HTTP {code}" + (f": {text}" if text else ""))


def error_of_status(status: Mapping[str, Any], code: int = 0) -> errors.SwarmletError:
    """Return the error that a Status document stands for."""
    error_class = _class(int(status.get("code") or code), str(status.get("reason") or ""))
    message = str(status.get("message") or status.get("reason") or f"HTTP {code}")
    if error_class is errors.InvalidError:
        return errors.InvalidError(message, _causes(status))
    budget = next((cause for cause in _causes_of(status) if cause.get("reason") == "DisruptionBudget"), None)
    if budget is not None and error_class is errors.BusyError:
        return errors.DisruptionBudgetError(message, str(budget.get("message") or ""))
    return error_class(message)


def _class(code: int, reason: str) -> type[errors.SwarmletError]:
    return BY_REASON.get(reason) or BY_CODE.get(code) or (errors.PeerError if code >= 500 else errors.CallerError)


def _causes(status: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(cause.get("field") or ""), str(cause.get("message") or "")) for cause in _causes_of(status))


def _causes_of(status: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (status.get("details") or {}).get("causes") or ()
