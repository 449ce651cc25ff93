"""The official kubectl and the Python client against a daemon on the process runtime: streams, in both protocols."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config, stream

from tests.api.lone_daemon import LoneDaemon, lone_daemon
from tests.talking import MANY, many_call, port_of, talk

pytestmark = pytest.mark.slow
WEBSOCKETS: dict[str, str] = {}
SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
"""What every kubectl before 1.31 speaks, and later ones where they are told to."""
MUCH = os.urandom(5_000_000)
SECONDS_MAX = 30
STOP_SECONDS_MAX = 6
"""Well under the ten that it took while followed logs were waited for."""
ECHO = """
import os, socket, threading
server = socket.create_server((os.environ["POD_IP"], 8080), backlog=200)
def serve(connection):
    while data := connection.recv(65536): connection.sendall(data)
    connection.close()
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""

both = pytest.mark.parametrize("env", [WEBSOCKETS, SPDY], ids=["websockets", "spdy"])


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneDaemon]:
    with lone_daemon(tmp_path_factory.mktemp("daemon")) as daemon:
        daemon.create("echo", [sys.executable, "-c", ECHO])
        daemon.run_pod("one", "while sleep 0.2; do echo tick; done")
        daemon.kubectl("wait", "pod/echo", "--for=condition=Ready", "--timeout=30s")
        yield daemon


@both
def test_exec_tells_streams_apart_and_ends_with_the_commands_code(daemon: LoneDaemon, env: dict[str, str]) -> None:
    done = daemon.run("kubectl", "exec", "one", "--", "sh", "-c", "echo out; echo err >&2; exit 3", env=env)
    assert (done.returncode, done.stdout) == (3, b"out\n")
    assert done.stderr == b"err\ncommand terminated with exit code 3\n"


@both
def test_what_is_piped_into_exec_comes_back_unharmed(daemon: LoneDaemon, env: dict[str, str]) -> None:
    done = daemon.run("kubectl", "exec", "-i", "one", "--", "cat", stdin=MUCH, env=env)
    assert (done.returncode, done.stdout) == (0, MUCH)


@both
def test_a_terminal_is_as_large_as_kubectls(daemon: LoneDaemon, env: dict[str, str]) -> None:
    with terminal(rows=33, columns=111) as (ours, theirs):
        words = [*kubectl("exec", "-it", "one", "--", "sh", "-c", "read x; stty size; exit 4")]
        process = subprocess.Popen(words, env=daemon.env | env, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        os.write(ours, b"go\r")
        assert b"33 111\r\n" in read_to_end(ours)
        assert process.wait(SECONDS_MAX) == 4


@both
def test_what_cannot_be_run_is_told_in_words(daemon: LoneDaemon, env: dict[str, str]) -> None:
    done = daemon.run("kubectl", "exec", "one", "--", "no-such-program", env=env)
    assert done.returncode == 1
    assert b"no-such-program: No such file or directory" in done.stderr


@both
def test_attach_shows_what_is_printed_from_then_on(daemon: LoneDaemon, env: dict[str, str]) -> None:
    process = subprocess.Popen(kubectl("attach", "one"), env=daemon.env | env, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == [b"tick\n", b"tick\n"]
    process.kill()
    process.wait()


@both
def test_files_are_copied_there_and_back(daemon: LoneDaemon, env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(MUCH)
    assert daemon.run("kubectl", "cp", str(tmp_path / "there"), "one:copied", env=env).returncode == 0
    assert daemon.run("kubectl", "cp", "one:copied", str(tmp_path / "back"), env=env).returncode == 0
    assert (tmp_path / "back").read_bytes() == MUCH


@both
def test_port_forward_carries_much_and_many_at_once(daemon: LoneDaemon, env: dict[str, str]) -> None:
    with forwarded(daemon, "pod/echo", 8080, env) as port:
        assert digest(talk(MUCH, port)) == digest(MUCH)
        assert many_call(port) == MANY


@both
def test_a_port_where_nobody_listens_is_told(daemon: LoneDaemon, env: dict[str, str]) -> None:
    words = kubectl("port-forward", "pod/echo", ":81")
    with subprocess.Popen(words, env=daemon.env | env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        with socket.create_connection(("127.0.0.1", port_of(process.stdout))) as connection:
            assert connection.recv(1) == b""
        assert b"failed to connect to localhost:81 inside the pod" in process.stderr.readline()
        process.kill()


def test_what_a_request_lacks_is_told(daemon: LoneDaemon) -> None:
    for path, told in (
        ("none/exec?command=true&stdout=1", 'pods \\"none\\" not found'),
        ("one/exec?stdout=1", "at least one command"),
        ("one/exec?command=true", "at least 1 of stdin, stdout, stderr"),
        ("one/exec?command=true&stdout=1&container=other", "container other is not valid for pod one"),
    ):
        printed = ask(daemon, f"/api/v1/namespaces/default/pods/{path}", "Upgrade: SPDY/3.1")
        assert told in printed
    assert "Upgrade request required" in ask(daemon, "/api/v1/namespaces/default/pods/one/exec?command=true")


def test_the_python_client_runs_commands_and_forwards_ports(daemon: LoneDaemon) -> None:
    config.load_kube_config(str(daemon.folder / "kubeconfig"))
    api = client.CoreV1Api()
    options = {"stdout": True, "stderr": True, "tty": False, "stdin": True, "_preload_content": False, "binary": True}
    command = ["sh", "-c", f"head -c {len(MUCH)}; exit 5"]
    session = stream.stream(api.connect_get_namespaced_pod_exec, "one", "default", command=command, **options)
    session.write_stdin(MUCH)
    session.run_forever(timeout=SECONDS_MAX)
    assert (session.read_stdout(), session.returncode) == (MUCH, 5)
    forward = stream.portforward(api.connect_get_namespaced_pod_portforward, "echo", "default", ports="8080,81")
    good, bad = forward.socket(8080), forward.socket(81)
    good.setblocking(True)
    bad.setblocking(True)
    good.sendall(b"hello")
    assert good.recv(5) == b"hello"
    assert bad.recv(1) == b""
    assert "failed to connect to localhost:81" in str(forward.error(81))
    good.close()


def kubectl(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("kubectl")), *words]


@contextlib.contextmanager
def forwarded(daemon: LoneDaemon, pod: str, port: int, env: dict[str, str]) -> Iterator[int]:
    words = kubectl("port-forward", pod, f":{port}")
    with subprocess.Popen(words, env=daemon.env | env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield port_of(process.stdout)
        finally:
            process.kill()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def ask(daemon: LoneDaemon, path: str, *headers: str) -> str:
    """Return the answer to a GET at the administrator's socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(daemon.socket))
        lines = [f"GET {path} HTTP/1.1", "Host: x", *headers, "Connection: Upgrade, close", "", ""]
        connection.sendall("\r\n".join(lines).encode())
        connection.settimeout(SECONDS_MAX)
        return connection.recv(65_536).decode()


@contextlib.contextmanager
def terminal(*, rows: int, columns: int) -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    try:
        yield ours, theirs
    finally:
        os.close(ours)


def read_to_end(descriptor: int) -> bytes:
    found = b""
    with contextlib.suppress(OSError):  # nobody has the other end any more
        while data := os.read(descriptor, 65_536):
            found += data
    return found


def test_logs_of_several_containers_are_told_apart_and_cut_as_asked(daemon: LoneDaemon) -> None:
    containers = [
        {"name": name, "image": "x", "command": ["sh", "-c", f"for i in 1 2 3; do echo {name} $i; done; sleep 1000"]}
        for name in "ab"
    ]
    spec = {"containers": containers, "terminationGracePeriodSeconds": 0}
    metadata = {"name": "two", "labels": {"app": "two"}}
    daemon.kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    daemon.kubectl("wait", "pod/two", "--for=condition=Ready", "--timeout=30s")
    for program in ("kubectl", "swarmlet"):
        asked = daemon.run(program, "logs", "-l", "app=two", "--all-containers", "--prefix", "--tail=1")
        assert sorted(asked.stdout.splitlines()) == [b"[pod/two/a] a 3", b"[pod/two/b] b 3"]
        asked = daemon.run(program, "logs", "two", "-c", "a", "--since-time=2020-01-01T00:00:00Z", "--limit-bytes=6")
        assert asked.stdout == b"a 1\na "
        assert daemon.run(program, "logs", "two", "-c", "a", "--since-time=2099-01-01T00:00:00Z").stdout == b""
        stamped = daemon.run(program, "logs", "two", "-c", "a", "--since=1h", "--timestamps", "--tail=1").stdout
        assert re.fullmatch(rb"20\d\d-\d\d-\d\dT\S+Z a 3\n", stamped)
        asked = daemon.run(program, "logs", "two", "-c", "a", "--previous")
        assert b'previous terminated container "a" in pod "two" not found' in asked.stderr


@pytest.mark.parametrize("program", ["kubectl", "swarmlet"])
def test_a_followed_log_ends_with_its_pod(daemon: LoneDaemon, program: str) -> None:
    daemon.run_pod("brief", "echo begun; sleep 1000")
    process = daemon.start(program, "logs", "-f", "brief", stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    daemon.kubectl("delete", "pod", "brief", "--now")
    assert process.communicate(timeout=SECONDS_MAX)[0] == b""
    assert process.returncode == 0


def test_attach_with_input_is_refused_where_there_is_none_to_give(daemon: LoneDaemon) -> None:
    daemon.run_pod("asks", "sleep 1000", stdin=True)
    for program in ("kubectl", "swarmlet"):
        done = daemon.run(program, "attach", "-i", "asks")
        assert done.returncode == 1
        assert b"error attaching to container: the process runtime keeps no standard input" in done.stderr


def test_a_daemon_that_stops_ends_its_streams_and_followed_logs_at_once(tmp_path: Path) -> None:
    with lone_daemon(tmp_path) as daemon:
        daemon.run_pod("one", "echo begun; sleep 20")  # nobody is left to end it
        following = daemon.start("swarmlet", "logs", "-f", "one", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        script = ["sh", "-c", "echo begun; sleep 1000"]
        running = daemon.start("kubectl", "exec", "one", "--", *script, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for process in (following, running):
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
        daemon.process.terminate()
        daemon.process.wait(STOP_SECONDS_MAX)
        assert b"broke off" in following.communicate(timeout=STOP_SECONDS_MAX)[1]
        running.communicate(timeout=STOP_SECONDS_MAX)
        assert 0 not in (following.returncode, running.returncode)
