"""exec, attach, cp and port-forward of our own command line, against a daemon on the process runtime."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.lone_daemon import PROGRAMS, LoneDaemon, lone_daemon
from tests.api.test_kubectl_streams import ECHO, read_to_end, terminal
from tests.talking import MANY, many_call, port_of, talk

pytestmark = pytest.mark.slow
MUCH = os.urandom(5_000_000)
SECONDS_MAX = 30
SCRIPT = "echo out; echo err >&2; exit 3"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneDaemon]:
    with lone_daemon(tmp_path_factory.mktemp("daemon")) as daemon:
        daemon.create("echo", [sys.executable, "-c", ECHO], ports=[{"name": "http", "containerPort": 8080}])
        daemon.run_pod("one", "while sleep 0.2; do echo tick; done")
        port = {"name": "web", "port": 80, "targetPort": "http"}
        metadata = {"name": "echo"}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
        daemon.kubectl("create", "-f", "-", stdin=service | {"spec": {"selector": {"app": "echo"}, "ports": [port]}})
        daemon.kubectl("wait", "pod/echo", "--for=condition=Ready", "--timeout=30s")
        yield daemon


def start(daemon: LoneDaemon, *words: str) -> subprocess.Popen[bytes]:
    return daemon.start("swarmlet", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (["one", "--", "sh", "-c", SCRIPT], 3, b"out\n", b"err\ncommand terminated with exit code 3\n"),
        (["-q", "one", "--", "false"], 1, b"", b""),
        (["one", "--", "no-such-program"], 1, b"", b"no-such-program: No such file or directory\n"),
        (["none", "--", "true"], 3, b"", b'error: pods "none" not found'),
        (["one", "-c", "other", "--", "true"], 3, b"", b'error: pod "one" has no container "other"; it has main\n'),
        (["one"], 2, b"", b"error: you must specify at least one command for the container"),
        (["-it", "one", "--", "echo", "x"], 0, b"x\n", b"Unable to use a TTY - input is not a terminal"),
    ],
)  # fmt: skip
def test_exec_ends_as_the_command_does(daemon: LoneDaemon, words: list[str], code: int, out: bytes, err: bytes) -> None:
    done = daemon.run("swarmlet", "exec", *words)
    assert (done.returncode, done.stdout) == (code, out)
    assert err in done.stderr
    assert b"Traceback" not in done.stderr


def test_what_is_piped_into_exec_comes_back_unharmed(daemon: LoneDaemon) -> None:
    done = daemon.run("swarmlet", "exec", "-i", "one", "--", "cat", stdin=MUCH)
    assert (done.returncode, done.stdout) == (0, MUCH)


def test_a_terminal_is_raw_has_this_ones_size_and_is_as_before_afterwards(daemon: LoneDaemon) -> None:
    with terminal(rows=33, columns=111) as (ours, theirs):
        script = "trap 'echo caught; stty size; exit 4' INT; echo begun; while :; do sleep 0.1; done"
        argv = [*PROGRAMS["swarmlet"], "exec", "-it", "one", "--", "sh", "-c", script]
        before = termios.tcgetattr(theirs)
        process = subprocess.Popen(argv, env=daemon.env, stdin=theirs, stdout=theirs, stderr=theirs)
        printed = b""
        while b"begun" not in printed:
            printed += os.read(ours, 1_000)
        os.write(ours, b"\x03")  # Ctrl-C is the command's
        assert process.wait(SECONDS_MAX) == 4
        assert termios.tcgetattr(theirs) == before
        os.close(theirs)
        assert b"caught\r\n33 111\r\n" in read_to_end(ours)


def test_attach_shows_what_is_printed_until_it_is_interrupted(daemon: LoneDaemon) -> None:
    process = start(daemon, "attach", "one")
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == [b"tick\n", b"tick\n"]
    process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=SECONDS_MAX)[1], process.returncode) == (b"", 130)


def test_files_and_folders_are_copied_there_and_back(daemon: LoneDaemon, tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "much").write_bytes(MUCH)
    (tmp_path / "here").mkdir()
    assert daemon.run("swarmlet", "cp", str(tmp_path / "folder"), "one:there").returncode == 0
    assert daemon.run("swarmlet", "cp", "one:there", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back" / "inner" / "much").read_bytes() == MUCH
    assert daemon.run("swarmlet", "cp", "one:there/inner/much", str(tmp_path / "here")).returncode == 0
    assert (tmp_path / "here" / "much").read_bytes() == MUCH


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["one:none", "x"], 1, b"tar in the container ended with exit code 2"),
        (["none", "one:x"], 3, b"none doesn't exist in local filesystem"),
        (["a", "b"], 2, b"one of the two must be in a Pod"),
        (["one:", "b"], 2, b"filepath can not be empty"),
    ],
)
def test_what_cannot_be_copied_is_told(daemon: LoneDaemon, words: list[str], code: int, told: bytes) -> None:
    done = daemon.run("swarmlet", "cp", *words)
    assert done.returncode == code
    assert told in done.stderr


@pytest.mark.parametrize("words", [["echo", ":8080"], ["service/echo", ":web"]])
def test_port_forward_carries_much_and_many_at_once(daemon: LoneDaemon, words: list[str]) -> None:
    process = start(daemon, "port-forward", *words)
    assert process.stdout is not None
    port = port_of(process.stdout)
    assert talk(MUCH, port) == MUCH
    assert many_call(port) == MANY
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["echo"], 2, b"list of ports are required"),
        (["echo", "99999"], 2, b"remote port must be > 0"),
        (["echo", ":nope"], 1, b"Pod 'echo' does not have a named port 'nope'"),
        (["service/echo", ":81"], 1, b"Service echo does not have a service port 81"),
        (["echo", "1:8080", "--address", "192.0.2.1"], 1, b"unable to listen on 192.0.2.1:1"),
    ],
)
def test_what_cannot_be_forwarded_is_told(daemon: LoneDaemon, words: list[str], code: int, told: bytes) -> None:
    done = daemon.run("swarmlet", "port-forward", *words)
    assert done.returncode == code
    assert told in done.stderr


def test_a_port_where_nobody_listens_is_told_and_the_others_go_on(daemon: LoneDaemon) -> None:
    process = start(daemon, "port-forward", "echo", ":81")
    assert process.stdout is not None
    assert process.stderr is not None
    assert talk(b"", port_of(process.stdout)) == b""
    assert b"failed to connect to localhost:81 inside the pod" in process.stderr.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SECONDS_MAX)


def test_run_is_in_the_pod_that_it_makes_and_ends_as_it_does(daemon: LoneDaemon) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9 10; do echo here; sleep 0.1; done; exit 3"
    command = ["--image=none", "--restart=Never", "--command", "-i", "--rm", "--", "sh", "-c", script]
    done = daemon.run("swarmlet", "run", "tmp", *command, stdin=b"")
    assert (done.returncode, b"here\n" in done.stdout) == (3, True), done
    assert b'pod "tmp" deleted from default namespace\n' in done.stdout
    assert b"Traceback" not in done.stderr


def test_run_prints_what_a_pod_said_that_has_ended_already(daemon: LoneDaemon) -> None:
    command = ["--image=none", "--restart=Never", "--command", "--attach", "--rm", "-q", "--", "echo", "done"]
    done = daemon.run("swarmlet", "run", "brief", *command)
    assert (done.returncode, done.stdout) == (0, b"done\n"), done
