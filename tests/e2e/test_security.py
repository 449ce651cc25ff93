"""What a Pod asks to be kept from and to be given, seen from inside its containers on real Engines."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes import registry
from tools.lab.cluster import Cluster, Daemon, eventually
from tools.lab.image import build_image

SPACE = "security-e2e"
PORT = 5111
PRIVATE = f"127.0.0.1:{PORT}/team/private:1"
FUSE = "example.com/fuse"

CONFINED = """
apiVersion: v1
kind: Pod
metadata: {name: %(name)s}
spec:
  terminationGracePeriodSeconds: 0
  hostname: web
  subdomain: sub
  securityContext:
    runAsUser: 1000
    runAsGroup: 2000
    fsGroup: 3000
    sysctls: [{name: net.ipv4.ip_local_port_range, value: 40000 50000}]
  hostAliases: [{ip: 10.1.2.3, hostnames: [db.example]}]
  dnsPolicy: None
  dnsConfig: {nameservers: [10.9.9.9], searches: [shop.example], options: [{name: ndots, value: "3"}]}
  containers:
  - name: main
    image: busybox:lab
    command: [sh, -c, "%(look)s; exec hold"]
    securityContext:
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
%(more)s
"""
LOOK = (
    "grep -E '^(Uid|Gid|Groups|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; touch /file 2>&1;"
    " cat /etc/hosts /etc/resolv.conf /proc/sys/net/ipv4/ip_local_port_range; hostname -f; echo end"
)
OTHER = "  - {name: other, image: 'busybox:lab', command: [hold]}"


class Space:
    """The namespace of these tests."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def kubectl(self, *words: str, **more: Any) -> str:
        return self.cluster.kubectl("-n", SPACE, *words, **more)

    def apply(self, manifest: str) -> None:
        self.kubectl("apply", "-f", "-", stdin=manifest)

    def pod(self, name: str) -> dict[str, Any]:
        return json.loads(self.kubectl("get", "pod", name, "-o", "json"))

    def wait_ready(self, name: str) -> None:
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=40s")

    def waiting(self, name: str, *reasons: str) -> str:
        """Wait until the Pod's container waits for one of some reasons; return the message."""

        def look() -> dict[str, Any] | None:
            statuses = self.pod(name).get("status", {}).get("containerStatuses") or [{}]
            waiting = statuses[0].get("state", {}).get("waiting") or {}
            return waiting if waiting.get("reason") in reasons else None

        return str(eventually(look, 40, f"{name} waits: {reasons[0]}").get("message"))

    def lines(self, name: str) -> list[list[str]]:
        """Return the words of what the Pod's first container printed, once it has ended printing."""
        logs = eventually(
            lambda: text if "end\n" in (text := self.kubectl("logs", name, "-c", "main")) else None, 20, "it has looked"
        )
        return [line.split() for line in logs.splitlines()]


@pytest.fixture
def space(cluster: Cluster) -> Iterator[Space]:
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    space = Space(cluster)
    yield space
    space.kubectl("delete", "pods", "--all", "--grace-period=0", "--force")
    eventually(lambda: not json.loads(space.kubectl("get", "pods", "-o", "json"))["items"], 30, "its Pods are gone")
    cluster.kubectl("delete", "namespace", SPACE)


@pytest.fixture
def configure(cluster: Cluster) -> Iterator[Callable[[Daemon, dict[str, Any]], None]]:
    """Restart a daemon with more keys in its configuration; afterwards it has those that it had."""
    before: dict[Daemon, str] = {}

    def restart(daemon: Daemon, text: str) -> None:
        daemon.config.write_text(text, encoding="utf-8")
        daemon.kill(signal.SIGTERM)
        daemon.start()
        cluster.wait_ready(3)

    def change(daemon: Daemon, settings: dict[str, Any]) -> None:
        before[daemon] = daemon.config.read_text(encoding="utf-8")
        restart(daemon, yaml.safe_dump(yaml.safe_load(before[daemon]) | settings))

    yield change
    for daemon, text in before.items():
        restart(daemon, text)


@pytest.mark.parametrize("more", ["", OTHER], ids=["alone", "with_sandbox"])
def test_a_pod_is_confined_as_it_asks(space: Space, more: str) -> None:
    space.apply(CONFINED % {"name": "confined", "look": LOOK, "more": more})
    space.wait_ready("confined")
    lines = space.lines("confined")
    assert ["Uid:", *["1000"] * 4] in lines
    assert ["Gid:", *["2000"] * 4] in lines
    assert next("3000" in line for line in lines if line[0] == "Groups:")
    assert ["CapBnd:", f"{1 << 10:016x}"] in lines
    assert ["NoNewPrivs:", "1"] in lines
    assert ["Seccomp:", "2"] in lines
    assert any(line[-3:] == ["Read-only", "file", "system"] for line in lines)
    assert ["10.1.2.3", "db.example"] in lines
    for line in (["nameserver", "10.9.9.9"], ["search", "shop.example"], ["options", "ndots:3"]):
        assert [each for each in lines if each[0] == line[0]] == [line]
    assert ["40000", "50000"] in lines
    assert [f"web.sub.{SPACE}.svc.cluster.local"] in lines
    told = space.cluster[space.pod("confined")["spec"]["nodeName"]].swarmlet("describe", "pod", "confined", "-n", SPACE)
    assert "runAsUser=1000" in told
    assert "capabilities.drop=ALL" in told


def test_an_image_that_runs_as_root_waits_where_root_is_forbidden(space: Space) -> None:
    spec = {"containers": [{"name": "main", "image": "busybox:lab"}], "securityContext": {"runAsNonRoot": True}}
    space.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"}, "spec": spec}))
    why = space.waiting("root", "CreateContainerConfigError")
    assert "container has runAsNonRoot and image will run as root" in why


def device_pod(name: str) -> str:
    container = {
        "name": "main",
        "image": "busybox:lab",
        "command": ["sh", "-c", "ls -l /dev/fuse; echo end; exec hold"],
        "resources": {"limits": {FUSE: "1"}},
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def test_a_device_goes_to_one_pod_at_a_time(space: Space, configure: Callable[[Daemon, dict[str, Any]], None]) -> None:
    holder = space.cluster.followers()[0]
    configure(holder, {"devices": {FUSE: {"paths": ["/dev/fuse"]}}})
    space.apply(device_pod("first"))
    space.wait_ready("first")
    assert space.pod("first")["spec"]["nodeName"] == holder.name
    assert space.lines("first")[0][-1] == "/dev/fuse"
    space.apply(device_pod("second"))
    eventually(lambda: f"lack {FUSE}" in space.kubectl("describe", "pod", "second"), 20, "it is told what is lacking")
    space.kubectl("delete", "pod", "first")
    space.wait_ready("second")


@pytest.fixture
def locked(cluster: Cluster, tmp_path: Path) -> Iterator[Daemon]:
    """A machine with a registry on its loopback that wants a password."""
    daemon = cluster.followers()[0]
    archive = tmp_path / "image.tar"
    archive.write_bytes(build_image({"team/private:1": "private"}))
    argv = [sys.executable, registry.__file__, str(archive), str(PORT), "me", "secret-word"]
    log = tmp_path / "registry.log"
    process = daemon.machine.spawn(argv, log=log)
    eventually(lambda: log.exists() and registry.LISTENS in log.read_text(encoding="utf-8"), 20, "the registry listens")
    yield daemon
    process.kill()


def private_pod(name: str, node: str, *secrets: str) -> str:
    container = {"name": "main", "image": PRIVATE, "imagePullPolicy": "IfNotPresent", "command": ["hold"]}
    spec = {
        "containers": [container],
        "nodeSelector": {"kubernetes.io/hostname": node},
        "imagePullSecrets": [{"name": secret} for secret in secrets],
        "terminationGracePeriodSeconds": 0,
    }
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def test_a_private_image_is_for_those_who_have_the_password(space: Space, locked: Daemon) -> None:
    words = ["create", "secret", "docker-registry", "mine", f"--docker-server=127.0.0.1:{PORT}"]
    words += ["--docker-username=me", "--docker-password=secret-word", "--dry-run=client", "-o", "yaml"]
    space.apply(space.kubectl(*words))
    space.apply(private_pod("mine", locked.name, "mine", "gone"))
    space.wait_ready("mine")
    eventually(
        lambda: "Unable to retrieve some image pull secrets (gone)" in space.kubectl("get", "events"), 20, "it is told"
    )
    space.apply(private_pod("thief", locked.name))
    assert "secret-word" not in space.waiting("thief", "ErrImagePull", "ImagePullBackOff")
    assert "secret-word" not in locked.log.read_text(encoding="utf-8", errors="replace")
