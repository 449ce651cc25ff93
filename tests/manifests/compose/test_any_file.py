"""Whatever stands in a Compose file: it is read, or refused with a line of words; the reader itself never fails."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarmlet.errors import CallerError
from swarmlet.manifests.compose import rendering
from tests.manifests.compose.projects import load
from tests.manifests.compose.test_every_key import EVERYTHING, FILES

DOCUMENT = yaml.load(EVERYTHING, Loader=yaml.BaseLoader)
ODD = [
    None,
    "",
    "text",
    "$",
    "${X",
    "~",
    [],
    {},
    [None],
    [[]],
    {"a": None},
    {"": ""},
    "1",
    "-1",
    "0x",
    ":",
    "a:b:c:d",
    [{}],
    "x" * 300,
]


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, below in entries for each in paths(below, (*path, key)))]


PATHS = paths(DOCUMENT)[1:]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    whole = copy.deepcopy(document)
    at = whole
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return whole


def read(*texts: str, files: Mapping[str, str] = FILES) -> None:
    """Check that the files are a project that prints as itself, or that one line says why they are none."""
    try:
        project = load(*texts, files=files, profiles=("*",)).project
    except CallerError as refused:
        message = str(refused)
    else:
        message = "read"
        printed = json.dumps(rendering.document(project))
        assert load(printed, files=files, profiles=("*",)).project == project
    assert len(message.splitlines()) == 1


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(PATHS), st.sampled_from(ODD))
def test_any_value_in_any_place(path: tuple[Any, ...], value: Any) -> None:
    read(json.dumps(replaced(DOCUMENT, path, value)))


@pytest.mark.slow
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(PATHS), st.sampled_from(ODD))
def test_any_value_over_any_place(path: tuple[Any, ...], value: Any) -> None:
    over: Any = value
    for key in reversed(path):
        over = {key: over} if isinstance(key, str) else [over]
    read(EVERYTHING, json.dumps(over))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    read(text)
    read("services: {web: {image: x}}", text)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="${}:-?+ABab \"'\n=#", max_size=30))
def test_any_template_and_any_file_of_variables(text: str) -> None:
    read("services: {web: {image: x, env_file: e}}", files={"e": text})
    read(json.dumps({"services": {"web": {"image": "x", "command": [text]}}}))
