"""`swarmlet edit` with editors that are scripts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli import objects
from tests.cli.conftest import Cluster

SCALE = f"{sys.executable} -c 'from swarmlet.cli import main; main()' scale deploy/web --replicas=9"


@pytest.fixture(autouse=True)
def _web(cluster: Cluster) -> None:
    (cluster.folder / "web.yaml").write_text(objects.WEB, encoding="utf-8")
    cluster.ok("apply", "-f", str(cluster.folder / "web.yaml"))


@pytest.fixture
def editor(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Give the editor its work: one shell line an opening; each sheet is kept as sheet.1, sheet.2, ..."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "edits"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "edits").mkdir()

    def works(*lines: str) -> None:
        script = tmp_path / "editor.sh"
        cases = "\n".join(f"{number}) {line} ;;" for number, line in enumerate(lines, 1))
        script.write_text(
            f'#!/bin/sh\ncd {tmp_path}\nn=$(($(cat n 2>/dev/null || echo 0) + 1))\necho $n > n\ncp "$1" sheet.$n\n'
            f"case $n in\n{cases}\n*) exit 7 ;;\nesac\n",
            encoding="utf-8",
        )
        script.chmod(0o755)
        monkeypatch.setenv("EDITOR", str(script))

    return works


def web(cluster: Cluster) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(cluster.ok("get", "deploy/web", "-o", "json"))
    return document


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_what_was_saved_is_sent(cluster: Cluster, editor: Any, form: str, tmp_path: Path) -> None:
    editor("""sed -i -E 's/("?replicas"?): 2/\\1: 5/' $1""")
    assert cluster.ok("edit", "deploy/web", "-o", form) == "deployment.apps/web edited\n"
    assert web(cluster)["spec"]["replicas"] == 5
    assert list((tmp_path / "edits").iterdir()) == []


def test_the_patch_that_is_sent_may_be_printed(cluster: Cluster, editor: Any) -> None:
    editor("sed -i 's/replicas: 2/replicas: 5/' $1")
    patch, told = cluster.ok("edit", "deploy/web", "--output-patch").splitlines()
    sent = json.loads(patch.removeprefix("Patch: "))
    assert (sent["spec"], told) == ({"replicas": 5}, "deployment.apps/web edited")


def test_nothing_changed_is_nothing_sent(cluster: Cluster, editor: Any) -> None:
    editor("true")
    result = cluster.run("edit", "deploy", "web")
    assert (result.code, result.out, result.err) == (0, "", "Edit cancelled, no changes made.\n")


def test_an_empty_file_gives_up(cluster: Cluster, editor: Any) -> None:
    editor("sed -i -E '/^[^#]/d' $1")
    assert cluster.run("edit", "deploy", "web").err == "Edit cancelled, saved file was empty.\n"


def test_what_is_invalid_is_opened_again_with_the_reason(cluster: Cluster, editor: Any, tmp_path: Path) -> None:
    editor("sed -i 's/replicas: 2/replicas: -2/' $1", "sed -i 's/replicas: -2/replicas: 3/' $1")
    assert cluster.ok("edit", "deploy", "web") == "deployment.apps/web edited\n"
    again = (tmp_path / "sheet.2").read_text(encoding="utf-8")
    assert '# deployments.apps "web" was not valid:\n# * spec.replicas: Invalid value: -2' in again
    assert "replicas: -2" in again
    assert web(cluster)["spec"]["replicas"] == 3


def test_who_gives_up_keeps_a_copy(cluster: Cluster, editor: Any, tmp_path: Path) -> None:
    editor("sed -i 's/replicas: 2/replicas: -2/' $1", "true")
    result = cluster.run("edit", "deploy", "web")
    (copy,) = (tmp_path / "edits").iterdir()
    assert result.code == 1
    assert f"no valid changes were saved. A copy of your changes has been stored to {copy}" in result.err
    assert "replicas: -2" in copy.read_text(encoding="utf-8")


@pytest.mark.parametrize("line", ["sed -i 's/name: web/name: other/' $1", "echo 'a: [' >> $1", "echo '- a' > $1"])
def test_another_object_is_not_taken(cluster: Cluster, editor: Any, line: str, tmp_path: Path) -> None:
    editor(line, "> $1")
    assert cluster.run("edit", "deploy", "web").err == "Edit cancelled, saved file was empty.\n"
    assert '# deployments.apps "web" was not taken:' in (tmp_path / "sheet.2").read_text(encoding="utf-8")


def test_what_others_changed_is_not_overwritten_unasked(cluster: Cluster, editor: Any, tmp_path: Path) -> None:
    """The first save finds that another has scaled; the second, of the same, says that it is meant."""
    editor(f"{SCALE} && sed -i 's/replicas: 2/replicas: 5/' $1", "true")
    assert cluster.ok("edit", "deploy", "web").endswith("deployment.apps/web edited\n")
    assert "spec.replicas: is 9 now" in (tmp_path / "sheet.2").read_text(encoding="utf-8")
    assert web(cluster)["spec"]["replicas"] == 5


def test_what_others_changed_elsewhere_stays(cluster: Cluster, editor: Any) -> None:
    editor(f"{SCALE} && sed -i 's/^  labels:/  labels: {{tier: x, app: web}}/;/^    app: web$/d' $1")
    assert "edited" in cluster.ok("edit", "deploy", "web")
    assert (web(cluster)["spec"]["replicas"], web(cluster)["metadata"]["labels"]["tier"]) == (9, "x")


def test_an_editor_that_fails_is_told(cluster: Cluster, editor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    editor("exit 3")
    assert "it ended with 3" in cluster.run("edit", "deploy", "web").err
    monkeypatch.setenv("KUBE_EDITOR", "/nowhere/at-all")
    assert "set $EDITOR" in cluster.run("edit", "deploy", "web").err
