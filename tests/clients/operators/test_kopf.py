"""An operator written with kopf works here as elsewhere: handlers, finalizers, status, events, timers, peering."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.custom_documents import TEXT, definition, objects, version
from tests.api.lone_daemon import ROOT, LoneDaemon, lone_daemon

pytestmark = pytest.mark.slow

ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
GREETINGS = definition(
    "example.com",
    "Greeting",
    "greetings",
    version("v1", {"spec": objects({"text": TEXT}, "text"), "status": ANYTHING}, subresources={"status": {}}),
)
PEERINGS = definition(
    "kopf.dev", "ClusterKopfPeering", "clusterkopfpeerings", version("v1", {"status": ANYTHING}),
)  # fmt: skip
PEERINGS["spec"]["scope"] = "Cluster"
PEERING = {"apiVersion": "kopf.dev/v1", "kind": "ClusterKopfPeering", "metadata": {"name": "greeters"}}
GREETING = {
    "apiVersion": "example.com/v1",
    "kind": "Greeting",
    "metadata": {"name": "hello"},
    "spec": {"text": "hello"},
}
SECONDS_MAX = 45.0


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneDaemon]:
    """A daemon that knows Greetings, and an operator of theirs."""
    with lone_daemon(tmp_path_factory.mktemp("kopf")) as running:
        for document in (GREETINGS, PEERINGS):
            running.kubectl("create", "-f", "-", stdin=document)
        running.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=20s")
        running.kubectl("create", "-f", "-", stdin=PEERING)
        with operator(running):
            yield running


@contextmanager
def operator(daemon: LoneDaemon) -> Iterator[None]:
    """Run the operator as a process; its log is shown where it ended too soon."""
    log = daemon.folder / "operator"
    argv = [sys.executable, "-m", "kopf", "run", "--all-namespaces", str(Path(__file__).with_name("greeter.py"))]
    with log.open("wb") as told:
        process = subprocess.Popen(argv, env=daemon.env, cwd=ROOT, stdout=told, stderr=told)
    try:
        yield
        assert process.poll() is None, log.read_text(encoding="utf-8")[-3000:]
    finally:
        process.terminate()
        process.wait(SECONDS_MAX)


def eventually(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + SECONDS_MAX
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def read(daemon: LoneDaemon, kind: str, name: str) -> dict[str, Any]:
    done = daemon.run("kubectl", "get", kind, name, "-o", "json", "--ignore-not-found")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout or b"{}")
    return found


def test_a_greeting_is_made_changed_counted_and_let_go(daemon: LoneDaemon) -> None:
    daemon.kubectl("create", "-f", "-", stdin=GREETING)
    owned = eventually(lambda: read(daemon, "configmap", "hello"), "the operator makes the ConfigMap")
    assert owned["data"] == {"text": "hello"}
    assert [(each["kind"], each["name"]) for each in owned["metadata"]["ownerReferences"]] == [("Greeting", "hello")]
    done = eventually(lambda: read(daemon, "greeting", "hello").get("status", {}).get("made"), "the status tells it")
    assert done == {"configMap": "hello"}
    greeting = read(daemon, "greeting", "hello")
    assert greeting["metadata"]["finalizers"] == ["example.com/greeter"]
    events = json.loads(daemon.kubectl("get", "events", "-o", "json"))["items"]
    mine = [each for each in events if each["involvedObject"]["kind"] == "Greeting"]
    assert ("Greeted", "made hello") in {(each["reason"], each["message"]) for each in mine}

    daemon.kubectl("patch", "greeting", "hello", "--type=merge", "-p", '{"spec":{"text":"hi"}}')
    eventually(lambda: read(daemon, "greeting", "hello")["status"].get("said") == "hi", "the change is told")
    assert read(daemon, "configmap", "hello")["data"] == {"text": "hi"}
    assert read(daemon, "greeting", "hello")["metadata"]["generation"] == 2, "a status counts for nothing"
    eventually(lambda: read(daemon, "greeting", "hello")["status"].get("ticks", 0) >= 3, "the timer goes on")

    daemon.kubectl("delete", "greeting", "hello", "--wait=false")
    held = read(daemon, "greeting", "hello")
    assert held["metadata"]["deletionTimestamp"], "the finalizer holds it"
    daemon.kubectl("annotate", "greeting", "hello", "example.com/let-go=yes")
    eventually(lambda: not read(daemon, "greeting", "hello"), "the operator lets it go")
    eventually(lambda: not read(daemon, "configmap", "hello"), "what it owned goes with it")


def test_operators_know_of_each_other(daemon: LoneDaemon) -> None:
    def peers() -> dict[str, Any]:
        return dict(read(daemon, "clusterkopfpeering", "greeters").get("status", {}))

    [first] = eventually(peers, "the operator says that it is there")
    with operator(daemon):
        eventually(lambda: len(peers()) == 2, "the second one says so, too")
    eventually(lambda: set(peers()) == {first}, "and that it is gone")
