"""Regular expressions of strangers, matched in time that grows with the text and never explodes, as Go's do.

    patterns.parse("^[a-z]+(-[a-z]+)*$").is_in("one-two")     # True

Python's own matcher tries all ways one after another, and a schema's author could make it try for years. This one
follows all ways at once. What needs the other kind (back-references, looking ahead) Go does not know either.
Source: R. Cox, "Regular Expression Matching Can Be Simple And Fast"; github.com/google/re2/wiki/Syntax.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from re import _parser  # type: ignore[attr-defined]  # the tree of an expression; `sre_parse` is its deprecated name
from typing import Any

LENGTH_MAX = 4_096
STATES_MAX = 8_192
"""Of one expression, counted repetitions written out."""
STEPS_MAX = 4_000_000
"""About a second: states times letters. A longer text is not matched."""
STATES_KEPT_MAX = 16_384
"""Of one expression: of how many states it is, for each pair of states and letter whose outcome is kept."""
KNOWN_MAX = 512
"""Expressions that are kept as they were read."""

_FLAGS = re.IGNORECASE | re.DOTALL
_POSIX = {
    "[:alnum:]": "a-zA-Z0-9",
    "[:alpha:]": "a-zA-Z",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:space:]": r"\s",
    "[:upper:]": "A-Z",
    "[:word:]": r"\w",
    "[:xdigit:]": "0-9a-fA-F",
}
_WORD = frozenset(string.ascii_letters + string.digits + "_")
_CATEGORIES = {
    "DIGIT": frozenset(string.digits),
    "SPACE": frozenset("\t\n\f\r "),
    "WORD": _WORD,
}

Takes = Callable[[str], bool]
Stands = Callable[[str, int], bool]
Links = list[int]
States = frozenset[int]


class PatternError(ValueError):
    """The text is no expression that this matches; says why."""


@dataclass(slots=True)
class _State:
    """One place: a letter that `takes` accepts leads on to `next`; without `takes` all of `next` are reached at once.

    `stands`: only where this holds of the text and the position in it.
    """

    next: Links = field(default_factory=list)
    takes: Takes | None = None
    stands: Stands | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression that was read. The last state is the end.

    `within`: which states a letter leads to from which, as texts have shown: worked out once, and not at each letter.
    Only between a text's ends, and only where no state looks at what stands around it.
    """

    states: tuple[_State, ...]
    looks_around: bool = False
    within: dict[tuple[States, str], States] = field(default_factory=dict, compare=False)

    def is_in(self, text: str) -> bool:
        """Whether some part of `text` matches; raise `PatternError` where finding out would take too long."""
        if len(text) * len(self.states) > STEPS_MAX:
            raise PatternError("the text is too long for this expression")
        end = len(self.states) - 1
        current = self._reached((0,), text, 0)
        for position, letter in enumerate(text, 1):
            if end in current:
                return True
            if position == len(text) or self.looks_around:
                current = self._next(current, letter, text, position)
                continue
            found = self.within.get((current, letter))
            if found is None:
                found = self._kept(current, letter, self._next(current, letter, text, position))
            current = found
        return end in current

    def _kept(self, current: States, letter: str, found: States) -> States:
        if len(self.within) * len(self.states) >= STATES_KEPT_MAX:
            self.within.clear()
        self.within[current, letter] = found
        return found

    def _next(self, current: States, letter: str, text: str, position: int) -> States:
        return self._reached({*self._after(current, letter), 0}, text, position)

    def _reached(self, begun: Iterable[int], text: str, position: int) -> States:
        reached: set[int] = set()
        pending = list(begun)
        while pending:
            number = pending.pop()
            state = self.states[number]
            if number not in reached and (state.stands is None or state.stands(text, position)):
                reached.add(number)
                if state.takes is None:
                    pending += state.next
        return frozenset(reached)

    def _after(self, current: Iterable[int], letter: str) -> set[int]:
        states = (self.states[number] for number in current)
        return {number for state in states if state.takes and state.takes(letter) for number in state.next}


@functools.lru_cache(maxsize=KNOWN_MAX)
def parse(text: str) -> Pattern:
    """Read an expression; raise `PatternError` where it is none, or too large."""
    if len(text) > LENGTH_MAX:
        raise PatternError(f"longer than {LENGTH_MAX} characters")
    for name, letters in _POSIX.items():
        text = text.replace(name, letters)
    try:
        tree = _parser.parse(text.replace(r"\z", r"\Z"), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(str(error)) from error
    flags = tree.state.flags & ~(re.ASCII | re.UNICODE)
    if flags & ~_FLAGS:
        raise PatternError("a flag other than i and s")
    builder = _Builder(flags)
    end = builder.sequence(tree, builder.state())
    builder.join(end, builder.state())
    return Pattern(tuple(builder.states), builder.looks_around)


class _Builder:
    """Makes states of the tree; each method appends what a part needs behind `start` and returns where it ends."""

    def __init__(self, flags: int) -> None:
        self.states: list[_State] = []
        self.looks_around = False
        self._repeated = 0
        self._flags = flags

    def state(self, takes: Takes | None = None, stands: Stands | None = None) -> int:
        """Append a state and return its number."""
        if len(self.states) >= STATES_MAX:
            raise PatternError(f"too large: over {STATES_MAX} states")
        self.states.append(_State(takes=takes, stands=stands))
        return len(self.states) - 1

    def join(self, start: int, end: int) -> int:
        """Lead from one state to another, and return that."""
        self.states[start].next.append(end)
        return end

    def sequence(self, parts: Iterable[tuple[Any, Any]], start: int) -> int:
        """Append parts one behind the other."""
        for operation, argument in parts:
            start = self._part(str(operation), argument, start)
        return start

    def _part(self, operation: str, argument: Any, start: int) -> int:
        if operation in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            takes = self.join(start, self.state(takes=self._takes(operation, argument)))
            return self.join(takes, self.state())
        if operation == "AT":
            self.looks_around |= "BOUNDARY" in str(argument)
            at = self.join(start, self.state(stands=_standing(str(argument))))
            return self.join(at, self.state())
        if operation == "BRANCH":
            ends = [self.sequence(branch, self.join(start, self.state())) for branch in argument[1]]
            end = self.state()
            for each in ends:
                self.join(each, end)
            return end
        if operation == "SUBPATTERN" and not (argument[1] or argument[2]):
            return self.sequence(argument[3], start)
        if operation in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, part = argument
            return self._repeat(least, most, part, start)
        raise PatternError(f"invalid or unsupported Perl syntax: {operation.lower()}")

    def _repeat(self, least: int, most: int, part: Iterable[tuple[Any, Any]], start: int) -> int:
        for _ in range(least):
            start = self._again(part, start)
        if most == _parser.MAXREPEAT:
            again = self.join(start, self.state())
            self.join(self.sequence(part, self.join(again, self.state())), again)
            return self.join(again, self.state())
        end = self.state()
        for _ in range(most - least):
            self.join(start, end)
            start = self._again(part, self.join(start, self.state()))
        return self.join(start, end)

    def _again(self, part: Iterable[tuple[Any, Any]], start: int) -> int:
        """Append a part once more: it may be empty, and need no state."""
        self._repeated += 1
        if self._repeated > STATES_MAX:
            raise PatternError(f"too large: over {STATES_MAX} repetitions")
        return self.sequence(part, start)

    def _takes(self, operation: str, argument: Any) -> Takes:
        if operation == "ANY":
            return (lambda _letter: True) if self._flags & re.DOTALL else (lambda letter: letter != "\n")
        if operation == "IN":
            negated = str(argument[0][0]) == "NEGATE"
            members = [_member(str(name), value) for name, value in argument[1 if negated else 0 :]]
            takes = self._folded(lambda letter: any(member(letter) for member in members))
            return (lambda letter: not takes(letter)) if negated else takes
        wanted = chr(argument)
        takes = self._folded(lambda letter: letter == wanted)
        return takes if operation == "LITERAL" else (lambda letter: not takes(letter))

    def _folded(self, takes: Takes) -> Takes:
        if not self._flags & re.IGNORECASE:
            return takes
        return lambda letter: takes(letter) or takes(letter.lower()) or takes(letter.upper())


def _member(name: str, value: Any) -> Takes:
    """Return what one member of a class of letters takes."""
    if name == "LITERAL":
        return lambda letter: ord(letter) == value
    if name == "RANGE":
        low, high = value
        return lambda letter: low <= ord(letter) <= high
    words = str(value).removeprefix("CATEGORY_")
    letters = _CATEGORIES[words.removeprefix("NOT_")]
    return (lambda letter: letter not in letters) if words.startswith("NOT_") else (lambda letter: letter in letters)


def _standing(name: str) -> Stands:
    if name in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
        return lambda _text, position: position == 0
    if name in ("AT_END", "AT_END_STRING"):
        return lambda text, position: position == len(text)
    wanted = name == "AT_BOUNDARY"

    def at_boundary(text: str, position: int) -> bool:
        before = position > 0 and text[position - 1] in _WORD
        behind = position < len(text) and text[position] in _WORD
        return (before != behind) == wanted

    return at_boundary
