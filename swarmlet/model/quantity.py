"""Quantities such as "100m", "1.5" or "128Mi": parsing, arithmetic's integers, canonical text.

Source: k8s.io/apimachinery/pkg/api/resource/quantity.go. Precision ends at a billionth, rounded away from zero.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from swarmlet.errors import InvalidError

TEXT_MAX = 64
EXPONENT_MAX = 64
NANO_MAX = (2**63 - 1) * 10**9
"""Larger values become this one, as in Kubernetes."""

_NUMBER = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?([A-Za-z].*)?", re.ASCII)
_EXPONENT = re.compile(r"[eE]([+-]?\d+)", re.ASCII)
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARY.items()} | {0: ""}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount in billionths, and the family of its suffix: "binary", "decimal" or "exponent"."""

    nano: int
    family: str = "decimal"

    def __str__(self) -> str:
        """Return the canonical text: no fraction, and the largest suffix that allows it."""
        if self.family == "binary" and abs(self.nano) >= 1024 * 10**9 and self.nano % 10**9 == 0:
            return _shortest(self.nano // 10**9, 1024, _BINARY_SUFFIX, 0, 1)
        if self.family == "exponent":
            number, exponent = _reduced(self.nano)
            return f"{number}e{exponent}" if exponent else str(number)
        return _shortest(self.nano, 1000, _DECIMAL_SUFFIX, -9, 3)


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Quantity:
    """Return the quantity that `text` writes; raise `InvalidError` with Kubernetes' words where it writes none."""
    match = _NUMBER.fullmatch(text) if len(text) <= TEXT_MAX else None
    if not match or not (match[2] or match[3]):
        raise InvalidError(
            f"quantity {text[:TEXT_MAX]!r}: quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    fraction = match[3] or ""
    digits = int((match[2] or "") + fraction)
    power_of_ten, power_of_two, family = _suffix(match[4] or "", text)
    nano = _scaled(digits, power_of_ten + 9 - len(fraction), power_of_two)
    nano = min(nano, NANO_MAX)
    return Quantity(-nano if match[1] == "-" else nano, family)


def canonical(text: str) -> str:
    """Return the canonical text of a quantity: "1.5Gi" is "1536Mi", "0.1" is "100m"."""
    return str(parse(text))


def to_int(text: str) -> int:
    """Return bytes, or any other whole number, rounded up."""
    return -(-parse(text).nano // 10**9)


def to_milli(text: str) -> int:
    """Return thousandths (millicores of a CPU), rounded up."""
    return -(-parse(text).nano // 10**6)


def from_bytes(count: int) -> str:
    """Return the canonical text of a number of bytes, with a binary suffix where that is whole."""
    return str(Quantity(count * 10**9, "binary"))


def from_milli(count: int) -> str:
    """Return the canonical text of thousandths: 1500 is "1500m", 2000 is "2"."""
    return str(Quantity(count * 10**6))


def _suffix(suffix: str, text: str) -> tuple[int, int, str]:
    """Return the powers of ten and of two that a suffix means, and its family."""
    if suffix in _DECIMAL:
        return _DECIMAL[suffix], 0, "decimal"
    if suffix in _BINARY:
        return 0, 10 * _BINARY[suffix], "binary"
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent is None or abs(int(exponent[1])) > EXPONENT_MAX:
        raise InvalidError(f"quantity {text!r}: unable to parse quantity's suffix")
    return int(exponent[1]), 0, "exponent"


def _scaled(digits: int, power_of_ten: int, power_of_two: int) -> int:
    """Return digits * 10^p * 2^q, rounded up to a whole number."""
    shifted = digits << power_of_two
    if power_of_ten >= 0:
        return shifted * int(10**power_of_ten)
    return -(-shifted // int(10**-power_of_ten))


def _shortest(number: int, base: int, suffixes: dict[int, str], power: int, step: int) -> str:
    while number and number % base == 0 and power + step in suffixes:
        number //= base
        power += step
    return f"{number}{suffixes[power] if number else ''}"


def _reduced(nano: int) -> tuple[int, int]:
    """Return a number and a power of ten that is a multiple of three, as large as it can be."""
    exponent = -9
    while nano and nano % 1000 == 0:
        nano //= 1000
        exponent += 3
    return nano, exponent if nano else 0
