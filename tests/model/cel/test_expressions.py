"""What expressions are worth, in a table: as cel-go and Kubernetes' libraries have it."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.model.cel import compiling
from swarmlet.model.cel.budget import PARTS_PER_STEP, Budget
from swarmlet.model.cel.errors import BudgetError, CompileError, EvaluationError
from swarmlet.model.cel.functions import tables

SELF: dict[str, Any] = {
    "count": 1,
    "items": [1, 2, 3],
    "name": "aab",
    "labels": {"tier": "web", "zone": "a"},
    "ports": [{"name": "http", "port": 80}, {"name": "https", "port": 443}],
    "__namespace__": "default",
    "nothing": None,
    "share": 0.5,
}


def value(text: str, steps: int = 10_000, **others: Any) -> Any:
    variables = {"self": SELF, **others}
    return compiling.compiled(text, frozenset(variables)).evaluate(variables, Budget(steps))


@pytest.mark.parametrize(
    "text",
    [
        # Operators, and what binds closer than what.
        "1 + 2 * 3 == 7 && -7 / 2 == -3 && -7 % 3 == -1 && 7u - 2u == 5u",
        "!false || 1 / 0 == 1",
        "1 / 0 == 1 || true",
        "false && 1 / 0 == 1 ? false : true",
        "[1, 2] + [3] == [1, 2, 3] && b'a' + b'b' == b'ab' && 'a' + 'b' == 'ab'",
        "1 == 1.0 && 1u == 1 && 1 < 1.5 && !(true == 1) && 'a' < 'b'",
        "9223372036854775807 > -9223372036854775808 && 0xff == 255 && 1e3 == 1000.0",
        r"""r'\d' == '\\d' && '''a'b''' == "a'b" && '\u00e9\x41\101' == 'éAA' && b'\xff'.size() == 1""",
        "type(1) == int && type('') == string && type([]) == list && type(null) == null_type && type(1u) != int",
        # Fields, maps, lists.
        "has(self.count) && !has(self.missing) && self.nothing == null && self.__namespace__ == 'default'",
        "'tier' in self.labels && self.labels['tier'] == 'web' && 2 in self.items && self.items[0] == 1",
        "{'a': 1, 'b': 2} == {'b': 2, 'a': 1} && {1: 'x'}[1] == 'x'",
        "size(self.items) == 3 && self.name.size() == 3 && size(self.labels) == 2",
        # Macros.
        "self.items.all(i, i > 0) && self.items.exists(i, i == 2) && self.items.exists_one(i, i > 2)",
        "self.items.map(i, i * 2) == [2, 4, 6] && self.items.map(i, i > 1, i) == self.items.filter(i, i > 1)",
        "self.ports.all(one, self.ports.exists_one(other, one.name == other.name))",
        "self.labels.all(key, self.labels[key] != '') && self.items.exists(i, i / (i - 2) == 3)",
        "self.items.all(index, item, item == index + 1) && self.labels.exists(k, v, k == 'zone' && v == 'a')",
        "self.labels.transformList(k, v, k + '=' + v) == ['tier=web', 'zone=a']",
        "self.items.transformMap(i, v, i > 0, v * v) == {1: 4, 2: 9}",
        "self.labels.transformMapEntry(k, v, {v: k}) == {'web': 'tier', 'a': 'zone'}",
        # Optionals.
        "self.?missing.orValue('x') == 'x' && self.?name.hasValue() && !self[?'missing'].hasValue()",
        "optional.of(1).optMap(v, v + 1).value() == 2 && optional.none().or(optional.of(2)).value() == 2",
        "self.?labels[?'tier'] == optional.of('web') && [?optional.none(), 1] == [1] && {?'a': optional.none()} == {}",
        "optional.ofNonZeroValue('') == optional.none()",
        # Strings.
        "self.name.startsWith('a') && self.name.endsWith('b') && self.name.contains('ab')",
        "self.name.matches('^a+b$') && matches(self.name, 'a') && !self.name.matches('^b')",
        "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'abc'.split('').size() == 3",
        "'a,b,c'.split(',', 2)[1] == 'b,c' && 'a'.split(',', 0) == []",
        "'Abc'.lowerAscii() == 'abc' && ' a '.trim() == 'a' && 'abc'.substring(1, 2) == 'b' && 'abc'.charAt(1) == 'b'",
        "'abcb'.indexOf('b') == 1 && 'abcb'.lastIndexOf('b') == 3 && 'abab'.replace('a', 'c', 1) == 'cbab'",
        "['a', 'b'].join('-') == 'a-b' && '%s has %d at %.1f%%'.format(['x', 3, 2.55]) == 'x has 3 at 2.5%'",
        # Lists and sets.
        "self.items.isSorted() && self.items.sum() == 6 && self.items.min() == 1 && self.items.max() == 3",
        "sets.contains([1, 2], [2]) && sets.equivalent([1, 2], [2, 1, 1]) && !sets.intersects([1], [2])",
        # Conversions and times.
        "string(1) == '1' && int('42') == 42 && double('1.5') == 1.5 && string(true) == 'true' && int(2.9) == 2",
        "duration('1h30m') == duration('90m') && duration('-1s') < duration('0') && duration('90s').getMinutes() == 1",
        "timestamp('2026-01-02T03:04:05Z') + duration('1h') < timestamp('2026-01-02T05:00:00Z')",
        "timestamp('2026-01-02T03:04:05+02:00').getHours() == 1 && timestamp(0).getFullYear() == 1970",
        # Kubernetes' own.
        "quantity('1Gi').isGreaterThan(quantity('1000M')) && quantity('1500m').add(1).compareTo(quantity('2.5')) == 0",
        "isQuantity('20') && !isQuantity('20Mo') && quantity('50k').asInteger() == 50000",
        "url('https://me@host:8080/a?x=1').getHost() == 'host:8080' && url('http://[::1]/').getHostname() == '::1'",
        "isURL('https://a/b') && !isURL('a b') && url('/a?x=1&x=2').getQuery()['x'] == ['1', '2']",
        "ip('10.0.0.1').family() == 4 && isIP('::1') && !isIP('1.2.3') && ip('127.0.0.1').isLoopback()",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')",
        "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && isCIDR('::/0') && !isCIDR('10.0.0.0')",
        "!format.dns1123Label().validate('web').hasValue() && format.dns1123Label().validate('Web').hasValue()",
        "format.named('uuid').hasValue() && !format.named('none').hasValue()",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.0.0-rc.1').compareTo(semver('1.0.0')) == -1",
        "isSemver('1.2.3+build') && !isSemver('1.2') && semver('1.2.3').major() == 1",
    ],
)  # fmt: skip
def test_it_holds(text: str) -> None:
    assert value(text) is True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("self.missing == 1", "no such key: missing"),
        ("self.items[3] == 1", "index out of bounds: 3"),
        ("self.labels['none'] == ''", "no such key: none"),
        ("9223372036854775807 + 1 > 0", "integer overflow"),
        ("1u - 2u == 0u", "unsigned integer overflow"),
        ("1 / 0 == 1", "division by zero"),
        ("1 + 1.0 == 2.0", "no such overload"),
        ("'a' < 1", "no such overload"),
        ("self.count.startsWith('a')", "no such overload"),
        ("optional.none().value() == 1", "optional.none() dereference"),
        ("quantity('many').sign() == 0", "quantities must match"),
        ("duration('soon') == duration('1s')", "invalid duration"),
        ("timestamp('2026-01-02') == timestamp(0)", "invalid timestamp"),
        ("'abc'.substring(2, 1) == ''", "invalid substring range"),
        ("'a'.matches('(') == true", "error parsing regexp"),
    ],
)
def test_it_has_no_value(text: str, words: str) -> None:
    with pytest.raises(EvaluationError, match=words.replace("(", r"\(").replace(")", r"\)")):
        value(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("self.a +", "<input>:1:9: Syntax error: unexpected '<EOF>'"),
        ("other == 1", "<input>:1:1: undeclared reference to 'other'"),
        ("true &&\n  self.find('a')", "<input>:2:8: undeclared reference to 'find'"),
        ("self.matches()", "found no matching overload for 'matches'"),
        ("self.all(1, true)", "argument must be a simple name"),
        ("has(self)", r"invalid argument to has\(\) macro"),
        ("9223372036854775808 > 0", "invalid int literal"),
        ("'\\q' == ''", "invalid escape sequence"),
        ("self # 1", "token recognition error"),
        ("package == 1", "reserved identifier: package"),
        ("(" * 3_000 + "1" + ")" * 3_000, "recursion limit exceeded"),
        ("1" + "+1" * 3_000, "recursion limit exceeded"),
        ("self" + ".a" * 3_000, "recursion limit exceeded"),
        ("!" * 3_000 + "true", "recursion limit exceeded"),
        ("(1" + "+1" * 90 + ")" + "".join(f"+(1{'+1' * 90})" for _ in range(50)) + "x" * 16_384, "size exceeds limit"),
    ],
)  # fmt: skip
def test_it_is_no_expression(text: str, words: str) -> None:
    with pytest.raises(CompileError, match=words):
        compiling.compiled(text, frozenset({"self"}))


def test_a_long_junction_is_not_deep() -> None:
    assert value(" && ".join(["true"] * 2_000))


@pytest.mark.parametrize(
    "text",
    [
        "big.all(a, big.all(b, big.all(c, a < b || b < c || true)))",
        "big.map(a, 'x')" + ".map(a, a + a)" * 60 + " != []",
        "'a'.replace('', words).replace('', words) != ''",
        "words.matches('(a?){300}a{300}$') || true",
        "big.all(a, big == big)",
        "big.map(a, words).join(words) != ''",
        "big.all(a, string(big.map(b, string(b)).join()) != '')",
        "big.map(a, big).map(a, a.map(b, big)) != []",
    ],
)
def test_what_would_take_long_is_given_up_soon(text: str) -> None:
    with pytest.raises(BudgetError):
        value(text, steps=100_000, big=list(range(1_000)), words="a" * 10_000)


def test_what_would_be_made_of_a_text_is_paid_before_it_is_made() -> None:
    letters = 10_000 * PARTS_PER_STEP
    assert tables.COSTS["replace"]("a" * letters, "a", "b" * letters) > letters * letters // PARTS_PER_STEP
    assert tables.COSTS["join"](["a"] * letters, "b" * letters) > letters * letters // PARTS_PER_STEP


_LARGE = "[0]" + ".map(a, [a, a, a, a, a, a, a, a, a, a])" * 30
"""A list of ten lists of ten lists: a few hundred bytes of memory, and 10^30 numbers to who goes through it."""


@pytest.mark.parametrize(
    "text",
    [
        f"{_LARGE}.exists(a, a == a)",
        f"{_LARGE} in [{_LARGE}]",
        f"sets.contains({_LARGE}, {_LARGE})",
        f"'%s'.format([{_LARGE}]) == ''",
        f"optional.of({_LARGE}) == optional.of({_LARGE})",
    ],
)
def test_a_list_of_lists_is_not_gone_through_before_that_is_paid(text: str) -> None:
    with pytest.raises(BudgetError):
        value(text)


def test_a_list_is_no_key_and_no_word_of_a_message() -> None:
    with pytest.raises(EvaluationError, match="no such overload"):
        value(f"{{'a': 1}}[{_LARGE}]")


def test_of_a_long_key_a_message_shows_the_beginning() -> None:
    with pytest.raises(EvaluationError) as caught:
        value("{'a': 1}[oldSelf]", oldSelf="b" * 100_000)
    assert len(str(caught.value)) < 1_000


def test_a_number_of_thousands_of_digits_is_none() -> None:
    with pytest.raises(CompileError, match="invalid int literal"):
        value("9" * 5_000 + " == 1")


@pytest.mark.parametrize("text", ["double(oldSelf) > 1.0", "'%f'.format([oldSelf]) == ''"])
def test_a_number_that_no_double_holds_has_no_value(text: str) -> None:
    with pytest.raises(EvaluationError, match="double overflow"):
        value(text, oldSelf=10**400)


def test_a_time_before_all_times_has_no_parts() -> None:
    with pytest.raises(EvaluationError, match="timestamp overflow"):
        value("timestamp('0001-01-01T00:00:00Z').getHours('-10:00')")


def test_of_the_variables_an_expression_tells_those_that_it_uses() -> None:
    known = frozenset({"self", "oldSelf"})
    assert compiling.compiled("self == oldSelf", known).names == known
    assert compiling.compiled("self.all(oldSelf, oldSelf > 1)", known).names == {"self"}
    assert compiling.compiled("self.all(x, x == oldSelf)", known).names == known
