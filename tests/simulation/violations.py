"""What a run is looking for: a promise that was broken, by the name of the promise."""

from __future__ import annotations


class Violation(BaseException):
    """`promise` names what was broken, the same for every way of breaking it: shrinking goes by it.

    Not an `Exception`: nothing in the daemons may take it for a failure of theirs.
    """

    def __init__(self, promise: str, details: str) -> None:
        super().__init__(promise, details)
        self.promise = promise
        self.details = details

    def __str__(self) -> str:
        return f"{self.promise}: {self.details}"


def require(holds: object, promise: str, details: str) -> None:
    """Raise `Violation` where a promise does not hold."""
    if not holds:
        raise Violation(promise, details)
