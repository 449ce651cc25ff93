"""A pytest plugin that writes down what passed, for `tools/make_compatibility.py` to tell: `-p tests.clients.recorder`.

A test says what it proves with the marker `proves`: words such as "get -o wide", and the client that it drives, which
a test with the fixture `kubectl` need not name. `refused` says why what is proved is a refusal in words. What a run
did not touch stays as it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import pytest

PASSED = Path(__file__).with_name("passed.json")
_PROPERTY = "proves"


class Proof(TypedDict):
    """What one test shows where it passes."""

    client: str
    proves: list[str]
    refused: str


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the report of a test bear what it proves: only that comes back from a worker."""
    marks = list(item.iter_markers("proves"))
    if marks:
        said = {name: value for mark in marks for name, value in mark.kwargs.items()}
        proof = Proof(
            client=said.get("client") or _kubectl(item),
            proves=sorted({word for mark in marks for word in mark.args}),
            refused=said.get("refused", ""),
        )
        item.user_properties.append((_PROPERTY, proof))


def _kubectl(item: pytest.Item) -> str:
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return f"kubectl {parameters['kubectl']}"


class Recorder:
    """Hears of each test as it ends, in the process that all reports come to."""

    def __init__(self) -> None:
        self.passed: dict[str, Proof] = {}
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        proof = dict(report.user_properties).get(_PROPERTY)
        if proof is None:
            return
        if not report.passed:
            self.failed.add(report.nodeid)
        elif report.when == "call":
            self.passed[report.nodeid] = proof

    def pytest_sessionfinish(self) -> None:
        kept = json.loads(PASSED.read_text(encoding="utf-8")) if PASSED.exists() else {}
        found = {name: each for name, each in (kept | self.passed).items() if name not in self.failed}
        lines = (f"{json.dumps(name)}: {json.dumps(each)}" for name, each in sorted(found.items()))
        PASSED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())
