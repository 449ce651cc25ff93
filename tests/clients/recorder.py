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
    """What one test shows of one client where it passes."""

    client: str
    proves: list[str]
    refused: str


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the report of a test bear what it proves: only that comes back from a worker."""
    proofs: dict[tuple[str, str], set[str]] = {}
    for mark in item.iter_markers("proves"):
        key = (mark.kwargs.get("client") or _kubectl(item), mark.kwargs.get("refused", ""))
        proofs.setdefault(key, set()).update(mark.args)
    if proofs:
        told = [Proof(client=key[0], proves=sorted(words), refused=key[1]) for key, words in sorted(proofs.items())]
        item.user_properties.append((_PROPERTY, told))


def _kubectl(item: pytest.Item) -> str:
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return f"kubectl {parameters['kubectl']}"


class Recorder:
    """Hears of each test as it ends, in the process that all reports come to."""

    def __init__(self) -> None:
        self.passed: dict[str, list[Proof]] = {}
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        proofs = dict(report.user_properties).get(_PROPERTY)
        if proofs is None:
            return
        if not report.passed:
            self.failed.add(report.nodeid)
        elif report.when == "call":
            self.passed[report.nodeid] = proofs

    def pytest_sessionfinish(self) -> None:
        kept = json.loads(PASSED.read_text(encoding="utf-8")) if PASSED.exists() else {}
        found = {name: each for name, each in (kept | self.passed).items() if name not in self.failed}
        lines = (f"{json.dumps(name)}: {json.dumps(each)}" for name, each in sorted(found.items()) if _exists(name))
        PASSED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _exists(name: str) -> bool:
    """Whether the file of a test is still there."""
    return (PASSED.parents[2] / name.partition("::")[0]).exists()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())
