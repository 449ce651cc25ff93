"""How a command ends: the exit codes, and the one line on stderr. docs/cli.md tells them to users."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from typer.exceptions import Abort, Exit, TyperException

from swarmlet import errors
from swarmlet.cli import terminal

FAILED = 1
USAGE = 2
NOT_FOUND = 3
CONFLICT = 4
UNAVAILABLE = 5
TIMED_OUT = 6
INTERRUPTED = 130
NOBODY_READS = 141

CODES: Mapping[type[Exception], int] = {
    errors.NotFoundError: NOT_FOUND,
    errors.ConflictError: CONFLICT,
    errors.AlreadyExistsError: CONFLICT,
    errors.UnavailableError: UNAVAILABLE,
    errors.BusyError: UNAVAILABLE,
    errors.OutcomeUnknownError: TIMED_OUT,
}
TRACEBACK_VARIABLE = "SWARMLET_TRACEBACK"


class TimedOutError(errors.PeerError):
    """What a command waited for did not come about in the time given."""

    reason = "Timeout"


class UsageError(errors.CallerError):
    """The command line cannot mean anything."""


def code_of(error: Exception) -> int:
    """Return the exit code for an error."""
    if isinstance(error, TimedOutError):
        return TIMED_OUT
    if isinstance(error, UsageError):
        return USAGE
    return next((code for kind, code in CODES.items() if isinstance(error, kind)), FAILED)


def say(text: str) -> None:
    """Print a line on stderr; what others have put into it does not steer the terminal."""
    print(terminal.plain(text), file=sys.stderr)


def tell_missing(missing: Sequence[errors.NotFoundError]) -> None:
    """Name every object that is not there; the last one ends the command."""
    for error in missing[:-1]:
        say(f"error: {error}")
    if missing:
        raise missing[-1]


def guarded(command: Callable[[], object]) -> int:
    """Run a command and return its exit code; whatever goes wrong becomes one line on stderr, never a traceback."""
    if os.environ.get(TRACEBACK_VARIABLE):
        return _code(command())
    try:
        code = _code(command())
        sys.stdout.flush()
    except (Exit, SystemExit) as exit_:
        code = _given(exit_)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Abort:  # what typer makes of an end of stdin
        say("error: stdin ended before it had the answer; nothing was changed")
        code = FAILED
    except BrokenPipeError:
        _stop_printing()
        code = NOBODY_READS
    except TyperException as error:
        code = _usage(error)
    except Exception as error:  # noqa: BLE001  the top of the command line: its user gets a line, not a traceback
        code = _failed(first(error))
    return code


def _given(exit_: Exit | SystemExit) -> int:
    if isinstance(exit_.__context__, BrokenPipeError):  # typer caught it, and made it an exit
        return NOBODY_READS
    code = exit_.exit_code if isinstance(exit_, Exit) else exit_.code
    return code if isinstance(code, int) else FAILED


def first(error: Exception) -> Exception:
    """Return the first error inside a group of them: what a TaskGroup raises."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _failed(error: Exception) -> int:
    if isinstance(error, errors.SwarmletError):
        say(f"error: {error}")
        for field, message in getattr(error, "causes", ())[1:]:
            say(f"  {field}: {message}")
        return code_of(error)
    what = f"{type(error).__name__}: {' '.join(str(error).split())}"
    say(f"error: {what}; this is a bug: run it again with {TRACEBACK_VARIABLE}=1 and report what it prints")
    return FAILED


def _usage(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    hint = f"; see `{context.command_path} --help`" if context else ""
    message = " ".join(error.format_message().split()).replace(" Value error,", "").rstrip(".")
    commands = getattr(getattr(context, "command", None), "commands", None)
    if commands and message.startswith(("No such command", "Missing command")):
        message += f"; allowed: {', '.join(name for name, each in commands.items() if not each.hidden)}"
    if message:  # without one, the help of a group was printed
        say(f"error: {message}{hint}")
    return error.exit_code


def _code(result: object) -> int:
    return result if isinstance(result, int) else 0


def _stop_printing() -> None:
    """Point stdout at nothing, or the interpreter complains about the closed pipe when it ends."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)
