"""Each library in a Pod, with what it finds there: the account's token, the authority, and the Service of the API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.libraries.ground import LIBRARIES, PROGRAM, SECONDS_MAX, Ground, shows, watches
from tests.clients.libraries.test_verbs import told_of
from tests.e2e.test_in_cluster import distributions
from tools.lab import programs
from tools.lab.cluster import eventually

pytestmark = pytest.mark.long_clients
IMAGE = "swarmlet-test/client-libraries:1"
HOME = "h2"
PROGRAMS = "programs"


@pytest.fixture(scope="module")
def pods(shared_ground: Ground) -> Ground:
    """The ground, where Pods find the libraries in an image and the programs in a ConfigMap."""
    needed = sorted(set().union(*(distributions(each.replace("_", "-")) for each in LIBRARIES)))
    shared_ground.cluster[HOME].machine.engine.load(programs.python_image(IMAGE, *needed))
    files = [f"--from-file={path}" for path in sorted(PROGRAM.parent.glob("*.py"))]
    kubectl(shared_ground, "create", "configmap", PROGRAMS, *files)
    return shared_ground


def kubectl(ground: Ground, *words: str, stdin: str | None = None) -> str:
    return ground.cluster.kubectl("-n", ground.namespace, *words, stdin=stdin)


def start(ground: Ground, name: str, library: str, scenario: str) -> None:
    container = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-W", "ignore", "/programs/program.py", library, scenario, ground.namespace],
        "volumeMounts": [{"name": PROGRAMS, "mountPath": "/programs"}],
    }
    spec = {
        "serviceAccountName": "app",
        "restartPolicy": "Never",
        "nodeName": HOME,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": PROGRAMS, "configMap": {"name": PROGRAMS}}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    kubectl(ground, "create", "-f", "-", stdin=json.dumps(pod))


def told(ground: Ground, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in kubectl(ground, "logs", name).splitlines() if line.startswith("{")]


def phase(ground: Ground, name: str) -> str:
    return kubectl(ground, "get", "pod", name, "-o", "jsonpath={.status.phase}")


@pytest.mark.parametrize(
    "library", [pytest.param(each, marks=shows(each, "in-cluster configuration")) for each in LIBRARIES]
)
def test_a_library_configures_itself(pods: Ground, ground: Ground, library: str) -> None:
    name = library.replace("_", "-")
    start(pods, name, library, "crud")
    eventually(lambda: phase(pods, name) in ("Succeeded", "Failed"), SECONDS_MAX, f"{name} has ended")
    found: dict[str, Any] = {}
    for each in told(pods, name):
        found |= each
    assert found == told_of(library), kubectl(pods, "logs", name)


@shows("kubernetes", "watch that outlives its daemon, in a Pod")
def test_the_service_leads_on_to_a_daemon_that_lives(pods: Ground, ground: Ground) -> None:
    nodes = [daemon.name for daemon in pods.cluster]
    before = {name: watches(pods.cluster[name]) for name in nodes}
    start(pods, "watches", "kubernetes", "watch")
    eventually(lambda: phase(pods, "watches") == "Running", SECONDS_MAX, "the Pod runs")

    def server() -> str:
        return next((name for name in nodes if watches(pods.cluster[name]) > before[name]), "")

    victim = pods.cluster[eventually(server, SECONDS_MAX, "a daemon serves its watch")]
    victim.kill()
    writer = next(name for name in nodes if name != victim.name)
    for number in range(10):
        pods.make(f"seen-{number}", writer)
    pods.make("end", writer)
    victim.start()
    pods.cluster.wait_ready(3)
    eventually(lambda: phase(pods, "watches") == "Succeeded", SECONDS_MAX, "the Pod has heard of the end")
    events = [each["event"][1] for each in told(pods, "watches") if "event" in each]
    assert [each for each in events if each.startswith("seen-")] == [f"seen-{number}" for number in range(10)]
    assert any("again" in each for each in told(pods, "watches"))
