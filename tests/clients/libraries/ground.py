"""Where the libraries work: a namespace, an account that may little in it, and the programs that machines run."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from swarmlet.identity import authority
from tools.lab.cluster import Cluster, Daemon, eventually
from tools.lab.processes import Process

PROGRAM = Path(__file__).with_name("programs") / "program.py"
LIBRARIES = ("kubernetes", "kubernetes_asyncio", "lightkube", "kr8s")
TOKEN, CERTIFICATE = "token", "certificate"
USER = "library-user"
PORT = 7600
SERVICE_NAME = "kubernetes.default.svc"
"""Which every daemon's certificate bears."""
SECONDS_MAX = 60.0
RULES = [
    {"apiGroups": [""], "resources": ["configmaps", "pods", "pods/log"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["pods/exec", "pods/portforward"], "verbs": ["create", "get"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]},
]


def shows(library: str, *words: str) -> pytest.MarkDecorator:
    """Return the mark of a test that shows what a library does."""
    major, minor, *_ = importlib.metadata.version(library.replace("_", "-")).split(".")
    return pytest.mark.proves(*words, client=f"{library} {major}.{minor}")


@dataclass(frozen=True)
class Started:
    """A program that goes on; what it tells is written to a file."""

    process: Process
    told_to: Path

    def told(self, what: str) -> list[Any]:
        """Return what it has told so far of one thing."""
        lines = self.told_to.read_text(encoding="utf-8").splitlines() if self.told_to.exists() else []
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [each[what] for each in found if what in each]


@dataclass(frozen=True)
class Ground:
    """One namespace of a cluster, and the ways into it."""

    cluster: Cluster
    namespace: str
    folder: Path

    def run(self, library: str, scenario: str, credential: str, node: str = "h1") -> dict[str, Any]:
        """Run a program to its end; return all that it told, by what it is."""
        argv = self._argv(library, scenario, self.kubeconfig(credential, self.cluster[node].machine.address))
        done = self.cluster[node].machine.run(*argv, seconds=SECONDS_MAX, env=self._env())
        told: dict[str, Any] = {}
        for line in done.stdout.splitlines():
            told |= json.loads(line) if line.startswith("{") else {}
        return told

    def start(self, library: str, scenario: str, server: str, node: str = "h1", **env: str) -> Started:
        """Start a program that goes on."""
        told_to = self.folder / f"{library}-{scenario}-{len(list(self.folder.iterdir()))}"
        argv = self._argv(library, scenario, self.kubeconfig(TOKEN, server))
        process = self.cluster[node].machine.spawn(argv, log=told_to, env=self._env() | env)
        return Started(process, told_to)

    def kubeconfig(self, credential: str, host: str) -> Path:
        """Return a kubeconfig for the daemon, or the daemons, at a host."""
        path = self.folder / f"kubeconfig-{credential}-{host}"
        if not path.exists():
            ca = self.cluster.kubectl("-n", self.namespace, "get", "configmap", "kube-root-ca.crt", "-o", "json")
            server = {
                "server": f"https://{host}:{PORT}",
                "certificate-authority-data": _encoded(json.loads(ca)["data"]["ca.crt"]),
            }
            document = {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "clusters": [{"name": "c", "cluster": server}],
                "users": [{"name": "c", "user": self._token() if credential == TOKEN else self._certificate()}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c", "namespace": self.namespace}}],
            }
            path.write_text(json.dumps(document), encoding="utf-8")
        return path

    def make(self, name: str, node: str = "h1", value: str = "") -> None:
        """Make a ConfigMap, or another one of it where it is there, as a machine's administrator."""
        document = {"metadata": {"name": name}, "data": {"is": value}}
        door, path = self.cluster[node].door(), f"/api/v1/namespaces/{self.namespace}/configmaps"
        status, answer = door.call("POST", path, json.dumps(document).encode(), {"Content-Type": "application/json"})
        if status == 409:
            patch = {"Content-Type": "application/merge-patch+json"}
            status, answer = door.call("PATCH", f"{path}/{name}", json.dumps(document).encode(), patch)
        assert status in (200, 201), answer

    def _token(self) -> dict[str, str]:
        token = self.cluster.kubectl("-n", self.namespace, "create", "token", "app")
        return {"token": token.strip()}

    def _certificate(self) -> dict[str, str]:
        key = authority.new_key()
        asked = {"csr": authority.new_request(key), "user": USER, "groups": []}
        signed = self.cluster["h1"].door().json("POST", "/swarmlet/v1/certificates", asked)
        return {"client-certificate-data": _encoded(signed["certificate"]), "client-key-data": _encoded(key)}

    def _argv(self, library: str, scenario: str, kubeconfig: Path) -> list[str]:
        return [sys.executable, "-W", "ignore", str(PROGRAM), library, scenario, self.namespace, str(kubeconfig)]

    def _env(self) -> dict[str, str]:
        return dict(os.environ, HOME=str(self.folder))


@contextmanager
def prepared(cluster: Cluster, namespace: str, folder: Path) -> Iterator[Ground]:
    """Make the namespace with its account, user and role; afterwards it is gone with all that is in it."""
    cluster.kubectl("create", "namespace", namespace)
    try:
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "app"}
        account = {"kind": "ServiceAccount", "name": "app", "namespace": namespace}
        items: list[dict[str, Any]] = [
            {"apiVersion": "v1", "kind": "ServiceAccount"},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": RULES},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "roleRef": reference,
                "subjects": [account, {"kind": "User", "name": USER, "apiGroup": reference["apiGroup"]}],
            },
        ]
        named = [each | {"metadata": {"name": "app"}} for each in items]
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": named})
        cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=document)
        yield Ground(cluster, namespace, folder)
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")
        eventually(lambda: _is_gone(cluster, namespace), SECONDS_MAX, f"{namespace} is gone")


def watches(daemon: Daemon) -> int:
    """Return how many watches a daemon serves."""
    _, answer = daemon.door().call("GET", "/metrics")
    line = next(each for each in answer.decode().splitlines() if each.startswith("swarmlet_api_watches "))
    return int(float(line.split()[1]))


def _is_gone(cluster: Cluster, namespace: str) -> bool:
    return f"namespace/{namespace}" not in cluster.kubectl("get", "namespaces", "-o", "name").split()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
