"""Files of variables: .env, `--env-file`, a service's `env_file`, and `label_file`.

The grammar is Compose's own, which no library of Python's has: `VAR=VAL`, `export VAR=VAL`, `VAR: VAL`; double quotes
with escapes and variables, single quotes taken literally, both over several lines; ` #` begins a comment; a name alone
takes its value from the environment. Source: compose-spec/05-services.md, "Env_file format".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from swarmlet.errors import TooLargeError
from swarmlet.manifests.compose import interpolation
from swarmlet.manifests.compose.interpolation import InterpolationError, Variables
from swarmlet.manifests.reading import ManifestError

FILE_BYTES_MAX = 1024 * 1024
RAW = "raw"

_BLANK = re.compile(r"(?:[ \t\r\f\v]*(?:#[^\n]*)?(?:\n|\Z))")
_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z0-9_.\-\[\]]+)[ \t]*(?:([=:])[ \t]*|(?=[\r\n]|\Z))")
_COMMENT = re.compile(r"[ \t]#.*")
_QUOTED = {'"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL), "'": re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)}
_AFTER_QUOTE = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "$": "$$",
}


def parse(source: str, text: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a file; those in its values come from the environment, or from above in the file.

    Raises:
        ManifestError: a line that is none of the forms, with its number.
        TooLargeError: over a named limit.
    """
    if len(text) > FILE_BYTES_MAX:
        raise TooLargeError(f"{source}: over {FILE_BYTES_MAX} bytes")
    found: dict[str, str] = {}
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    position = 0
    while position < len(text):
        if blank := _BLANK.match(text, position):
            position = max(blank.end(), position + 1)
            continue
        position = _statement(source, text, position, found, environment)
    return found


def parse_raw(source: str, text: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a file of format "raw": what follows the first "=" is the value, whatever it is."""
    if len(text) > FILE_BYTES_MAX:
        raise TooLargeError(f"{source}: over {FILE_BYTES_MAX} bytes")
    found: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, is_assigned, value = line.lstrip().partition("=")
        if not name or re.search(r"\s", name):
            raise ManifestError(f"{source}:{number}: a name is expected before =, without spaces")
        if is_assigned:
            found[name] = value
        elif name in environment:
            found[name] = environment[name]
    return found


def _statement(source: str, text: str, position: int, found: dict[str, str], environment: Mapping[str, str]) -> int:
    """Add the variable that stands at a position, and return where its line ends."""
    name = _NAME.match(text, position)
    if name is None:
        written = text[position : position + 200].split("\n", 1)[0].strip()
        raise ManifestError(f"{_place(source, text, position)}: not a variable: {written[:40]!r}; it is NAME=VALUE")
    if name.group(2) is None:
        if name.group(1) in environment:
            found[name.group(1)] = environment[name.group(1)]
        return name.end()
    try:
        value, end = _assigned(text, name.end(), Variables(environment, found))
    except InterpolationError as error:
        raise ManifestError(f"{_place(source, text, position)}: {name.group(1)}: {error}") from None
    found[name.group(1)] = value
    return end


def _assigned(text: str, start: int, variables: Variables) -> tuple[str, int]:
    quote = text[start : start + 1]
    if quote not in _QUOTED or not quote:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        spaced = start - 1 if text[start - 1] in " \t" else start  # "A= # none", but "A=#fff"
        written = _COMMENT.sub("", text[spaced:end], count=1).strip()
        return interpolation.interpolated(written, variables), end
    quoted = _QUOTED[quote].match(text, start)
    if quoted is None:
        raise InterpolationError(f"the quote {quote} is not closed")
    after = _AFTER_QUOTE.match(text, quoted.end())
    if after is None:
        raise InterpolationError("something stands after the closing quote")
    inside = quoted.group(1)
    if quote == "'":
        return inside.replace("\\'", "'"), after.end()
    return interpolation.interpolated(_ESCAPE.sub(_unescaped, inside), variables), after.end()


def _unescaped(escape: re.Match[str]) -> str:
    return _ESCAPED.get(escape.group(1), escape.group())


def _place(source: str, text: str, position: int) -> str:
    return f"{source}:{text.count(chr(10), 0, position) + 1}"
