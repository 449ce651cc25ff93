"""A command line that is being typed: what stands before the cursor, and what is expected there. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

END_OF_OPTIONS = "--"


@dataclass(slots=True)
class Line:
    """What was typed.

    `path` are the words that name the command, `command` is that or the group of it, None before there is one;
    `expecting` is the option whose value the cursor stands in, "" for none; `current` is what of the word is there.
    """

    path: list[str] = field(default_factory=list)
    command: Any = None
    options: dict[str, str] = field(default_factory=dict)
    positionals: list[str] = field(default_factory=list)
    expecting: str = ""
    current: str = ""
    prefix: str = ""
    is_after_end: bool = False

    def option(self, *names: str) -> str:
        """Return the value of an option by any of its names; "" where it is not given."""
        return next((self.options[name] for name in names if name in self.options), "")


def words_of(text: str) -> list[str]:
    """Return the words of a line up to the cursor, the last of them as far as it is there ("" after a space)."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    found: list[str] = []
    try:
        found.extend(lexer)
    except ValueError:  # a quote that is not closed yet
        found.append(lexer.token)
        return found
    return found if text and not text[-1].isspace() else [*found, ""]


def parsed(words: list[str], root: Any, options: Mapping[str, Any]) -> Line:
    """Read the words after the program's name.

    `root` is the program as click's group; `options` are those that may stand before the command too.
    """
    line = Line(command=root, current=words[-1] if words else "")
    for word in words[:-1]:
        known = {**options, **_options(line.command)}
        if line.expecting:
            line.options[line.expecting], line.expecting = word, ""
        elif line.is_after_end or not word.startswith("-") or word == "-":
            _take(line, word)
        elif word == END_OF_OPTIONS:
            line.is_after_end = True
        else:
            name, has_value, value = word.partition("=")
            if has_value:
                line.options[name] = value
            elif name in known and not getattr(known[name], "is_flag", False):
                line.expecting = name
            else:
                line.options[name] = ""
    name, has_value, value = line.current.partition("=")
    if not line.expecting and has_value and name.startswith("-") and not line.is_after_end:
        line.expecting, line.current, line.prefix = name, value, f"{name}="
    return line


def _take(line: Line, word: str) -> None:
    commands = getattr(line.command, "commands", None)
    if commands is not None and not line.positionals and word in commands:
        line.path.append(word)
        line.command = commands[word]
    else:
        line.positionals.append(word)


def _options(command: Any) -> dict[str, Any]:
    return {name: each for each in getattr(command, "params", ()) for name in each.opts if name.startswith("-")}
