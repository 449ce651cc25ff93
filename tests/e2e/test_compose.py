"""Compose projects of config/examples on three machines: in order, with their files, changed, and gone again.

No registry is there: the images' names stand for busybox, and a second Compose file over each project says what it does
in their place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import traffic
from tools.lab import image
from tools.lab.cluster import Cluster, eventually, is_ready

EXAMPLES = Path(__file__).parents[2] / "config" / "examples" / "compose"
SECONDS_MAX = 40
TAGS = (
    "wordpress:6.8-php8.3-apache",
    "mysql:8.4",
    "registry.example.com/shop/django:1",
    "registry.example.com/shop/django:2",
    "postgres:17-alpine",
    "redis:7-alpine",
    "registry.example.com/voting/vote:2",
    "registry.example.com/voting/worker:2",
    "quay.io/prometheus/node-exporter:v1.9.1",
    "timberio/vector:0.46.1-alpine",
    "victoriametrics/victoria-metrics:v1.117.0",
)
QUICK = "{test: [CMD, test, -e, /tmp/up], interval: 1s, timeout: 1s, start_period: 10s, start_interval: 1s}"
ASK = "ask() { nc -w 2 $$1 $$2 </dev/null | grep .; }"
"""A shell's function: what somebody else's service says when it is called by its name."""

BLOG = f"""
services:
  db:
    entrypoint: [sh, -c]
    command:
      - |
        test -f /var/lib/mysql/born || cp /run/secrets/db_password /var/lib/mysql/born
        echo again >>/var/lib/mysql/starts
        nc -ll -p 3306 -e echo "its data" &
        {ASK}
        until ask db 3306; do sleep 0.2; done
        sleep 2; touch /tmp/up; exec hold
    healthcheck: {QUICK}
    stop_grace_period: 1s
  wordpress:
    entrypoint: [sh, -c]
    command:
      - |
        cat /usr/local/etc/php/conf.d/uploads.ini
        {ASK}
        until ask $$WORDPRESS_DB_HOST 3306 >/www/index.html; do sleep 0.2; done
        touch /tmp/up; exec serve
    healthcheck: {QUICK}
    stop_grace_period: 1s
"""
DJANGO = f"""
x-hold: &hold {{command: [hold], stop_grace_period: 1s}}
services:
  migrate: {{command: [sh, -c, 'sleep 1; echo migrated $$DATABASE_HOST $$V']}}
  web:
    command:
      - sh
      - -c
      - |
        {ASK}
        until (ask $$DATABASE_HOST 5432 && ask redis 6379) >/www/index.html; do sleep 0.2; done
        touch /tmp/up; PORT=8000 exec serve
    healthcheck: {QUICK}
    stop_grace_period: 1s
  worker: *hold
  beat: *hold
  redis:
    command: [sh, -c, 'nc -ll -p 6379 -e echo its cache & touch /tmp/up; exec hold']
    healthcheck: {QUICK}
    stop_grace_period: 1s
  db:
    command: [sh, -c, 'nc -ll -p 5432 -e echo its data & sleep 1; touch /tmp/up; exec hold']
    healthcheck: {QUICK}
    stop_grace_period: 1s
"""
VOTING = """
x-hold: &hold {entrypoint: [hold], command: [], stop_grace_period: 1s, healthcheck: {disable: true}}
x-shop: &shop {entrypoint: [nc], command: [-ll, -p, '80', -e, echo, open], stop_grace_period: 1s}
services:
  vote: {<<: *shop, depends_on: !reset [], deploy: {replicas: 1}, healthcheck: {disable: true}}
  result: {<<: *hold, depends_on: !reset [], deploy: {replicas: 0}}
  worker: {<<: *hold, depends_on: !reset [], deploy: {replicas: 1}}
  redis: {<<: *shop, healthcheck: {disable: true}}
  db: {<<: *hold, deploy: {replicas: 0}}
  page: {<<: *hold, image: "redis:7-alpine", networks: [front]}
"""
MONITORING = """
services:
  node-exporter: {entrypoint: [hold], command: [], stop_grace_period: 1s}
  vector: {entrypoint: [sh, -c], command: ['cat /etc/vector/vector.yaml; exec hold'], stop_grace_period: 1s}
  victoria: {entrypoint: [hold], command: [], stop_grace_period: 1s, deploy: {placement: {constraints: !override []}}}
"""


class Project:
    """One project in a namespace of its own, driven through the second machine's command line."""

    def __init__(self, cluster: Cluster, name: str, stand_in: str, folder: Path) -> None:
        self.cluster = cluster
        self.name = name
        self.namespace = f"compose-{name}"
        self.stand_in = folder / f"{name}.yaml"
        self.stand_in.write_text(stand_in, encoding="utf-8")

    @property
    def files(self) -> list[str]:
        return ["-f", str(EXAMPLES / self.name / "compose.yaml"), "-f", str(self.stand_in)]

    def swarmlet(self, verb: str, *arguments: str) -> str:
        return self.cluster["h2"].swarmlet(verb, "-n", self.namespace, *arguments)

    def kubectl(self, *arguments: str, **more: Any) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments, **more)

    def listed(self, kind: str) -> list[dict[str, Any]]:
        return json.loads(self.kubectl("get", kind, "-o", "json"))["items"]

    def pods(self, service: str) -> list[dict[str, Any]]:
        found = [each for each in self.listed("pods") if not each["metadata"].get("deletionTimestamp")]
        return [each for each in found if each["metadata"]["labels"]["com.docker.compose.service"] == service]

    def called(self, service: str, host: str, port: int) -> bool:
        """Whether a Pod of a service reaches a name or an address; a second is waited for."""
        pod = self.pods(service)[0]
        machine = self.cluster[pod["spec"]["nodeName"]].machine
        container = pod["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
        process = machine.engine.json("GET", f"/containers/{container}/json")["State"]["Pid"]
        inside = ("nsenter", "-t", str(process), "-n", "-m")
        done = machine.run(*inside, "/bin/busybox", "nc", "-w", "1", host, str(port), check=False, stdin="")
        return done.returncode == 0

    def wait_ready(self, **counts: int) -> None:
        def ready() -> bool:
            return all(sum(map(is_ready, self.pods(key.replace("_", "-")))) == count for key, count in counts.items())

        eventually(ready, SECONDS_MAX, f"{self.name} has {counts}")


def moment(pod: dict[str, Any], condition: str) -> str:
    """Return since when a condition of a Pod holds, as text that sorts."""
    (found,) = [each for each in pod["status"]["conditions"] if each["type"] == condition]
    return found["lastTransitionTime"]


def everywhere(cluster: Cluster, port: int) -> list[str]:
    """Return what a published port answers on each machine, once all do."""
    urls = [f"http://{daemon.machine.address}:{port}/" for daemon in cluster]

    def answers() -> list[str] | None:
        try:
            return [" ".join(traffic.fetch(url).split()) for url in urls]
        except OSError:
            return None

    return eventually(answers, SECONDS_MAX, f"{port} answers on every machine") or []


@pytest.fixture(scope="module")
def images(three_machines: Cluster) -> None:
    archive = image.build_image({tag: tag.rpartition(":")[2] for tag in TAGS})
    for daemon in three_machines:
        daemon.machine.engine.load(archive)


@pytest.fixture
def project(cluster: Cluster, images: None, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    name, stand_in = request.param
    project = Project(cluster, name, stand_in, tmp_path)
    cluster.kubectl(
        "create", "-f", "-", stdin=f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {project.namespace}}}"
    )
    yield project
    cluster.kubectl("delete", "namespace", project.namespace, "--wait=false")

    def gone() -> bool:
        spaces = cluster.kubectl("get", "namespaces", "-o", "name").split()
        return f"namespace/{project.namespace}" not in spaces and not cluster.kubectl("get", "pv", "-o", "name").split()

    eventually(gone, SECONDS_MAX, f"{project.namespace} and its volumes are gone")


@pytest.mark.parametrize("project", [("wordpress", BLOG)], indirect=True)
def test_wordpress_starts_after_its_database_and_keeps_its_data(project: Project) -> None:
    project.swarmlet("apply", "--wait", "--timeout=80s", *project.files)
    project.wait_ready(db=1, wordpress=1)
    (db,), (web,) = project.pods("db"), project.pods("wordpress")
    assert moment(web, "swarmlet.io/DependenciesMet") >= moment(db, "Ready")
    told = project.kubectl("describe", "pod", web["metadata"]["name"])
    assert "Waits for deployment/db to be ready (0/1)" in told or "Waits for deployment/db to exist" in told
    logs = project.kubectl("logs", "deployment/wordpress")
    assert "upload_max_filesize = 64M" in logs
    assert everywhere(project.cluster, 8080) == ["its data"] * 3, "the database, found by its name"

    assert "unchanged" in project.swarmlet("apply", *project.files)
    project.swarmlet("delete", *project.files)
    assert not project.listed("deployments")
    assert len(project.listed("pvc")) == 2
    project.swarmlet("apply", *project.files)
    project.wait_ready(db=1)
    (claim,) = [each for each in project.listed("pvc") if each["metadata"]["name"] == "blog-database"]
    (again,) = project.pods("db")
    assert again["spec"]["nodeName"] == db["spec"]["nodeName"]
    folder = project.cluster[again["spec"]["nodeName"]].data_dir / "volumes" / claim["spec"]["volumeName"]
    assert (folder / "starts").read_text().split() == ["again", "again"]
    assert (folder / "born").read_text() == (EXAMPLES / "wordpress" / "db_password.txt").read_text()


@pytest.mark.parametrize("project", [("django", DJANGO)], indirect=True)
def test_django_is_migrated_before_it_serves_and_anew_with_each_version(project: Project, tmp_path: Path) -> None:
    def apply(tag: str) -> str:
        variables = tmp_path / "version.env"
        variables.write_text(f"APP_TAG={tag}\n", encoding="utf-8")
        return project.swarmlet("apply", *project.files, "--env-file", str(variables))

    apply("1")
    project.wait_ready(db=1, redis=1, web=1, worker=2, beat=1)
    (job,) = project.listed("jobs")
    (web,) = project.pods("web")
    assert job["status"]["completionTime"] <= moment(web, "swarmlet.io/DependenciesMet")
    assert "migrated db 1" in project.kubectl("logs", f"job/{job['metadata']['name']}")
    assert everywhere(project.cluster, 8000) == ["its data its cache"] * 3

    done = apply("2")
    assert f"job.batch/{job['metadata']['name']} deleted" in done

    def rolled_out() -> bool:
        pods = project.pods("web")
        images = {each["spec"]["containers"][0]["image"] for each in pods}
        return images == {"registry.example.com/shop/django:2"} and all(map(is_ready, pods))

    eventually(rolled_out, SECONDS_MAX, "version 2 serves")
    (second,) = project.listed("jobs")
    assert second["metadata"]["name"] != job["metadata"]["name"]
    assert second["status"]["completionTime"] <= moment(project.pods("web")[0], "swarmlet.io/DependenciesMet")


@pytest.mark.parametrize("project", [("monitoring", MONITORING)], indirect=True)
def test_what_is_global_runs_on_each_machine(project: Project) -> None:
    project.swarmlet("apply", *project.files)
    project.wait_ready(node_exporter=3, vector=3, victoria=1)
    assert {each["spec"]["nodeName"] for each in project.pods("vector")} == {"h1", "h2", "h3"}
    assert "prometheus_remote_write" in project.kubectl("logs", project.pods("vector")[0]["metadata"]["name"])
    smaller = project.stand_in.parent / "smaller.yaml"
    smaller.write_text("services: {victoria: !reset null}", encoding="utf-8")
    assert "deployment.apps/victoria deleted" in project.swarmlet(
        "apply", *project.files, "-f", str(smaller), "--remove-orphans"
    )
    eventually(lambda: not project.pods("victoria"), SECONDS_MAX, "victoria is gone")
    project.swarmlet("delete", *project.files, "--volumes", "--ignore-not-found")
    left = project.listed("daemonsets,deployments,pods,configmaps,persistentvolumeclaims")
    assert [each["metadata"]["name"] for each in left] == ["kube-root-ca.crt"], "which every namespace has"


@pytest.mark.parametrize("project", [("voting", VOTING)], indirect=True)
def test_services_that_share_no_network_are_kept_apart(project: Project) -> None:
    project.swarmlet("apply", *project.files)
    project.wait_ready(vote=1, worker=1, redis=1, page=1)
    eventually(lambda: project.called("worker", "redis", 80), SECONDS_MAX, "the tier behind talks to itself")
    assert project.called("page", "vote", 80)
    (redis,) = project.pods("redis")
    assert project.called("vote", redis["status"]["podIP"], 80)
    assert not project.called("page", redis["status"]["podIP"], 80), "it is not in the network of redis"
    elsewhere = next(each for each in project.cluster if each.name != redis["spec"]["nodeName"]).machine.address
    assert not project.called("redis", elsewhere, 7600), "its network is internal"
    assert project.called("page", elsewhere, 5000), "what is published is open to all"
    project.swarmlet("delete", *project.files)
    assert not project.listed("networkpolicies")
