"""Completion: what may stand at the cursor, and real bash asking for it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from swarmlet.cli.completing import answers, completion, line, live, words
from swarmlet.model import kinds
from tests.cli import objects
from tests.cli.conftest import BIN, Cluster

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _world(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cluster.folder / "cache"))
    monkeypatch.setattr(live, "SECONDS", 10.0)  # this machine may be busy: that a Tab does not wait is another test
    for name, namespace in (("web-1", "default"), ("web-2", "default"), ("db-0", "other")):
        document = objects.pod(name, containers=("main", "side"))
        document["metadata"]["namespace"] = namespace
        cluster.do(lambda document=document: objects.put(cluster.replica, kinds.POD, document))
    cluster.run("create", "deployment", "web", "--image=busybox")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("swarmlet clu", ["cluster-info"]),
        ("swarmlet get pod", ["pods", "poddisruptionbudgets"]),
        ("swarmlet get pods ", ["web-1", "web-2"]),
        ("swarmlet get pods web-1 ", ["web-2"]),
        ("swarmlet get pod/", ["pod/web-1", "pod/web-2"]),
        ("swarmlet get deploy,replicas", ["deploy,replicasets"]),
        ("swarmlet -n other get pods ", ["db-0"]),
        ("swarmlet get pods --namespace=other ", ["db-0"]),
        ("swarmlet logs web", ["web-1", "web-2"]),
        ("swarmlet logs web-1 ", ["main", "side"]),
        ("swarmlet exec -it web-1 -c ", ["main", "side"]),
        ("swarmlet exec deployments/web --container b", ["busybox"]),
        ("swarmlet get pods -n ", ["default", "kube-system", "other"]),
        ("swarmlet rollout re", ["restart", "resume"]),
        ("swarmlet rollout status d", ["deployments", "daemonsets"]),
        ("swarmlet rollout status deployments ", ["web"]),
        ("swarmlet create secret ", ["generic", "tls", "docker-registry"]),
        ("swarmlet scale deploy/web --rep", ["--replicas"]),
        ("swarmlet delete pods --dry-run=c", ["client"]),
        ("swarmlet apply -f ", [":files"]),
        ("swarmlet auth can-i escal", ["escalate"]),
        ("swarmlet auth can-i list deploym", ["deployments"]),
        ("swarmlet cp web-1", ["web-1:"]),
        ("swarmlet get nonsense ", []),
        ("swarmlet nonsense ", []),
        ("swarmlet get pods 'web-", ["web-1", "web-2"]),
        ("swarmlet exec web-1 -- ", []),
    ],
)
def test_what_may_stand_there_is_told(text: str, expected: list[str]) -> None:
    found = answers.answer("bash", text)
    assert [each for each in found if each != "kube-system"] == [each for each in expected if each != "kube-system"]


def test_other_shells_are_told_the_whole_word() -> None:
    assert answers.answer("zsh", "swarmlet delete pods --dry-run=c") == ["--dry-run=client"]


def test_kinds_are_asked_for_once(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answers.answer("bash", "swarmlet get pod")
    monkeypatch.setattr(live.Cluster, "ask", None)
    assert "pods" in answers.answer("bash", "swarmlet get pod")
    cache = next((cluster.folder / "cache" / "swarmlet").iterdir())
    assert cache.stat().st_mode & 0o077 == 0


def test_contexts_are_those_of_the_kubeconfig(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cluster.folder / "config"
    path.write_text("contexts: [{name: home}, {name: work}]\n", encoding="utf-8")
    assert answers.answer("bash", f"swarmlet get pods --kubeconfig {path} --context h") == ["home"]


def test_nothing_is_told_of_a_cluster_that_does_not_answer(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    result = cluster.run("__complete", "bash", "swarmlet get pods --socket /nowhere w")
    assert (result.code, result.out.strip(), result.err) == (0, "", "")


def test_a_cluster_that_is_slow_is_not_waited_for(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SECONDS", 0.0)
    before = time.monotonic()
    assert answers.answer("bash", "swarmlet get pods ") == []
    assert time.monotonic() - before < 5


def test_every_command_that_takes_objects_is_there() -> None:
    """A command that is renamed or goes must not stay in the table of arguments."""
    for path in words.ARGUMENTS:
        read = answers.read([*path.split(), ""])
        assert " ".join(read.path) == path


@pytest.mark.parametrize("text", ["swarmlet get 'po", 'swarmlet get "a b" c', "swarmlet  get   pods", "swarmlet "])
def test_lines_are_read_as_a_shell_reads_them(text: str) -> None:
    assert line.words_of(text)[0] == "swarmlet"
    assert (line.words_of(text)[-1] == "") is text.endswith(" ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("swarmlet get pods web-", ["web-1", "web-2"]),
        ("swarmlet get pods --namespace=ot", ["other"]),
        ("swarmlet apply -f sho", ["shop.yaml"]),
        ("swarmlet why deploy", ["deployments"]),
    ],
)
def test_bash_completes(cluster: Cluster, text: str, expected: list[str]) -> None:
    (cluster.folder / "shop.yaml").touch()
    (cluster.folder / "swarmlet").write_text(
        f'#!/bin/sh\nexec {BIN}/python -c "from swarmlet.cli import main; main()" "$@"\n', encoding="utf-8"
    )
    (cluster.folder / "swarmlet").chmod(0o755)
    script = f"""
        source <(swarmlet completion bash)
        [[ $(complete -p swarmlet) == "complete -F _swarmlet swarmlet" ]] || exit 1
        COMP_LINE='{text}'; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=($COMP_LINE); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        for try in 1 2 3 4 5; do  # the machine may be busy, and a Tab waits for nobody
            _swarmlet; (( ${{#COMPREPLY[@]}} )) && break
        done
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{cluster.folder}:{os.environ['PATH']}"
    environment = dict(os.environ, PATH=path, SWARMLET_SOCKET=str(cluster.socket), PYTHONPATH=str(ROOT))
    done = subprocess.run(
        ["bash", "-c", script], env=environment, cwd=cluster.folder, capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.stderr) == (expected, "")


@pytest.mark.parametrize("shell", list(completion.Shell))
def test_each_shell_has_a_script_that_asks(cluster: Cluster, shell: completion.Shell) -> None:
    assert f"swarmlet __complete {shell}" in cluster.ok("completion", shell)
