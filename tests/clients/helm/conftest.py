"""What is here runs on machines, after all else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.spaces import Space, space
from tools.lab.cluster import BIN, Cluster

SPACE = "helm-e2e"
SERVE = "trap exit TERM; mkdir -p /w; echo $GREETING > /w/index.html; httpd -f -p 8080 -h /w & wait"
VALUES = {
    "image": "busybox:lab",
    "command": ["sh", "-c", SERVE],
    "ready": "wget -q -O /dev/null http://127.0.0.1:8080",
    "test": "wget -q -O - http://shop | grep -x hello",
}


class Helm:
    """Run on the first machine, as a user would."""

    def __init__(self, there: Space, values: Path) -> None:
        self.there = there
        self.values = ("--values", str(values))

    def __call__(self, program: str, *words: str, code: int = 0) -> str:
        cluster = self.there.cluster
        daemon = next(iter(cluster))
        env = dict(os.environ, HOME=str(cluster.lab.folder), KUBECONFIG=str(cluster.kubeconfig))
        server = ("--kube-apiserver", f"https://{daemon.machine.address}:7600", "--namespace", self.there.name)
        done = daemon.machine.run(str(BIN / program), *words, *server, env=env, check=False, seconds=120)
        assert done.returncode == code, (program, words, done.stdout, done.stderr)
        return done.stdout + done.stderr


@pytest.fixture
def helm(cluster: Cluster, tmp_path: Path) -> Iterator[Helm]:
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps(VALUES), encoding="utf-8")
    with space(cluster, SPACE) as there:
        yield Helm(there, values)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/clients/helm/" in str(item.path):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.slow)
