"""How an error of one daemon becomes the same error at another: by the name of its class, and its message.

A failure of the daemon that was called (its disk, a bug of its own) is none of the caller's: what it was asked for may
or may not have happened.
"""

from __future__ import annotations

from swarmlet import errors
from swarmlet.errors import BugError, OutcomeUnknownError, SwarmletError


def name_of(error: SwarmletError) -> str:
    """Return what travels in the place of the class."""
    return type(error).__name__


def restored(name: str, message: str) -> SwarmletError:
    """Return the error that a peer raised; a failure of its own, or a class unknown here, is an outcome unknown."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, SwarmletError) and not issubclass(kind, BugError):
        return kind(message)
    return OutcomeUnknownError(f"{name}: {message}")
