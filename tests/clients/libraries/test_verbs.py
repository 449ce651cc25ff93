"""What each library does with objects and with Pods, by a token and by a client certificate."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.libraries.ground import CERTIFICATE, LIBRARIES, TOKEN, Ground, shows

FOUND: dict[str, Any] = {
    "made": {"is": "made"},
    "merge": {"merge": "1"},
    "strategic": {"merge": "1", "strategic": "2"},
    "json": {"merge": "1", "strategic": "2", "json": "3"},
    "replaced": [{"is": "replaced"}, 409],
    "applied": {"is": "applied"},
    "conflict": 409,
    "forced": {"is": "another"},
    "pages": 7,
    "gone": None,
    "refused": 403,
}
WITHOUT = {"kr8s": {"strategic", "replaced", "applied", "conflict", "forced"}}
"""What a library cannot do by itself."""
STREAMS = {"log": "listening\n", "exec": "inside\n", "forward": "hello"}
NO_STREAMS = {"kubernetes_asyncio": {"forward"}, "lightkube": {"forward"}}
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  nodeName: h2
  containers:
  - name: main
    image: busybox:lab
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "mkdir /tmp/w; echo hello > /tmp/w/index.html; echo listening; httpd -f -p 8080 -h /tmp/w"]
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
"""


WORDS = {
    "create": "made",
    "get": "gone",
    "list in pages": "pages",
    "delete": "gone",
    "patch (merge)": "merge",
    "patch (strategic)": "strategic",
    "patch (json)": "json",
    "replace, with its conflict": "replaced",
    "server-side apply, with its conflict": "conflict",
}
"""By which thing that a program tells it is shown."""


def words_of(library: str) -> list[str]:
    return [word for word, told in WORDS.items() if told not in WITHOUT.get(library, ())]


def streams_of(library: str) -> list[str]:
    words = {"log": "logs", "exec": "exec", "forward": "port-forward"}
    return [word for told, word in words.items() if told not in NO_STREAMS.get(library, ())]


def told_of(library: str) -> dict[str, Any]:
    found = {name: each for name, each in FOUND.items() if name not in WITHOUT.get(library, ())}
    if library == "kr8s":
        found["json"] = {"merge": "1", "json": "3"}
    return found


@pytest.mark.parametrize("library", [pytest.param(each, marks=shows(each, *words_of(each))) for each in LIBRARIES])
@pytest.mark.parametrize("credential", [TOKEN, pytest.param(CERTIFICATE, marks=pytest.mark.long_clients)])
def test_objects_are_made_changed_listed_and_deleted(ground: Ground, library: str, credential: str) -> None:
    node = "h2" if credential == CERTIFICATE else "h1"
    assert ground.run(library, "crud", credential, node) == told_of(library)


@pytest.fixture(scope="module")
def pod(shared_ground: Ground) -> None:
    kubectl = shared_ground.cluster.kubectl
    kubectl("-n", shared_ground.namespace, "apply", "-f", "-", stdin=POD)
    kubectl("-n", shared_ground.namespace, "wait", "pod/web", "--for=condition=Ready", "--timeout=60s")


@pytest.mark.long_clients
@pytest.mark.parametrize("library", [pytest.param(each, marks=shows(each, *streams_of(each))) for each in LIBRARIES])
def test_a_pod_on_another_machine_is_used(pod: None, ground: Ground, library: str) -> None:
    expected = {name: each for name, each in STREAMS.items() if name not in NO_STREAMS.get(library, ())}
    assert ground.run(library, "streams", CERTIFICATE) == expected
