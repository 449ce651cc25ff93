"""Services by the userspace proxy: three machines without Docker and without rules in the kernel."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.machines import LAB
from tools.lab import Lab
from tools.lab.cluster import Cluster, Daemon, eventually
from tools.lab.processes import Process

SUBNET = "10.77.33.0/24"
SETTINGS = {"runtime": "process", "rebalance": {"enabled": False}}
NODE_PORT = 30_080
MANIFEST = """
apiVersion: v1
kind: Service
metadata: {name: site}
spec:
  type: NodePort
  selector: {app: site}
  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: site}
spec:
  replicas: 3
  strategy: {rollingUpdate: {maxSurge: 3, maxUnavailable: 0}}
  selector: {matchLabels: {app: site}}
  template:
    metadata: {labels: {app: site}}
    spec:
      terminationGracePeriodSeconds: 15
      topologySpreadConstraints:
      - topologyKey: kubernetes.io/hostname
        maxSkew: 1
        whenUnsatisfiable: DoNotSchedule
        labelSelector: {matchLabels: {app: site}}
        matchLabelKeys: [pod-template-hash]
      containers:
      - name: web
        image: python
        env: [{name: VERSION, value: one}]
        command: [PYTHON, -c]
        args:
        - |
          import http.server, os, signal, sys
          class Page(http.server.BaseHTTPRequestHandler):
              def do_GET(self):
                  self.send_response(200)
                  self.end_headers()
                  self.wfile.write(os.environ["VERSION"].encode())
              def log_message(self, *_):
                  pass
          signal.signal(signal.SIGTERM, lambda *_: sys.exit())
          http.server.ThreadingHTTPServer((os.environ["POD_IP"], 8080), Page).serve_forever()
        readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1}
        lifecycle: {preStop: {sleep: {seconds: 6}}}
"""
VISITOR = """
import collections, json, signal, sys, urllib.request
found, stopping = collections.Counter(), []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
while not stopping:
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
            found[answer.read().decode()] += 1
    except OSError as error:
        found[f"lost: {error}"] += 1
    print(json.dumps(found), flush=True)
"""


@pytest.fixture(scope="module")
def machines_without_docker(machines: None) -> Iterator[Cluster]:
    with Lab(f"{LAB}proxy", count=3, subnet=SUBNET, docker=False) as lab:
        cluster = Cluster(lab, SETTINGS)
        cluster.form()
        yield cluster


class Visitor:
    """Asks one address of a machine over and over, each time by a new connection."""

    def __init__(self, daemon: Daemon, url: str, folder: Path) -> None:
        self._log = folder / f"{daemon.name}.visits"
        self._process: Process = daemon.machine.spawn([sys.executable, "-u", "-c", VISITOR, url], log=self._log)

    def found(self) -> dict[str, int]:
        lines = self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
        return json.loads(lines[-1]) if lines else {}

    def stop(self) -> dict[str, int]:
        self._process.signal(signal.SIGTERM)
        eventually(lambda: not self._process.alive, 10, "the visitor goes")
        return self.found()


@contextmanager
def visited(daemons: list[Daemon], folder: Path) -> Iterator[list[Visitor]]:
    visitors = [Visitor(each, f"http://{each.machine.address}:{NODE_PORT}/", folder) for each in daemons]
    try:
        yield visitors
    finally:
        for each in visitors:
            each.stop()


def test_a_node_port_loses_nothing_on_any_node_through_a_rollout_and_a_killed_daemon(
    machines_without_docker: Cluster, tmp_path: Path
):
    cluster = machines_without_docker
    assert [each.status()["network"]["services"] for each in cluster] == ["userspace"] * 3
    cluster.kubectl("apply", "-f", "-", stdin=MANIFEST.replace("PYTHON", sys.executable))
    cluster.wait_running("app=site", 3)
    daemons = list(cluster)
    for daemon in daemons:
        url = f"http://{daemon.machine.address}:{NODE_PORT}/"
        eventually(lambda daemon=daemon, url=url: fetched(daemon, url) == "one", 20, "the node port answers")
    with visited(daemons, tmp_path) as visitors:
        eventually(lambda: all(each.found().get("one", 0) > 20 for each in visitors), 20, "answers on every node")
        cluster.kubectl("set", "env", "deployment/site", "VERSION=two")
        cluster.kubectl("rollout", "status", "deployment/site", "--timeout=60s")
        eventually(lambda: all(each.found().get("two", 0) > 20 for each in visitors), 20, "the new one everywhere")
        visitors.pop().stop()
        daemons[2].kill()
        before = [each.found()["two"] for each in visitors]
        eventually(
            lambda: all(each.found()["two"] > count + 200 for each, count in zip(visitors, before, strict=True)),
            30,
            "answers after another node's daemon is killed",
        )
        found = [each.found() for each in visitors]
    assert [set(each) for each in found] == [{"one", "two"}] * 2, cluster.kubectl("get", "pods", "-o", "wide")

    daemons[2].start()
    cluster.wait_ready(3)
    address = cluster.kubectl("get", "service", "site", "-o", "jsonpath={.spec.clusterIP}").strip()
    for daemon in daemons:
        eventually(lambda daemon=daemon: fetched(daemon, f"http://{address}/") == "two", 20, "the cluster IP answers")


def fetched(daemon: Daemon, url: str) -> str:
    program = f"import urllib.request as r; print(r.urlopen({url!r}, timeout=5).read().decode())"
    return daemon.machine.run(sys.executable, "-c", program, check=False).stdout.strip()
