"""What can go wrong with an expression: as it is read, as it runs, and as it runs for too long."""

from __future__ import annotations


class CompileError(ValueError):
    """The text is no expression, or names what there is not."""

    def __init__(self, message: str, text: str = "", position: int = 0) -> None:
        line = text.count("\n", 0, position) + 1
        column = position - (text.rfind("\n", 0, position) + 1) + 1
        super().__init__(f"compilation failed: ERROR: <input>:{line}:{column}: {message}")


class EvaluationError(ValueError):
    """An expression has no value: a key is missing, a number overflows. `||` and `&&` may do without that side."""


class BudgetError(Exception):
    """An expression took more steps than it may."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


def no_overload() -> EvaluationError:
    """Return the error of a function or operator that is not there for such values."""
    return EvaluationError("no such overload")
