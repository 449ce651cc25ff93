"""The messages file is what the pinned kubectl carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import make_protobuf


@pytest.mark.slow
def test_the_messages_are_those_of_the_pinned_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = make_protobuf.TARGET.read_text(encoding="utf-8")
    monkeypatch.setattr(make_protobuf, "TARGET", tmp_path / "messages.json")
    make_protobuf.main()
    assert (tmp_path / "messages.json").read_text(encoding="utf-8") == committed, "run `make protobuf`"
