"""An expression's text, cut into words, signs and literals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from swarmlet.model.cel.errors import CompileError
from swarmlet.model.cel.values import INT_MAX, UINT_MAX, Uint

LENGTH_MAX = 16_384
"""Characters of an expression."""
DIGITS_MAX = 128
"""Of a whole number; one of 64 bits has 20, or zeros before them."""

_SPACE = re.compile(r"(?:[ \t\n\f\r]+|//[^\n]*)*")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+[uU]?|[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+[uU]?")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIGN = re.compile(r"&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}]")
_QUOTED = re.compile(
    r"(?P<prefix>[rRbB]{0,2})(?:"
    r'"""(?P<a>(?:[^\\]|\\.)*?)"""|'
    r"'''(?P<b>(?:[^\\]|\\.)*?)'''|"
    r'"(?P<c>(?:[^"\\\n]|\\.)*)"|'
    r"'(?P<d>(?:[^'\\\n]|\\.)*)')",
    re.DOTALL,
)
_RAW = re.compile(
    r"(?P<prefix>[bB]?[rR][bB]?)(?:"
    r'"""(?P<a>.*?)"""|'
    r"'''(?P<b>.*?)'''|"
    r'"(?P<c>[^"\n]*)"|'
    r"'(?P<d>[^'\n]*)')",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"} | {
    letter: letter for letter in "\\?\"'`"
}
CODE_POINT_MAX = 0x10FFFF


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: "literal", "word", "sign" or "end"; `value`: a literal's own, else the text."""

    kind: str
    value: Any
    position: int


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of an expression, at last one of kind "end"; raise `CompileError` where there is none."""
    if len(text) > LENGTH_MAX:
        raise CompileError(f"expression code point size exceeds limit: size: {len(text)}, limit {LENGTH_MAX}")
    position = _after_space(text, 0)
    while position < len(text):
        token, end = _token(text, position)
        yield token
        position = _after_space(text, end)
    yield Token("end", "<EOF>", len(text))


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _token(text: str, position: int) -> tuple[Token, int]:
    if match := _RAW.match(text, position) or _QUOTED.match(text, position):
        return Token("literal", _quoted(match, text), position), match.end()
    if match := _NUMBER.match(text, position):
        return Token("literal", _number(match[0], text, position), position), match.end()
    if match := _WORD.match(text, position):
        return Token("word", match[0], position), match.end()
    if match := _SIGN.match(text, position):
        return Token("sign", match[0], position), match.end()
    raise CompileError(f"Syntax error: token recognition error at: {text[position]!r}", text, position)


def _number(word: str, text: str, position: int) -> int | float:
    if word[:2].lower() != "0x" and set(word) & set(".eE"):
        return float(word)
    if len(word) > DIGITS_MAX:
        raise CompileError("Syntax error: invalid int literal", text, position)
    base = 16 if word[:2].lower() == "0x" else 10
    if word[-1] in "uU":
        return Uint(_bounded(int(word[:-1], base), UINT_MAX, text, position))
    # -2^63 is a literal, and its digits are one more than the largest number: the parser judges those of 2^63.
    return _bounded(int(word, base), INT_MAX + 1, text, position)


def _bounded(number: int, most: int, text: str, position: int) -> int:
    if number > most:
        raise CompileError("Syntax error: invalid int literal", text, position)
    return number


def _quoted(match: re.Match[str], text: str) -> str | bytes:
    body = next(group for group in (match["a"], match["b"], match["c"], match["d"]) if group is not None)
    prefix = match["prefix"].lower()
    of_bytes = "b" in prefix
    if "r" not in prefix:
        body = _ESCAPE.sub(lambda escape: _unescaped(escape, of_bytes, text, match.start()), body)
    if not of_bytes:
        return body
    return b"".join(
        bytes([ord(letter) - _BYTE]) if _BYTE <= ord(letter) < _BYTE + 256 else letter.encode() for letter in body
    )


_BYTE = 0xDC00
"""Where bytes that an escape names stand until the text is encoded; no text has such letters."""


def _unescaped(escape: re.Match[str], of_bytes: bool, text: str, position: int) -> str:
    hexadecimal, short, long, octal, letter = escape.groups()
    if letter is not None:
        if letter not in _LETTERS:
            raise CompileError(f"Syntax error: invalid escape sequence: \\{letter}", text, position)
        return _LETTERS[letter]
    number = int(octal, 8) if octal else int(hexadecimal or short or long, 16)
    if of_bytes and (octal or hexadecimal):
        return chr(_BYTE + number)
    if number > CODE_POINT_MAX or 0xD800 <= number < 0xE000:
        raise CompileError("Syntax error: invalid unicode code point", text, position)
    return chr(number)
