"""Numbers as Compose writes them: byte sizes, durations, permission bits; and how they are written back.

Source: compose-spec/11-extension.md, "Specifying byte values" and "Specifying durations"; docker/go-units.
"""

from __future__ import annotations

import re
from datetime import timedelta

_SIZE = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)i?b?", re.IGNORECASE)
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(us|µs|ms|s|m|h|d|w)")
_MICROSECONDS = {
    "us": 1,
    "µs": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_OCTAL = re.compile(r"(?:0o?)?([0-7]{1,4})")
_DECIMAL = re.compile(r"[1-9][0-9]{2}")
DURATION_DAYS_MAX = 36_500
SIZE_BYTES_MAX = 1 << 63


def size(text: str) -> int:
    """Return the bytes that "512m", "1.5gb" or "1024" is; "-1" is -1. Raises `ValueError` with words for a user."""
    written = _SIZE.fullmatch(text.strip())
    if written is None:
        raise ValueError('is no size; write "512m", "2gb", or a number of bytes')
    bytes_ = float(written[1]) * _SIZES[written[2].lower()]
    if abs(bytes_) >= SIZE_BYTES_MAX:
        raise ValueError("is over 8 EiB, which nothing has")
    return int(bytes_) if "." in written[1] else int(written[1]) * _SIZES[written[2].lower()]


def duration(text: str) -> timedelta:
    """Return the time that "1m30s" is. Raises `ValueError` with words for a user."""
    if text == "0":
        return timedelta(0)
    total = 0.0
    position = 0
    while part := _DURATION_PART.match(text, position):
        total += float(part[1]) * _MICROSECONDS[part[2]]
        position = part.end()
    if position < len(text) or not text:
        raise ValueError('is no duration; write "30s", "1m30s" or "500ms"')
    if total > timedelta(days=DURATION_DAYS_MAX) / timedelta(microseconds=1):
        raise ValueError(f"is over {DURATION_DAYS_MAX} days")
    return timedelta(microseconds=round(total))


def mode(text: str) -> int:
    """Return permission bits, written in octal whatever stands before them. Raises `ValueError`."""
    written = _OCTAL.fullmatch(text)
    if written is None and _DECIMAL.fullmatch(text):  # "288": what Docker's `config` once printed for 0440
        return int(text)
    if written is None:
        raise ValueError('is no file mode; write it in octal, "0440"')
    return int(written[1], 8)


def microseconds(text: str) -> int:
    """Return a number of microseconds, written as one or as a duration. Raises `ValueError`."""
    return int(text) if re.fullmatch(r"-?[0-9]+", text) else duration(text) // timedelta(microseconds=1)


def duration_text(value: timedelta) -> str:
    """Return "1m30s"."""
    left = value // timedelta(microseconds=1)
    parts: list[str] = []
    for unit in ("h", "m", "s", "ms", "us"):
        count, left = divmod(left, _MICROSECONDS[unit])
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"
