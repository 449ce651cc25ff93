from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.errors import TooLargeError
from swarmlet.manifests.compose import interpolation
from swarmlet.manifests.compose.interpolation import InterpolationError, Variables
from swarmlet.manifests.reading import ManifestError
from tests.manifests.compose.projects import load, service

VALUES = {"SET": "value", "EMPTY": "", "OTHER": "other", "_x1": "low"}


def interpolated(text: str) -> str:
    return interpolation.interpolated(text, Variables(VALUES))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a$SET-b", "avalue-b"),
        ("$SET.$OTHER", "value.other"),
        ("$_x1", "low"),
        ("$EMPTY|", "|"),
        ("$UNSET|", "|"),
        ("${UNSET}|", "|"),
        ("${SET:-default}", "value"),
        ("${EMPTY:-default}", "default"),
        ("${UNSET:-default}", "default"),
        ("${SET-default}", "value"),
        ("${EMPTY-default}", ""),
        ("${UNSET-default}", "default"),
        ("${UNSET:-}", ""),
        ("${SET:?message}", "value"),
        ("${EMPTY?message}", ""),
        ("${SET:+instead}", "instead"),
        ("${EMPTY:+instead}", ""),
        ("${UNSET:+instead}", ""),
        ("${SET+instead}", "instead"),
        ("${EMPTY+instead}", "instead"),
        ("${UNSET+instead}", ""),
        ("${UNSET:-$OTHER}", "other"),
        ("${UNSET:-${OTHER}}", "other"),
        ("${UNSET:-${EMPTY:-${SET}}}", "value"),
        ("${UNSET:-a${OTHER}b}", "aotherb"),
        ("${UNSET-http://x:80/?a=b-c}", "http://x:80/?a=b-c"),
        ("${UNSET:-{}}", "{}"),
        ('${UNSET:-{"a": 1}}!', '{"a": 1}!'),
        ("$$SET", "$SET"),
        ("$$$SET", "$value"),
        ("$$$$", "$$"),
        ("${UNSET:-$$}", "$"),
        ("echo $$HOME", "echo $HOME"),
        ("100%", "100%"),
    ],
)
def test_variables_are_replaced(text: str, result: str) -> None:
    assert interpolated(text) == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${UNSET:?must be set}", "required variable UNSET is missing a value: must be set"),
        ("${EMPTY:?}", "required variable EMPTY is missing a value"),
        ("${UNSET?$OTHER}", "required variable UNSET is missing a value: other"),
        ("${SET", "a brace is not closed"),
        ("${}", "invalid interpolation format"),
        ("${1a}", "invalid interpolation format"),
        ("${SET/a/b}", "invalid interpolation format"),
        ("$ 5", "a dollar sign itself is written $$"),
        ("5$", "a dollar sign itself is written $$"),
        ("$1", "invalid interpolation format"),
    ],
)
def test_what_is_no_variable_is_refused(text: str, message: str) -> None:
    with pytest.raises(InterpolationError) as caught:
        interpolated(text)
    assert message in str(caught.value)


@settings(deadline=None)
@given(st.text().filter(lambda text: "$" not in text))
def test_text_without_a_dollar_stays_as_it_is(text: str) -> None:
    assert interpolated(text) == text


@settings(deadline=None)
@given(st.text())
def test_doubled_dollars_are_text(text: str) -> None:
    assert interpolated(text.replace("$", "$$")) == text


def test_variables_do_not_grow_without_end() -> None:
    values = {"A": "x" * 1_000_000}
    with pytest.raises(TooLargeError):
        interpolation.interpolated("$A" * 3, Variables(values))


def test_variables_inside_variables_have_a_depth() -> None:
    with pytest.raises(InterpolationError, match="deep"):
        interpolated("${A:-" * 40 + "}" * 40)


def test_a_value_keeps_the_type_of_its_key() -> None:
    web = service(
        """\
        privileged: ${YES}
        deploy: {replicas: "${N:-3}"}
        mem_limit: ${SIZE:-64m}
        """,
        environment={"YES": "true"},
    )
    assert web.privileged is True
    assert web.deploy is not None
    assert web.deploy.replicas == 3
    assert web.mem_limit == 64 * 1024 * 1024


def test_an_unset_variable_is_warned_about_once_with_its_place() -> None:
    loaded = load("services:\n  web:\n    image: nginx:$TAG\n    command: [$TAG, $TAG]\n")
    assert loaded.project.services["web"].image == "nginx:"
    assert loaded.warnings[0] == (
        "compose.yaml:3: services.web.image: the variable TAG is not set; it is taken as empty"
    )
    assert len(loaded.warnings) == 1


def test_a_missing_variable_names_file_line_and_key() -> None:
    with pytest.raises(ManifestError) as caught:
        load("services:\n  web:\n    image: nginx\n    environment:\n      KEY: ${KEY:?say which}\n")
    assert str(caught.value) == (
        "compose.yaml:5: services.web.environment.KEY: required variable KEY is missing a value: say which"
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            "image: $IMG",
            (
                "compose.yaml:2: services.web: has neither image nor build (services.web.image: the variable IMG "
                "is not set)"
            ),
        ),
        (
            "image: x\n    scale: $N",
            (
                "compose.yaml:4: services.web.scale: must be a whole number, not the text '' "
                "(services.web.scale: the variable N is not set)"
            ),
        ),
    ],
)
def test_an_error_says_that_a_variable_is_not_set_where_that_is_why(keys: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load(f"services:\n  web:\n    {keys}\n")
    assert str(caught.value) == message


def test_keys_are_not_interpolated_but_entries_of_lists_are() -> None:
    web = service('labels:\n  "$KEY": $KEY\n', environment={"KEY": "v"})
    assert web.labels == {"$KEY": "v"}
    assert service("labels: [$KEY=1]", environment={"KEY": "v"}).labels == {"v": "1"}


def test_the_shell_goes_before_the_env_file_of_the_folder() -> None:
    text = "services: {web: {image: 'x:${TAG}-${OTHER}'}}"
    loaded = load(text, files={".env": "TAG=file\nOTHER=file\n"}, environment={"TAG": "shell"})
    assert loaded.project.services["web"].image == "x:shell-file"


def test_env_files_of_the_command_line_replace_that_of_the_folder() -> None:
    loaded = load(
        "services: {web: {image: 'x:${A}${B}${C}'}}",
        files={".env": "C=env", "one.env": "A=1\nB=1", "two.env": "B=2${A}"},
        env_files=("/srv/app/one.env", "/srv/app/two.env"),
    )
    assert loaded.project.services["web"].image == "x:121"


def test_a_missing_env_file_of_the_command_line_is_an_error() -> None:
    with pytest.raises(ManifestError, match="no file of variables"):
        load("services: {web: {image: x}}", env_files=("/srv/app/none.env",))


def test_no_env_file_is_read_when_the_command_line_says_so() -> None:
    loaded = load("services: {web: {image: 'x$A'}}", files={".env": "A=1"}, env_files=("/dev/null",))
    assert loaded.project.services["web"].image == "x"


def test_the_name_of_the_project_is_a_variable() -> None:
    loaded = load("name: shop\nservices: {web: {image: 'x:$COMPOSE_PROJECT_NAME'}}")
    assert loaded.project.services["web"].image == "x:shop"
