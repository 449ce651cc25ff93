"""Questions that are asked before anything is changed."""

from __future__ import annotations

import asyncio
import io
import signal
import sys

import pytest

from swarmlet.cli import asking
from tests.cli.conftest import Cluster


class InterruptedInput:
    """A terminal where somebody presses Ctrl-C in place of an answer."""

    def readline(self) -> str:
        signal.raise_signal(signal.SIGINT)
        return ""


@pytest.mark.parametrize(
    ("typed", "agreed"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_only_a_yes_is_one(typed: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert asking.agreed("Go on?") is agreed


def test_ctrl_c_ends_a_question_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def command() -> bool:
        return asking.agreed("Go on?")

    monkeypatch.setattr(sys, "stdin", InterruptedInput())
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(command())
    assert signal.getsignal(signal.SIGINT) is before


def test_nothing_is_deleted_where_nobody_answers(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.ok("create", "configmap", "web")
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    result = cluster.run("delete", "-i", "configmap/web")
    assert (result.code, result.err) == (0, "Do you want to continue? [y/N]: deletion is cancelled\n")
    assert cluster.ok("get", "configmap/web", "-o", "name") == "configmap/web\n"
