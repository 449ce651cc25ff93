from __future__ import annotations

from typing import Any

import pytest

from swarmlet.errors import TooLargeError
from swarmlet.manifests import reading
from swarmlet.manifests.reading import ManifestError


def values(text: str) -> list[Any]:
    return [value for _, value in reading.read("f.yaml", text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: 0644", {"a": 0o644}),
        ("a: 0x1F", {"a": 31}),
        ("a: -7", {"a": -7}),
        ("a: 1.5", {"a": 1.5}),
        ("a: yes", {"a": True}),
        ("a: off", {"a": False}),
        ("a: 'yes'", {"a": "yes"}),
        ("a: !!str 5", {"a": "5"}),
        ("a:", {"a": None}),
        ("a: 2024-01-02", {"a": "2024-01-02"}),
        ("a: 12:30:00", {"a": "12:30:00"}),
        ("a: 1.2.3", {"a": "1.2.3"}),
        ("a: 100m", {"a": "100m"}),
        ("1: a", {"1": "a"}),
        ("on: a", {"true": "a"}),
        ("a: |\n  b\n  c\n", {"a": "b\nc\n"}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, d: 2}\nc: {<<: *x, b: 3}", {"a": {"b": 1, "d": 2}, "c": {"d": 2, "b": 3}}),
        ('{"a": [1, null, true, "x"]}', {"a": [1, None, True, "x"]}),
        ("{a: 1, b: [x, y]}", {"a": 1, "b": ["x", "y"]}),
    ],
)
def test_scalars_and_structures_are_read_as_kubernetes_tools_read_them(text: str, value: Any) -> None:
    assert values(text) == [value]


def test_documents_are_told_apart_and_empty_ones_passed_over() -> None:
    read = list(reading.read("f.yaml", "a: 1\n---\n# nothing\n---\nb: 2\n"))
    assert [(place.number, place.line, value) for place, value in read] == [(1, 1, {"a": 1}), (3, 5, {"b": 2})]


def test_json_documents_may_follow_each_other() -> None:
    assert values('{"a": 1}\n{"b": 2}\n') == [{"a": 1}, {"b": 2}]


def test_an_alias_is_a_copy() -> None:
    (value,) = values("a: &x [1]\nb: *x\n")
    value["a"].append(2)
    assert value["b"] == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 'f.yaml:3:1: the key "a" stands twice here; keep one'),
        ('{"a": 1, "a": 2}', 'f.yaml: the key "a" stands twice in one object; keep one'),
        ("a:\n\tb: 1\n", "f.yaml:2:1: a tab indents this line; YAML is indented with spaces"),
        ("a: [1, 2\n", "f.yaml:2:1: not YAML: "),
        ("a: b: c\n", "f.yaml:1:5: not YAML: mapping values are not allowed in this context"),
        ("a: *x\n", "f.yaml:1:4: *x stands for nothing that ends before it"),
        ("a: &x [*x]\n", "f.yaml:1:8: *x stands for nothing that ends before it"),
        ("? [a]\n: 1\n", "f.yaml:1:3: a key is text"),
        ("<<: 5\n", "f.yaml:1:5: <<: merges a mapping"),
        ("[" * 200 + "]" * 200, f"f.yaml:1: nested deeper than {reading.DEPTH_MAX} levels"),
        (
            "a: " + "[" * 200 + "]" * 200,
            f"f.yaml:1:{reading.DEPTH_MAX + 3}: nested deeper than {reading.DEPTH_MAX} levels",
        ),
        ("a: '\x01'", "f.yaml: not YAML: "),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ManifestError) as raised:
        values(text)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_a_bomb_of_aliases_goes_off_at_the_limit() -> None:
    laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    with pytest.raises(ManifestError, match=f"over {reading.VALUES_MAX} values, aliases followed"):
        values(laughs)


def test_a_text_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "TEXT_BYTES_MAX", 10)
    with pytest.raises(TooLargeError, match=r"f\.yaml: over 10 bytes"):
        values("a: " + "b" * 20)
