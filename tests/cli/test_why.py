"""`swarmlet why` against the real API."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from swarmlet.cli import exits, terminal, why
from swarmlet.model import kinds
from tests.cli import objects
from tests.cli.conftest import Cluster

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def web(cluster: Cluster) -> Cluster:
    waiting = objects.pod("web-1", ready=False, waiting="CreateContainerConfigError")
    cluster.do(lambda: objects.put(cluster.replica, kinds.POD, waiting))
    return cluster


@pytest.mark.parametrize("words", [("pod/web-1",), ("po", "web-1"), ("web-1",)])
def test_why_tells_what_is_wrong_in_sentences(web: Cluster, words: tuple[str, ...]) -> None:
    lines = web.ok("why", *words).splitlines()
    assert lines[0].startswith("✗ Pod web-1 is on node-a and not ready")
    assert "  ✗ container main cannot start: CreateContainerConfigError: so it is" in lines
    assert "    -> make what is missing, or correct its name in the Pod's template" in lines


def test_trouble_is_red_on_a_terminal(web: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "is_coloured", lambda: True)
    lines = web.ok("why", "pod/web-1").splitlines()
    assert lines[0].startswith("\x1b[31m✗ Pod web-1")
    (advice,) = [line for line in lines if "->" in line]
    assert "\x1b" not in advice


def test_the_findings_are_there_as_json(web: Cluster) -> None:
    (explained,) = json.loads(web.ok("why", "pod/web-1", "--json"))["items"]
    assert explained["object"] == "pods/default/web-1"
    assert explained["findings"][0]["severity"] == "error"


def test_what_is_not_there_ends_with_its_own_code_and_a_suggestion(web: Cluster) -> None:
    result = web.run("why", "pod/web-2")
    assert result.code == exits.NOT_FOUND
    assert result.err == 'error: pods "web-2" not found in namespace default; did you mean pod/web-1?\n'
    assert web.run("why", "deploy/web").code == exits.NOT_FOUND
    assert web.run("why", "pods").code == exits.NOT_FOUND  # a name like any other


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        (timedelta(seconds=12), "11:59:48 (12 s ago)"),
        (timedelta(minutes=4), "11:56:00 (4 min ago)"),
        (timedelta(hours=3), "09:00:00 (3 h ago)"),
        (timedelta(hours=30), "Jan 1 06:00:00 (30 h ago)"),
        (timedelta(days=5), "Dec 28 12:00:00 (5 days ago)"),
        (timedelta(seconds=-20), "12:00:20 (in 20 s)"),
    ],
)
def test_times_are_told_as_people_read_them(ago: timedelta, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert why.moment(NOW - ago, NOW) == told
