"""How a command line is read, where that is not typer's way.

A command's switches may be spelled as kubectl's are: --wait, --wait=true, --wait=false; and its short options: -o name,
-oname, -o=name. What says where to, such as `-n shop`, may stand before the command too.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import Any

from typer.core import TyperCommand
from typer.exceptions import TyperException

from swarmlet.cli import exits, instead

END_OF_OPTIONS = "--"


class MissingValueError(TyperException):
    """An option whose value was forgotten, so that the next option would be taken for it."""

    exit_code = exits.USAGE

    def __init__(self, message: str, ctx: Any) -> None:
        super().__init__(message)
        self.ctx = ctx


class UnknownFlagError(TyperException):
    """An option that the command does not have; the message says what to use."""

    exit_code = exits.USAGE

    def __init__(self, message: str, ctx: Any) -> None:
        super().__init__(message)
        self.ctx = ctx


class Command(TyperCommand):
    """Understands "=true" and "=false" after a switch, "=" after a short option, no option as the value of another."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        args = self._respelled(args)
        self._check_values(ctx, args)
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            if not hasattr(error, "possibilities"):  # which only an unknown option has
                raise
            known = [name for each in self.params for name in each.opts if name.startswith("--")]
            raise UnknownFlagError(instead.of_flag(str(getattr(error, "option_name", "")), known), ctx) from None

    def _check_values(self, ctx: Any, args: list[str]) -> None:
        options = {name: each for each in self.params for name in each.opts if name.startswith("-")}
        for arg, following in itertools.pairwise(args):
            if arg == END_OF_OPTIONS:
                return
            if arg in options and not _is_switch(options[arg]) and following in options:
                told = getattr(options[arg], "help", None)
                raise MissingValueError(f"{arg} needs a value{f': {told}' if told else ''}", ctx)

    def _respelled(self, args: list[str]) -> list[str]:
        switches = {name: parameter for parameter in self.params for name in parameter.opts if _is_switch(parameter)}
        valued = {name for parameter in self.params for name in parameter.opts if name not in switches}
        result: list[str] = []
        for position, arg in enumerate(args):
            if arg == END_OF_OPTIONS:
                return result + args[position:]
            name, _, value = arg.partition("=")
            if name in switches and value in ("true", "false"):
                result += [name] if value == "true" else switches[name].secondary_opts[:1]
            elif "=" in arg and _is_short(name, switches, valued):
                result += [name, value]
            else:
                result.append(arg)
        return result


def _is_short(word: str, switches: Collection[str], valued: Collection[str]) -> bool:
    """Return whether a word is a short option that has a value, with or without switches before it: -n, -An."""
    before, last = word[1:-1], f"-{word[-1:]}"
    return word.startswith("-") and last in valued and all(f"-{each}" in switches for each in before)


def command_first(arguments: Sequence[str], options: Collection[str]) -> list[str]:
    """Return a command line with those of its options that stand before the command after it.

    `options` are the names of options that have a value: "-n" as in `-n shop get pods`, `-nshop get pods`, or
    `--namespace=shop get pods`.
    """
    start = 0
    while start < len(arguments) and (words := _words(arguments[start], options)):
        start += words
    before, rest = list(arguments[:start]), list(arguments[start:])
    end = rest.index(END_OF_OPTIONS) if END_OF_OPTIONS in rest else len(rest)
    return [*rest[:end], *before, *rest[end:]]


def _words(word: str, options: Collection[str]) -> int:
    """Return how many words an option is with its value, beginning with this one; 0 where it is none of the options."""
    if word in options:
        return 2
    attached = word.partition("=")[0] in options or (not word.startswith("--") and word[:2] in options)
    return 1 if attached else 0


def _is_switch(parameter: Any) -> bool:
    return bool(getattr(parameter, "is_flag", False))
