from __future__ import annotations

import pytest

from swarmlet.errors import TooLargeError
from swarmlet.manifests.compose import dotenv
from swarmlet.manifests.reading import ManifestError
from tests.manifests.compose.projects import service

ENVIRONMENT = {"SHELL_VAR": "shell"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("VAR=VAL", {"VAR": "VAL"}),
        ('VAR="VAL"', {"VAR": "VAL"}),
        ("VAR='VAL'", {"VAR": "VAL"}),
        ("VAR=VAL # comment", {"VAR": "VAL"}),
        ("VAR=VAL# not a comment", {"VAR": "VAL# not a comment"}),
        ('VAR="VAL # not a comment"', {"VAR": "VAL # not a comment"}),
        ('VAR="VAL" # comment', {"VAR": "VAL"}),
        ("VAR='$OTHER'", {"VAR": "$OTHER"}),
        ("VAR='${OTHER}'", {"VAR": "${OTHER}"}),
        (r"VAR='Let\'s go!'", {"VAR": "Let's go!"}),
        (r'VAR="{\"hello\": \"json\"}"', {"VAR": '{"hello": "json"}'}),
        (r'VAR="some\tvalue"', {"VAR": "some\tvalue"}),
        (r"VAR='some\tvalue'", {"VAR": r"some\tvalue"}),
        (r"VAR=some\tvalue", {"VAR": r"some\tvalue"}),
        (r'VAR="a\nb\\c"', {"VAR": "a\nb\\c"}),
        (r'VAR="\$HOME"', {"VAR": "$HOME"}),
        ("VAR=", {"VAR": ""}),
        ("VAR= # nothing", {"VAR": ""}),
        ("VAR=#fff", {"VAR": "#fff"}),
        ("VAR", {}),
        ("SHELL_VAR", {"SHELL_VAR": "shell"}),
        ("export VAR=1", {"VAR": "1"}),
        ("exported=1", {"exported": "1"}),
        ("VAR: yaml", {"VAR": "yaml"}),
        ("VAR = spaced ", {"VAR": "spaced"}),
        ("a.b-c_D1=x", {"a.b-c_D1": "x"}),
        ("# only a comment", {}),
        ("", {}),
        ("\n\n  \n", {}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
        ("A=1\nB=$A", {"A": "1", "B": "1"}),
        ("A=1\nB=${A}2${C:-3}", {"A": "1", "B": "123"}),
        ("A=$SHELL_VAR", {"A": "shell"}),
        ("A='two\nlines'\nB=1", {"A": "two\nlines", "B": "1"}),
        ('A="two\nlines"', {"A": "two\nlines"}),
        ("A=a=b==", {"A": "a=b=="}),
        ("A=http://x/#part", {"A": "http://x/#part"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=it's", {"A": "it's"}),
    ],
)
def test_the_grammar_of_the_specification(text: str, result: dict[str, str]) -> None:
    assert dotenv.parse("x.env", text, ENVIRONMENT) == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\nB C=2", "x.env:2: not a variable"),
        ("=1", "x.env:1: not a variable"),
        ('A=1\nB="open', 'x.env:2: B: the quote " is not closed'),
        ("A='a' b", "x.env:1: A: something stands after the closing quote"),
        ("A=${B:?is needed}", "x.env:1: A: required variable B is missing a value: is needed"),
        ("A=${B", "x.env:1: A: invalid interpolation format"),
    ],
)
def test_a_line_that_is_no_variable_is_named(text: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        dotenv.parse("x.env", text, ENVIRONMENT)
    assert str(caught.value).startswith(message)


def test_the_raw_format_takes_values_as_they_are() -> None:
    text = "A=\"quoted\" # all of it\nB=$HOME\n# comment\n\nC\nSHELL_VAR\nD='x'  \n"
    assert dotenv.parse_raw("x.env", text, ENVIRONMENT) == {
        "A": '"quoted" # all of it',
        "B": "$HOME",
        "SHELL_VAR": "shell",
        "D": "'x'  ",
    }


def test_the_raw_format_has_names_too() -> None:
    with pytest.raises(ManifestError, match=r"x\.env:2"):
        dotenv.parse_raw("x.env", "A=1\nA B=2", {})


def test_a_file_of_variables_has_a_size() -> None:
    with pytest.raises(TooLargeError):
        dotenv.parse("x.env", "A" * (dotenv.FILE_BYTES_MAX + 1), {})


def test_many_variables_are_read_in_linear_time() -> None:
    text = "".join(f"NAME_{number}=${{NAME_{number - 1}:-x}}\n" for number in range(1, 20_000))
    assert len(dotenv.parse("x.env", text, {})) == 19_999


# The env_file of a service.


def test_env_files_go_from_the_top_down_and_environment_over_them() -> None:
    web = service(
        """\
        env_file: [a.env, {path: b.env}]
        environment: {C: own, E: }
        """,
        files={"a.env": "A=a\nB=a\nC=a\nE=a", "b.env": "B=b$A\nD='$A'"},
    )
    assert web.environment == {"A": "a", "B": "ba", "C": "own", "E": None, "D": "$A"}


def test_one_env_file_is_written_as_text() -> None:
    assert service("env_file: ./conf/web.env", files={"conf/web.env": "A=1"}).environment == {"A": "1"}


def test_an_env_file_that_is_not_required_may_be_missing() -> None:
    assert service("env_file: [{path: none.env, required: false}]").environment == {}


@pytest.mark.parametrize(
    ("env_file", "message"),
    [
        ("none.env", "compose.yaml:4: services.web.env_file[0]: there is no file none.env; required: false"),
        ("[{path: a.env, format: toml}]", "compose.yaml:4: services.web.env_file[0].format: must be raw"),
        ("[{file: a.env}]", "compose.yaml:4: services.web.env_file[0].file: no such key"),
    ],
)
def test_what_is_wrong_with_an_env_file_is_said(env_file: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        service(f"env_file: {env_file}", files={"a.env": ""})
    assert str(caught.value).startswith(message)


def test_an_env_file_may_be_raw() -> None:
    web = service("env_file: [{path: a.env, format: raw}]", files={"a.env": 'A="$X"'})
    assert web.environment == {"A": '"$X"'}


def test_a_variable_without_a_value_takes_that_of_the_shell() -> None:
    web = service("environment: [A, B, C=3]", environment={"A": "shell"})
    assert web.environment == {"A": "shell", "B": None, "C": "3"}


def test_label_files_stand_under_labels() -> None:
    web = service(
        """\
        label_file: [a.labels, b.labels]
        labels: {two: own}
        """,
        files={"a.labels": "one=a\ntwo=a", "b.labels": "one=b"},
    )
    assert web.labels == {"one": "b", "two": "own"}


def test_the_env_file_of_a_service_that_is_not_active_is_not_read() -> None:
    assert service("profiles: []\nenv_file: a.env", files={"a.env": "A=1"}).environment == {"A": "1"}
