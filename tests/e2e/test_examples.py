"""The examples with images of their own, built from their Dockerfiles on three machines, as their first lines say.

No registry is there: what a Dockerfile's FROM names is made of this machine's own programs.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.e2e import traffic
from tools.engine import Engine
from tools.lab import image, programs
from tools.lab.cluster import Cluster, eventually, is_ready

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
NAMESPACE = "examples"
PYTHON_PACKAGES = ("Django", "asgiref", "sqlparse", "gunicorn", "packaging", "redis")
BUILDS = (
    ("guestbook-web:1", EXAMPLES / "guestbook" / "web", {}),
    ("django-hello:1", EXAMPLES / "django", {}),
    ("django-hello:2", EXAMPLES / "django", {"VERSION": "2"}),
)
START_SECONDS_MAX = 80
FOLLOW_SECONDS_MAX = 30
LIST_ITEM = re.compile("<li>(.*?)</li>")
GREETING = re.compile(r"Hello from (\S+) on (\S+), version (\S+), visit 1\n")


def build(engine: Engine, tag: str, folder: Path, arguments: dict[str, str]) -> None:
    """Do what `docker build -t TAG --build-arg ... FOLDER` does."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        tar.add(folder, ".")
    query = urlencode({"t": tag, "buildargs": json.dumps(arguments), "networkmode": "none", "forcerm": "1"})
    headers = {"Content-Type": "application/x-tar"}
    status, said = engine.call("POST", f"/build?{query}", context.getvalue(), headers)
    assert status == 200, said
    assert engine.has_image(tag), said.decode()[-2000:]


@pytest.fixture(scope="module")
def images(three_machines: Cluster) -> None:
    """The examples' images, on every machine."""
    bases = (
        programs.python_image("python:3.13-slim", *PYTHON_PACKAGES),
        image.archive({"redis:7.4": image.Recipe()}, programs.of_program("redis-server", "redis-cli")),
    )

    def make(engine: Engine) -> None:
        for base in bases:
            engine.load(base)
        for tag, folder, arguments in BUILDS:
            build(engine, tag, folder, arguments)

    with ThreadPoolExecutor() as pool:
        list(pool.map(make, [daemon.machine.engine for daemon in three_machines]))


@pytest.fixture(scope="module")
def examples(three_machines: Cluster, images: None) -> Iterator[Cluster]:
    """Both examples, applied as their first lines say; gone afterwards."""
    three_machines.kubectl(
        "create", "-f", "-", stdin=f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"
    )
    for name in ("guestbook", "django"):
        kubectl(three_machines, "apply", "-f", str(EXAMPLES / name / f"{name}.yaml"))
    yield three_machines
    three_machines.kubectl("delete", "namespace", NAMESPACE, "--wait=false")

    def gone() -> bool:
        spaces = three_machines.kubectl("get", "namespaces", "-o", "name").split()
        volumes = three_machines.kubectl("get", "pv", "-o", "name").split()
        return f"namespace/{NAMESPACE}" not in spaces and not volumes

    eventually(gone, START_SECONDS_MAX, "the examples are gone")


def kubectl(cluster: Cluster, *arguments: str) -> str:
    return cluster.kubectl("-n", NAMESPACE, *arguments)


def ready(cluster: Cluster, selector: str, count: int) -> list[dict[str, Any]]:
    """Wait until exactly so many Pods of a selector serve, and no other is left."""

    def look() -> list[dict[str, Any]] | None:
        pods: list[dict[str, Any]] = json.loads(kubectl(cluster, "get", "pods", "-l", selector, "-o", "json"))["items"]
        return pods if len(pods) == count and all(map(is_ready, pods)) else None

    return eventually(look, START_SECONDS_MAX, f"{count} Pods of {selector} serve") or []


def urls(cluster: Cluster, port: int) -> list[str]:
    return [f"http://{daemon.machine.address}:{port}/" for daemon in cluster]


def entries(cluster: Cluster) -> list[set[str]]:
    """Return what the guestbook shows at each machine; nothing where it shows no page."""
    shown = []
    for url in urls(cluster, 30088):
        try:
            shown.append(set(LIST_ITEM.findall(traffic.fetch(url))))
        except OSError:
            shown.append(set())
    return shown


def sign(cluster: Cluster, entry: str) -> None:
    """Write an entry, as soon as there is a leader that takes it; then see it at every machine."""

    def written() -> bool:
        try:
            traffic.fetch(urls(cluster, 30088)[0], urlencode({"entry": entry}).encode())
        except OSError:
            return False
        return True

    eventually(written, FOLLOW_SECONDS_MAX, f"{entry} is written")
    eventually(lambda: all(entry in each for each in entries(cluster)), FOLLOW_SECONDS_MAX, f"{entry} is read")


def test_the_guestbook_is_written_through_its_leader_and_read_through_its_followers(examples: Cluster) -> None:
    (leader,) = ready(examples, "app=redis,role=leader", 1)
    ready(examples, "app=redis,role=follower", 2)
    ready(examples, "app=guestbook", 3)
    sign(examples, "first")
    kubectl(examples, "delete", "pod", leader["metadata"]["name"], "--wait=false", "--grace-period=0", "--force")
    assert all("first" in each for each in entries(examples)), "followers go on while the leader is away"
    sign(examples, "second")
    (successor,) = ready(examples, "app=redis,role=leader", 1)
    assert successor["metadata"]["name"] != leader["metadata"]["name"]
    assert entries(examples) == [{"first", "second"}] * 3


def greeted(answers: Counter[str]) -> list[tuple[str, str, str]]:
    """Return the Pod, the node and the version of each different answer; each must be a greeting."""
    found = [GREETING.fullmatch(answer) for answer in answers]
    assert None not in found, answers
    return [(match[1], match[2], match[3]) for match in found if match]


def test_every_machine_spreads_requests_over_three_copies_of_a_django_site(examples: Cluster) -> None:
    pods = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in ready(examples, "app=django", 3)}
    assert set(pods.values()) == {"h1", "h2", "h3"}
    for url in urls(examples, 8000):
        eventually(lambda url=url: traffic.fetch(url), START_SECONDS_MAX, f"{url} answers")
        answers = Counter(traffic.fetch(url) for _ in range(40))
        assert {(pod, node) for pod, node, _ in greeted(answers)} == set(pods.items()), url


def test_no_request_is_lost_when_a_copy_is_killed_or_a_version_is_rolled_out(examples: Cluster) -> None:
    before = {pod["metadata"]["name"] for pod in ready(examples, "app=django", 3)}
    with traffic.flowing(urls(examples, 8000)) as asked:
        kubectl(examples, "delete", "pod", min(before), "--wait=true")
        ready(examples, "app=django", 3)
        kubectl(examples, "set", "image", "deployment/django", "django=django-hello:2")
        kubectl(examples, "rollout", "status", "deployment/django", f"--timeout={START_SECONDS_MAX}s")
        after = {pod["metadata"]["name"] for pod in ready(examples, "app=django", 3)}
    assert asked.lost == []
    greetings = greeted(asked.answers)
    assert {version for _, _, version in greetings} == {"1", "2"}
    assert before | after <= {pod for pod, _, _ in greetings}
    assert after == {pod for pod, _, version in greetings if version == "2"}
