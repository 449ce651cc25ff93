"""Streams to a Pod on another machine than the one that is asked: exec, cp and port-forward, and a link that is cut."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.talking import MANY, many_talk, port_of, talk
from tools.lab.cluster import BIN, Cluster, Daemon, eventually

SPACE = "streams"
MUCH = os.urandom(5_000_000)
CUT_SECONDS_MAX = 20.0
NAMESPACE = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {SPACE}}}\n---\n"


@dataclass(frozen=True)
class Streams:
    """`here` is the machine whose daemon is asked, `there` the one that the Pod is on; neither leads."""

    cluster: Cluster
    here: Daemon
    there: Daemon
    container_id: str

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a kubectl on the one machine that asks the daemon there."""
        env = dict(os.environ, HOME=str(self.cluster.lab.folder), KUBECONFIG=str(self.cluster.kubeconfig))
        return self.here.machine.popen(*self._argv, *words, env=env)

    def kubectl(self, *words: str, code: int = 0) -> str:
        """Run it to its end; return what it printed."""
        process = self.start(*words)
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == code, printed
        return printed

    @contextlib.contextmanager
    def forwarded(self) -> Iterator[tuple[int, str]]:
        """Forward a port of the one machine to the Pod's; what listens there is ended by the machine's own kill."""
        process = self.start("port-forward", "pod/echo", ":8080", "--address", "0.0.0.0")
        try:
            assert process.stdout is not None
            yield port_of(process.stdout), self.here.machine.address
        finally:
            self.here.machine.run("pkill", "-f", "port-forward pod/echo", check=False)
            process.wait(30)

    def sleeps(self) -> bool:
        """Whether the command runs that was begun in the Pod."""
        top = self.there.machine.engine.json("GET", f"/containers/{self.container_id}/top")
        return any("sleep 4321" in word for row in top["Processes"] for word in row)

    @property
    def _argv(self) -> list[str]:
        return [str(BIN / "kubectl"), "--server", f"https://{self.here.machine.address}:7600", "-n", SPACE]


def pod(node: str) -> str:
    """Return a Pod that sends back what it is sent."""
    command = ["busybox", "nc", "-ll", "-p", "8080", "-e", "cat"]
    container = {"name": "main", "image": "busybox:lab", "imagePullPolicy": "IfNotPresent", "command": command}
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]}
    metadata = {"name": "echo", "namespace": SPACE}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


@pytest.fixture(scope="module")
def streams(three_machines: Cluster) -> Iterator[Streams]:
    """A Pod on one machine, and another to ask; gone afterwards."""
    cluster = three_machines
    here, there = cluster.followers()
    cluster.kubectl("apply", "-f", "-", stdin=f"{NAMESPACE}{pod(there.name)}")
    cluster.kubectl("-n", SPACE, "wait", "pod/echo", "--for=condition=Ready", "--timeout=60s")
    found = json.loads(cluster.kubectl("-n", SPACE, "get", "pod", "echo", "-o", "json"))
    container_id = found["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
    yield Streams(cluster, here, there, container_id)
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_exec_reaches_the_other_machine_and_its_code_comes_back(streams: Streams) -> None:
    printed = streams.kubectl("exec", "echo", "--", "sh", "-c", "hostname; exit 7", code=7)
    assert printed == "echo\ncommand terminated with exit code 7\n"


@pytest.mark.proves("cp (5 MB each way)", client="kubectl 1.37")
def test_files_are_copied_there_and_back_unharmed(streams: Streams, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(MUCH)
    streams.kubectl("cp", str(tmp_path / "there"), "echo:/copied")
    assert digest(MUCH) in streams.kubectl("exec", "echo", "--", "sha256sum", "/copied")
    streams.kubectl("cp", "echo:/copied", str(tmp_path / "back"))
    assert digest((tmp_path / "back").read_bytes()) == digest(MUCH)


@pytest.mark.proves("port-forward (5 MB, 100 at once)", client="kubectl 1.37")
def test_a_port_carries_much_and_many_at_once(streams: Streams) -> None:
    with streams.forwarded() as (port, host):
        assert digest(talk(MUCH, port, host)) == digest(MUCH)
        assert many_talk(port, host) == MANY


@pytest.mark.proves("exec and port-forward over a link that is cut", client="kubectl 1.37")
def test_a_cut_link_ends_both_ends_of_what_it_carried(cluster: Cluster, streams: Streams) -> None:
    running = streams.start("exec", "echo", "--", "sh", "-c", "echo begun; exec sleep 4321")
    assert running.stdout is not None
    assert running.stdout.readline() == "begun\n"
    with streams.forwarded() as (port, host), socket.create_connection((host, port), CUT_SECONDS_MAX) as connection:
        connection.sendall(b"hello")
        assert connection.recv(5) == b"hello"
        assert streams.sleeps()
        cluster.lab.cut(streams.here.name, streams.there.name)
        cluster.lab.cut(streams.there.name, streams.here.name)
        try:
            assert connection.recv(1) == b""
            assert running.wait(CUT_SECONDS_MAX) != 0
            eventually(lambda: not streams.sleeps(), CUT_SECONDS_MAX, "the command in the Pod has ended")
        finally:
            cluster.lab.heal()


def test_what_is_piped_into_run_reaches_the_container_to_its_end(streams: Streams) -> None:
    image = ("--image=busybox:lab", "--image-pull-policy=IfNotPresent", "--restart=Never")
    printed = streams.cluster.kubectl(
        "-n", SPACE, "run", "once", "-i", "--rm", "-q", *image, "--", "cat", stdin="one\ntwo\n"
    )
    assert printed == "one\ntwo\n"
