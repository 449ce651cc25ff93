"""`logs`, `exec`, `attach`, `cp`, `port-forward`, `proxy` and `debug`, asked of another machine than the Pod is on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.kubectl.programs import Kubectl
from tests.talking import port_of, talk
from tools.lab.cluster import eventually

HOME = "h3"
MUCH = os.urandom(2_000_000)
PATIENCE_SECONDS = 30.0
PROGRAM = """
trap 'exit 0' TERM
for i in 1 2 3 4 5; do echo line $i; done
if [ ! -e /kept/once ]; then touch /kept/once; echo first life; exit 3; fi
echo second life
busybox nc -ll -p 8080 -e cat & wait
"""


def pod(name: str, containers: list[dict[str, Any]]) -> str:
    mounts = [{"name": "kept", "mountPath": "/kept"}]
    spec = {
        "nodeName": HOME,
        "terminationGracePeriodSeconds": 1,
        "volumes": [{"name": "kept", "emptyDir": {}}],
        "containers": [{"image": "busybox:lab", "volumeMounts": mounts} | each for each in containers],
    }
    metadata = {"name": name, "labels": {"app": name}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


@pytest.fixture(scope="module")
def talker(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A Pod that has died once, beside a container that only holds."""
    main = {"name": "main", "command": ["sh", "-c", PROGRAM]}
    side = {"name": "side", "command": ["sh", "-c", "echo beside; exec hold"]}
    kubectl.apply(pod("talker", [main, side]))
    again = "--for=jsonpath={.status.containerStatuses[0].restartCount}=1"
    kubectl("wait", "pod/talker", again, "--timeout=60s")
    kubectl("wait", "pod/talker", "--for=condition=Ready", "--timeout=60s")
    yield kubectl
    kubectl("delete", "pod", "talker", "--now")


@pytest.mark.proves("logs", "logs --tail", "logs -c", "logs --previous", "logs --timestamps", "logs --limit-bytes")
def test_logs_are_cut_as_asked(talker: Kubectl) -> None:
    lines = [f"line {number}\n" for number in range(1, 6)]
    eventually(lambda: "second life" in talker.there("logs", "talker"), PATIENCE_SECONDS, "its second life")
    assert talker.there("logs", "talker") == "".join([*lines, "second life\n"])
    assert talker.there("logs", "talker", "--tail=2") == "line 5\nsecond life\n"
    assert talker.there("logs", "talker", "-c", "side") == "beside\n"
    assert talker.there("logs", "talker", "--previous") == "".join([*lines, "first life\n"])
    assert talker.there("logs", "talker", "--limit-bytes=9") == "line 1\nli"
    stamp, _, text = talker.there("logs", "talker", "--timestamps", "--tail=1").partition(" ")
    assert (stamp[-1], text) == ("Z", "second life\n")
    assert "container nobody is not valid for pod talker" in talker.there("logs", "talker", "-c", "nobody", code=1)


@pytest.mark.proves("logs --since", "logs --since-time", "logs --all-containers", "logs -l", "logs --prefix", "logs -f")
def test_logs_of_a_time_and_of_many(talker: Kubectl) -> None:
    assert talker.there("logs", "talker", "--since=1h").endswith("second life\n")
    assert talker.there("logs", "talker", "--since-time=2100-01-01T00:00:00Z") == ""
    both = talker.there("logs", "-l", "app=talker", "--all-containers", "--prefix").splitlines()
    assert {"[pod/talker/main] second life", "[pod/talker/side] beside"} <= set(both)
    following = talker.started("logs", "-f", "talker", "-c", "main", "--tail=1", node="h2")
    try:
        assert following.stdout is not None
        assert following.stdout.readline() == "second life\n"
        talker("exec", "talker", "-c", "main", "--", "sh", "-c", "echo later > /proc/1/fd/1")
        assert following.stdout.readline() == "later\n"
    finally:
        following.kill()
        following.wait()


@pytest.mark.proves("exec", "exec -i", "exec -c", "exec -t")
def test_exec_gives_both_outputs_and_the_code(talker: Kubectl) -> None:
    ended = talker.ended("exec", "talker", "-c", "side", "--", "sh", "-c", "echo out; echo err >&2; exit 7", node="h2")
    assert (ended.code, ended.out) == (7, "out\n")
    assert ended.errors.splitlines() == ["err", "command terminated with exit code 7"]
    assert talker.there("exec", "-i", "talker", "-c", "main", "--", "wc", "-c", stdin="x" * 70_000).strip() == "70000"
    missing = talker.there("exec", "talker", "-c", "main", "--", "no-such-program", code=126)
    assert "no-such-program" in missing


@pytest.mark.proves("exec -it")
def test_exec_on_a_terminal_has_its_size_and_its_interrupt(talker: Kubectl) -> None:
    sized = '[ "$(stty size)" = "33 101" ]'  # the size comes after the command has begun, as kubectl sends it
    size = f"for _ in $(seq 100); do {sized} && break; sleep 0.1; done; stty size"
    program = (
        f"tty >/dev/null && echo a terminal; {size}; trap 'echo interrupted; exit 5' INT; echo ready; sleep 60 & wait"
    )
    words = ("exec", "-it", "talker", "-c", "side", "--", "sh", "-c", program)
    code, said = talker.on_a_terminal(*words, node="h2", rows=33, columns=101, keys_after={"ready": b"\x03"})
    assert "a terminal" in said
    assert "33 101" in said
    assert "interrupted" in said
    assert code == 5


@pytest.mark.proves("attach", "run -i --rm")
def test_attach_hears_and_is_heard(talker: Kubectl) -> None:
    image = ("--image=busybox:lab", "--restart=Never")
    told = talker("run", "echo", "-i", "--rm", "-q", *image, "--", "sh", "-c", "cat; exit 0", stdin="one\ntwo\n")
    assert told == "one\ntwo\n"
    attached = talker.started("attach", "talker", "-c", "main", node="h2")
    try:
        assert attached.stdout is not None
        heard = ""
        talker("exec", "talker", "-c", "main", "--", "sh", "-c", "sleep 1; echo for all > /proc/1/fd/1")
        while "for all" not in heard:
            heard = attached.stdout.readline()
            assert heard
    finally:
        attached.kill()
        attached.wait()


@pytest.mark.proves("cp")
def test_cp_takes_folders_there_and_back(talker: Kubectl, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "much").write_bytes(MUCH)
    (source / "small").write_text("hello")
    talker.there("cp", str(source), "talker:/tmp-copy", "-c", "side")
    digest = hashlib.sha256(MUCH).hexdigest()
    assert digest in talker.there("exec", "talker", "-c", "side", "--", "sha256sum", "/tmp-copy/deep/much")
    talker.there("cp", "talker:/tmp-copy", str(tmp_path / "back"), "-c", "side")
    assert (tmp_path / "back" / "deep" / "much").read_bytes() == MUCH
    assert (tmp_path / "back" / "small").read_text() == "hello"


@contextlib.contextmanager
def serving(kubectl: Kubectl, *words: str) -> Iterator[Any]:
    """Start what goes on, and end it as a user does."""
    process = kubectl.started(*words, node="h2")
    try:
        yield process.stdout
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


@pytest.mark.proves("port-forward")
def test_a_port_is_forwarded_to_a_pod_and_to_a_service(talker: Kubectl) -> None:
    host = talker.cluster["h2"].machine.address
    with contextlib.suppress(AssertionError):
        talker("create", "service", "clusterip", "talker", "--tcp=80:8080")
    for target, port in (("pod/talker", "8080"), ("service/talker", "80")):
        with serving(talker, "port-forward", target, f":{port}", "--address", "0.0.0.0") as printed:
            local = port_of(printed)
            assert talk(MUCH[:300_000], local, host) == MUCH[:300_000]
            assert talk(b"again", local, host) == b"again"


@pytest.mark.proves("proxy")
def test_a_proxy_lets_others_ask_without_a_certificate(talker: Kubectl) -> None:
    host = talker.cluster["h2"].machine.address
    with serving(talker, "proxy", "--port=0", "--address=0.0.0.0", "--accept-hosts=.*") as printed:
        port = int(printed.readline().rpartition(":")[2])
        url = f"http://{host}:{port}/api/v1/namespaces/{talker.namespace}/pods/talker"
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            assert json.load(answer)["metadata"]["name"] == "talker"


@pytest.mark.proves("debug", refused="there are no ephemeral containers")
def test_debug_is_refused_in_words(talker: Kubectl) -> None:
    refused = talker("debug", "talker", "--image=busybox:lab", "--", "true", code=1)
    assert "ephemeral containers are disabled for this cluster" in refused


@pytest.mark.proves("debug --copy-to")
def test_debug_works_on_a_copy(talker: Kubectl) -> None:
    talker("debug", "talker", "--copy-to=copy", "--container=main", "--attach=false", "--", "hold")
    assert talker.path("pod", "copy", path="{.spec.containers[0].command[0]}") == "hold"
    talker("delete", "pod", "copy", "--now")
