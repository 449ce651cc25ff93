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
