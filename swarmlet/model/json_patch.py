"""JSON patches (RFC 6902): nothing that goes in is changed, and what a patch costs is bounded.

    json_patch.apply({"spec": {"replicas": 3}}, [{"op": "replace", "path": "/spec/replicas", "value": 5}])

Each operation makes the objects and lists on its way anew and shares the rest, so one that fails has changed nothing.
Source: RFC 6901 and 6902; evanphx/json-patch, for the words, negative indexes and the limit of what is copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from swarmlet.errors import CallerError, InvalidError, TooLargeError
from swarmlet.model import nesting

OPERATIONS_MAX = 10_000
COPIED_BYTES_MAX = 3 * 1024 * 1024
"""Of all `copy` operations of a patch together, as in Kubernetes: thirty could double a document thirty times."""
ITEMS_MAX = 20_000_000
"""That all operations of a patch may pass on their way: some 0.1 s. Each makes the lists and objects it passes anew."""
ITEMS_PER_LOOK = 20
"""An item that is looked at, for how deep it is nested, takes as long as so many that are passed."""
SHOWN_MAX = 100
"""Characters of a path or key that a message repeats; of values none, for who may patch may not always read."""
END = "-"

_INDEX = re.compile(r"-?(0|[1-9][0-9]{0,9})", re.ASCII)

Document = dict[str, Any]
Tokens = Sequence[str]
Change = Callable[[Any, str], Any]
"""Returns an object or a list with its child of that name changed."""


class _FailedError(Exception):
    """An operation does not apply."""


def apply(document: Document, operations: Any) -> Document:
    """Return `document` with a patch applied.

    Raises `CallerError` for what is no patch, `InvalidError` where an operation fails, and `TooLargeError` where the
    patch copies more than may be.
    """
    if not isinstance(operations, Sequence) or isinstance(operations, str):
        raise CallerError("a JSON patch is a list of operations")
    if len(operations) > OPERATIONS_MAX:
        raise CallerError(f"the allowed maximum operations in a JSON patch is {OPERATIONS_MAX}")
    patching = _Patching(document)
    try:
        for operation in operations:
            patching.carry_out(operation)
    except _FailedError as error:
        raise InvalidError(f"the server rejected our request due to an error in our request: {error}") from error
    if not isinstance(patching.document, dict):
        raise InvalidError("the patch leaves no object")
    return patching.document


class _Patching:
    def __init__(self, document: Any) -> None:
        self.document = document
        self._items = 0
        self._copied_bytes = 0
        self._operations: Mapping[str, Callable[[Tokens, Mapping[str, Any]], None]] = {
            "add": self._add,
            "remove": self._remove,
            "replace": self._replace,
            "move": self._move,
            "copy": self._copy,
            "test": self._test,
        }

    def carry_out(self, operation: Any) -> None:
        """Apply one operation; raise `_FailedError` where it does not apply."""
        if not isinstance(operation, Mapping):
            raise _FailedError("an operation is an object")
        name = operation.get("op")
        how = self._operations.get(name) if isinstance(name, str) else None
        if how is None:
            raise _FailedError(f"Unexpected kind: {_short(name)}")
        path = _text(operation, "path")
        try:
            how(_tokens(path), operation)
        except LookupError as error:
            raise _FailedError(f"{name} operation does not apply: doc is missing {error.args[0]}") from error

    def _add(self, path: Tokens, operation: Mapping[str, Any]) -> None:
        self._give(path, _value(operation), _insert)

    def _remove(self, path: Tokens, _operation: Mapping[str, Any]) -> None:
        if not path:
            raise _FailedError("remove operation does not apply: the whole document cannot be removed")
        self._change(path, _take)

    def _replace(self, path: Tokens, operation: Mapping[str, Any]) -> None:
        self._found(path)
        self._give(path, _value(operation), _put)

    def _move(self, path: Tokens, operation: Mapping[str, Any]) -> None:
        source = _tokens(_text(operation, "from"))
        moved = self._found(source)
        if list(path[: len(source)]) == list(source) and len(path) > len(source):
            raise _FailedError("move operation does not apply: a value cannot be moved into itself")
        if list(path) != list(source):
            self._look_through(moved)
            self._remove(source, operation)
            self._give(path, moved, _insert)

    def _copy(self, path: Tokens, operation: Mapping[str, Any]) -> None:
        copied = self._found(_tokens(_text(operation, "from")))
        self._copied_bytes += len(msgspec.json.encode(copied))
        if self._copied_bytes > COPIED_BYTES_MAX:
            raise TooLargeError(
                f"Unable to complete the copy, the accumulated size increase of copy is {self._copied_bytes}, "
                f"exceeding the limit {COPIED_BYTES_MAX}"
            )
        self._give(path, copied, _insert)

    def _test(self, path: Tokens, operation: Mapping[str, Any]) -> None:
        try:
            found = self._found(path)
        except LookupError:
            found = None  # what is missing is null, as in Kubernetes
        if not _same(found, operation.get("value")):
            raise _FailedError(f"testing value {_short(_text(operation, 'path'))} failed: test failed")

    def _found(self, path: Tokens) -> Any:
        value = self.document
        for token in path:
            value = _child(value, token)
        return value

    def _give(self, path: Tokens, value: Any, how: Callable[[Any], Change]) -> None:
        """Let `value` be at the end of the path."""
        if nesting.is_deeper(value, nesting.DEPTH_MAX - len(path)):
            raise CallerError(f"the patch makes a document that is nested over {nesting.DEPTH_MAX} deep")
        if path:
            self._change(path, how(value))
        else:
            self.document = value

    def _change(self, path: Tokens, change: Change) -> None:
        """Make all anew that is passed on the way to the end of the path, and change what is there."""
        value, trail = self.document, []
        for token in path[:-1]:
            trail.append((value, token))
            value = _child(value, token)
        self._pass(value)
        value = change(value, path[-1])
        for parent, token in reversed(trail):
            self._pass(parent)
            value = _put(value)(parent, token)
        self.document = value

    def _look_through(self, value: Any) -> None:
        """Pay for a look at all of a value of the document: the same one may be moved many times."""
        pending = [value]
        while pending:
            each = pending.pop()
            if isinstance(each, dict | list):
                self._pass(each, ITEMS_PER_LOOK)
                pending += each.values() if isinstance(each, dict) else each

    def _pass(self, value: Any, times: int = 1) -> None:
        self._items += times * (len(value) if isinstance(value, dict | list) else 1)
        if self._items > ITEMS_MAX:
            raise TooLargeError(f"the patch passes more than {ITEMS_MAX} items on its way; make it of fewer operations")


def _insert(new: Any) -> Change:
    def change(parent: Any, token: str) -> Any:
        if isinstance(parent, list):
            place = len(parent) if token == END else _index(token, len(parent) + 1)
            return [*parent[:place], new, *parent[place:]]
        return _put(new)(parent, token)

    return change


def _put(new: Any) -> Change:
    def change(parent: Any, token: str) -> Any:
        if isinstance(parent, dict):
            return {**parent, token: new}
        if isinstance(parent, list):
            place = _index(token, len(parent))
            return [*parent[:place], new, *parent[place + 1 :]]
        raise LookupError(f"path: {_short(token)}: missing value")

    return change


def _take(parent: Any, token: str) -> Any:
    _child(parent, token)
    if isinstance(parent, dict):
        return {name: each for name, each in parent.items() if name != token}
    place = _index(token, len(parent))
    return [*parent[:place], *parent[place + 1 :]]


def _child(value: Any, token: str) -> Any:
    if isinstance(value, list):
        return value[_index(token, len(value))]
    if isinstance(value, dict) and token in value:
        return value[token]
    raise LookupError(f"key: {_short(token)}: missing value")


def _index(token: str, length: int) -> int:
    if not _INDEX.fullmatch(token):
        raise LookupError(f"path: {_short(token)} is no index of a list: missing value")
    place = int(token)
    if not -length <= place < length:
        raise LookupError(f"path: unable to access invalid index: {place}: missing value")
    return place % length


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same to JSON, which unlike Python tells true from 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _tokens(path: str) -> Tokens:
    if not path:
        return ()
    if not path.startswith("/"):
        raise _FailedError(f"the path {_short(path)} does not begin with a slash")
    return [token.replace("~1", "/").replace("~0", "~") for token in path[1:].split("/")]


def _text(operation: Mapping[str, Any], name: str) -> str:
    text = operation.get(name)
    if not isinstance(text, str):
        raise _FailedError(f"an operation has no {name}")
    return text


def _value(operation: Mapping[str, Any]) -> Any:
    if "value" not in operation:
        raise _FailedError(f"{operation['op']} operation has no value")
    return operation["value"]


def _short(value: Any) -> str:
    """Return what a message shows of a value that a user sent."""
    text = str(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."
