"""Strangers' regular expressions: what Go's would say, in time that does not explode."""

import pytest

from swarmlet.model import patterns
from swarmlet.model.patterns import PatternError


@pytest.mark.parametrize(
    ("expression", "text", "expected"),
    [
        ("^[a-z]+(-[a-z]+)*$", "one-two", True),
        ("^[a-z]+(-[a-z]+)*$", "one-", False),
        (r"^\d{1,3}(ms|s)?$", "12ms", True),
        ("^a{2,3}$", "aaaa", False),
        ("^a{2,}$", "aaaa", True),
        ("foo|bar", "a bar", True),
        ("^[^/]+/[A-Z]$", "a/B", True),
        (r"\bfoo\b", "a foo b", True),
        (r"\bfoo\b", "afoo", False),
        ("^[[:alpha:]]+$", "ab", True),
        ("(?i)^ABC$", "abc", True),
        ("^a$", "a\n", False),
        (r"^a\z", "a", True),
        ("^(a|)$", "", True),
        ("^.$", "\n", False),
    ],
)
def test_it_says_what_go_says(expression: str, text: str, expected: bool) -> None:
    assert patterns.parse(expression).is_in(text) is expected


def test_no_expression_explodes() -> None:
    assert not patterns.parse("^(a*)*(a|aa)+$").is_in("a" * 2_000 + "b")


@pytest.mark.parametrize("expression", ["(", r"(a)\1", "(?=a)", r"\pL", "(?m)^a$", "a" * 5_000, "((a{100}){100}){100}"])
def test_what_is_not_matched_is_refused(expression: str) -> None:
    with pytest.raises(PatternError):
        patterns.parse(expression)


def test_a_text_over_the_bound_is_refused() -> None:
    with pytest.raises(PatternError, match="too long"):
        patterns.parse("^a{1000}$").is_in("a" * 100_000)


@pytest.mark.parametrize("expression", ["(){4000000000}", "(((){1000}){1000}){1000}", "(?:(?:){60000}){60000}"])
def test_nothing_is_not_repeated_for_ever(expression: str) -> None:
    with pytest.raises(PatternError, match="too large"):
        patterns.parse(expression)


def test_what_texts_have_shown_of_an_expression_is_kept_within_bounds() -> None:
    pattern = patterns.parse("^(a|b.)*[^x]y{0,3}$")
    outcomes = [pattern.is_in("a" * length + chr(0x100 + length)) for length in range(600)]
    assert all(outcomes)
    assert len(pattern.within) * len(pattern.states) <= patterns.STATES_KEPT_MAX
    assert not pattern.is_in("ax")
    assert pattern.is_in("aby")


def test_of_a_long_text_a_step_is_worked_out_once() -> None:
    pattern = patterns.parse("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    assert pattern.is_in("a" * 100_000)
    assert len(pattern.within) < 5
