"""Our own command line on three machines: a Pod that one is in, a rollout, and names that a Tab finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import spaces
from tools.lab.cluster import BIN, Cluster, Daemon

SPACE = "command-line"
IMAGE = "busybox:lab"


@pytest.fixture(scope="module", autouse=True)
def _space(three_machines: Cluster) -> Iterator[None]:
    with spaces.space(three_machines, SPACE):
        yield


@pytest.fixture
def daemon(cluster: Cluster) -> Daemon:
    return cluster["h2"]


def shell(daemon: Daemon, line: str) -> str:
    """Run a line of shell on a machine, with `swarmlet` for its daemon; return what was printed."""
    prefix = f"export PATH={BIN}:$PATH SWARMLET_SOCKET={daemon.socket}; "
    done = daemon.machine.run("bash", "-c", prefix + line, check=False, seconds=90)
    return done.stdout + done.stderr


def test_one_is_in_a_pod_that_is_run_and_it_goes_afterwards(daemon: Daemon) -> None:
    run = f"swarmlet run tmp -n {SPACE} --image={IMAGE} -i --rm --restart=Never --command"
    printed = shell(daemon, f"(sleep 3; echo hello) | {run} -- sh -c 'read a; echo got $a; exit 3'; echo code $?")
    assert "got hello\n" in printed, printed
    assert f'pod "tmp" deleted from {SPACE} namespace\n' in printed
    assert "code 3\n" in printed, printed


def test_a_workload_is_made_changed_and_followed(daemon: Daemon) -> None:
    def swarmlet(*words: str) -> str:
        return daemon.swarmlet("-n", SPACE, *words)

    swarmlet("create", "deployment", "web", f"--image={IMAGE}", "--replicas=2")
    swarmlet("patch", "deploy/web", "--type=json", "-p", '[{"op": "add", "path": '
             '"/spec/template/spec/containers/0/command", "value": ["hold"]}]')  # fmt: skip
    swarmlet("set", "env", "deploy/web", "MODE=fast")
    assert "successfully rolled out" in swarmlet("rollout", "status", "deploy", "-l", "app=web", "--timeout=60s")
    told = swarmlet("describe", "deploy/web")
    assert "(2/2 replicas created)" in told, told
    assert "MODE:" in told
    pod = swarmlet("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
    assert "MODE=fast" in swarmlet("exec", pod, "--", "env")
    assert swarmlet("scale", "deploy", "--all", "--replicas=1", "--timeout=60s") == "deployment.apps/web scaled\n"
    assert swarmlet("auth", "can-i", "delete", "pods") == "yes\n"


def test_a_tab_finds_what_is_there(daemon: Daemon) -> None:
    found = shell(daemon, f"for try in 1 2 3 4 5; do swarmlet __complete bash 'swarmlet get deploy -n {SPACE} w'; done")
    assert "web" in found.split(), found
