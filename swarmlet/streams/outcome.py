"""How a command in a container ended, as the Status that its error channel carries.

Source: k8s.io/kubelet/pkg/cri/streaming/remotecommand, client-go/tools/remotecommand/v4.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

NON_ZERO = "NonZeroExitCode"
CAUSE = "ExitCode"


def exited(code: int) -> bytes:
    """Return the Status of a command that ended with an exit code."""
    if not code:
        return msgspec.json.encode({"metadata": {}, "status": "Success"})
    document = {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": NON_ZERO,
        "details": {"causes": [{"reason": CAUSE, "message": str(code)}]},
    }
    return msgspec.json.encode(document)


def failed(message: str) -> bytes:
    """Return the Status of a command that could not be run, or of which nobody knows the end."""
    document = {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}
    return msgspec.json.encode(document)


def read(text: bytes) -> tuple[int | None, str]:
    """Return (exit code, message) of a Status; the exit code is None where there is none to tell."""
    try:
        document: dict[str, Any] = msgspec.json.decode(text, type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, text.decode(errors="replace")
    if document.get("status") == "Success":
        return 0, ""
    message = str(document.get("message") or "the command failed")
    if document.get("reason") == NON_ZERO:
        for cause in (document.get("details") or {}).get("causes") or ():
            if cause.get("reason") == CAUSE and str(cause.get("message", "")).isdigit():
                return int(cause["message"]), message
    return None, message
