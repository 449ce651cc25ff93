"""Whether a history of one key could have happened one operation at a time (Wing & Gong, with Lowe's memory).

An operation takes effect at some instant between its call and its return; one whose outcome is unknown at some instant
after its call, or never. The search walks the operations in the order of their calls, takes one that may come next by
the model, and backtracks where an operation returned that could not be placed; a state reached twice with the same
operations placed is not searched again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

Value = str | None
"""What a key holds; None: it does not exist. Every write writes another value."""

FOREVER = float("inf")


class Kind(Enum):
    READ = "read"
    PUT = "put"
    CREATE = "create"
    SWAP = "swap"
    DELETE = "delete"


class Result(Enum):
    DONE = "done"
    REFUSED = "refused"
    """The precondition did not hold."""
    UNKNOWN = "unknown"


@dataclass
class Operation:
    """What one client did to one key. `argument` is what is written, or what a read found; `expected` is a swap's."""

    client: str
    key: str
    kind: Kind
    called: float
    argument: Value = None
    expected: Value = None
    returned: float = FOREVER
    result: Result = Result.UNKNOWN
    revision: int = 0

    def __str__(self) -> str:
        end = "" if self.returned == FOREVER else f"{self.returned:.6f}"
        swap = f"{self.expected}->" if self.kind is Kind.SWAP else ""
        words = f"{self.kind.value} {self.key} {swap}{self.argument} {self.result.value}"
        return f"[{self.called:.6f} .. {end}] {self.client} {words}"


def step(operation: Operation, state: Value) -> tuple[bool, Value]:
    """Return whether an operation with its outcome may happen in a state, and the state after it."""
    done = operation.result is not Result.REFUSED
    match operation.kind:
        case Kind.READ:
            return state == operation.argument, state
        case Kind.PUT:
            return True, operation.argument
        case Kind.CREATE:
            return (state is None) == done, operation.argument if done else state
        case Kind.SWAP:
            return (state == operation.expected) == done, operation.argument if done else state
        case Kind.DELETE:
            return (state is not None) == done, None if done else state


class _Node:
    """A call or a return, in a list that operations are lifted out of and put back into."""

    __slots__ = ("after", "before", "match", "number")

    def __init__(self, number: int, match: _Node | None) -> None:
        self.number = number
        self.match = match
        self.before: _Node
        self.after: _Node | None = None


def _listed(history: Sequence[Operation]) -> _Node:
    moments: list[tuple[float, int, int, _Node]] = []
    for number, operation in enumerate(history):
        end = _Node(number, None)
        moments.append((operation.called, 0, number, _Node(number, end)))
        moments.append((operation.returned, 1, number, end))
    head = last = _Node(-1, None)
    for *_, node in sorted(moments, key=lambda moment: moment[:3]):
        last.after, node.before = node, last
        last = node
    return head


def _lift(node: _Node) -> None:
    node.before.after = node.after
    if node.after:
        node.after.before = node.before


def _unlift(node: _Node) -> None:
    node.before.after = node
    if node.after:
        node.after.before = node


def is_linearizable(history: Sequence[Operation]) -> bool:
    """Whether the operations of one key, begun on no value, have an order that explains all their outcomes."""
    known = [one for one in history if one.result is not Result.UNKNOWN or one.kind is not Kind.READ]
    head = _listed(known)
    unplaced = sum(operation.result is not Result.UNKNOWN for operation in known)
    state: Value = None
    placed = 0
    seen: set[tuple[int, Value]] = set()
    stack: list[tuple[_Node, Value]] = []
    node = head.after
    while unplaced:
        if node is not None and node.match is not None:
            operation = known[node.number]
            possible, after = step(operation, state)
            now = placed | 1 << node.number
            if possible and (now, after) not in seen:
                seen.add((now, after))
                stack.append((node, state))
                placed, state = now, after
                unplaced -= operation.result is not Result.UNKNOWN
                _lift(node)
                _lift(node.match)
                node = head.after
            else:
                node = node.after
            continue
        if not stack:  # an operation returned that can be placed nowhere
            return False
        node, state = stack.pop()
        assert node.match
        placed &= ~(1 << node.number)
        unplaced += known[node.number].result is not Result.UNKNOWN
        _unlift(node.match)
        _unlift(node)
        node = node.after
    return True


def first_anomaly(history: Sequence[Operation]) -> list[Operation]:
    """Return the shortest beginning of a history that no order explains; empty where all is well."""
    ordered = sorted(history, key=lambda operation: operation.called)
    if is_linearizable(ordered):
        return []
    low, high = 0, len(ordered)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_linearizable(ordered[:middle]) else (low, middle)
    return ordered[:high]
