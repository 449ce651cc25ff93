"""`swarmlet expose` makes the Service that kubectl makes."""

from __future__ import annotations

import json

import pytest
import yaml

from swarmlet.model import kinds
from tests.cli import objects
from tests.cli.conftest import Cluster


@pytest.fixture(autouse=True)
def _web(cluster: Cluster) -> None:
    cluster.ok("create", "deployment", "web", "--image=web:1", "--port=8080")
    cluster.ok("create", "deployment", "bare", "--image=web:1")
    cluster.do(lambda: objects.put(cluster.replica, kinds.POD, objects.pod("web-1")))


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "expose deploy/web --port=80 --target-port=8080",
        "expose deploy web",
        "expose deploy web --port=80 --target-port=http --type=NodePort --name=front",
        "expose pod web-1 --port=53 --protocol=UDP",
        "expose deploy web --port=80 --labels=a=b --selector=app=x --cluster-ip=None --session-affinity=ClientIP",
    ],
)
def test_the_service_is_kubectls(cluster: Cluster, line: str) -> None:
    command = [*line.split(), "--dry-run=server", "-o", "yaml"]
    ours, theirs = (yaml.safe_load(text) for text in (cluster.ok(*command), cluster.kubectl(*command).out))
    for each in (ours, theirs):
        for drawn in ("clusterIP", "clusterIPs"):
            each["spec"].pop(drawn, None)
        for port in each["spec"]["ports"]:
            port.pop("nodePort", None)
    assert (ours["spec"], ours["metadata"]["labels"]) == (theirs["spec"], theirs["metadata"]["labels"])


def test_the_service_is_made(cluster: Cluster) -> None:
    assert cluster.ok("expose", "deploy/web", "--port=80") == "service/web exposed\n"
    assert json.loads(cluster.ok("get", "svc", "web", "-o", "json"))["spec"]["selector"] == {"app": "web"}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [("expose deploy/bare", "couldn't find port"), ("expose ns/default --port=80", "cannot be exposed")],
)
def test_what_cannot_be_exposed_is_refused(cluster: Cluster, line: str, complaint: str) -> None:
    assert complaint in cluster.run(*line.split()).err
