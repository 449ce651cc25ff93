from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.errors import InvalidError
from swarmlet.model import quantity

WRITTEN = [
    ("1.5Gi", "1536Mi"),
    ("0.5", "500m"),
    ("1500m", "1500m"),
    ("1000m", "1"),
    ("1024", "1024"),
    ("1024Ki", "1Mi"),
    ("1000k", "1M"),
    ("1e3", "1e3"),
    ("12e6", "12e6"),
    ("0.1Gi", "107374182400m"),
    ("0Mi", "0"),
    ("512Mi", "512Mi"),
    ("0.5Ki", "512"),
    (".5", "500m"),
    ("5.", "5"),
    ("+3", "3"),
    ("-1.5", "-1500m"),
    ("0.0000000001", "1n"),
    ("99999999999999999999", "9223372036854775807"),
]


@pytest.mark.parametrize(("text", "canonical"), WRITTEN)
def test_canonical_text_is_what_kubernetes_writes(text, canonical):
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize(
    "text", ["", "x", "1x", "1 Mi", "Mi", ".", "1e", "1e999", "1.2.3", "--1", "1" * 100, "\u0661", "1\n"]
)
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(InvalidError, match="quantity"):
        quantity.parse(text)


def test_whole_numbers_are_rounded_up():
    assert quantity.to_int("1500m") == 2
    assert quantity.to_milli("100u") == 1
    assert quantity.to_int("128Mi") == 128 * 1024**2


def test_integers_are_written_with_the_suffix_people_expect():
    assert quantity.from_bytes(128 * 1024**2) == "128Mi"
    assert quantity.from_bytes(1000) == "1k"
    assert quantity.from_milli(1500) == "1500m"
    assert quantity.from_milli(2000) == "2"


suffixes = st.sampled_from(["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-2", "E2"])
numbers = st.from_regex(r"\A[+-]?[0-9]{1,9}(\.[0-9]{0,3})?\Z")


@given(numbers, suffixes)
def test_canonical_text_means_the_same_and_is_stable(number, suffix):
    value = quantity.parse(number + suffix)
    assert quantity.parse(str(value)).nano == value.nano
    assert quantity.canonical(str(value)) == str(value)


@given(numbers, st.sampled_from([("", 1), ("k", 1000), ("Ki", 1024), ("m", Fraction(1, 1000))]))
def test_a_quantity_is_its_number_times_its_suffix(number, suffix):
    name, factor = suffix
    assert quantity.parse(number + name).nano == Fraction(number.rstrip(".")) * factor * 10**9
