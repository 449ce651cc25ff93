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

from tools.lab import image
from tools.lab.cluster import Cluster, eventually, is_ready

EXAMPLES = Path(__file__).parents[2] / "config" / "examples" / "compose"
SECONDS_MAX = 25
TAGS = (
    "wordpress:6.8-php8.3-apache",
    "mysql:8.4",
    "registry.example.com/shop/django:1",
    "registry.example.com/shop/django:2",
    "postgres:17-alpine",
    "redis:7-alpine",
    "quay.io/prometheus/node-exporter:v1.9.1",
    "timberio/vector:0.46.1-alpine",
    "victoriametrics/victoria-metrics:v1.117.0",
)
QUICK = "{test: [CMD, test, -e, /tmp/up], interval: 1s, timeout: 1s, start_period: 10s, start_interval: 1s}"

BLOG = f"""
services:
  db:
    entrypoint: [sh, -c]
    command:
      - |
        test -f /var/lib/mysql/born || cp /run/secrets/db_password /var/lib/mysql/born
        echo again >>/var/lib/mysql/starts
        sleep 2; touch /tmp/up; exec hold
    healthcheck: {QUICK}
    stop_grace_period: 1s
  wordpress:
    entrypoint: [sh, -c]
    command: ['cat /usr/local/etc/php/conf.d/uploads.ini; echo "host $$WORDPRESS_DB_HOST"; touch /tmp/up; exec hold']
    healthcheck: {QUICK}
    stop_grace_period: 1s
"""
DJANGO = f"""
x-hold: &hold {{command: [hold], stop_grace_period: 1s}}
services:
  migrate: {{command: [sh, -c, 'sleep 1; echo migrated $$DATABASE_HOST $$V']}}
  web:
    command: [sh, -c, 'touch /tmp/up; exec hold']
    healthcheck: {QUICK}
    stop_grace_period: 1s
  worker: *hold
  beat: *hold
  redis: {{command: [sh, -c, 'touch /tmp/up; exec hold'], healthcheck: {QUICK}, stop_grace_period: 1s}}
  db: {{command: [sh, -c, 'sleep 1; touch /tmp/up; exec hold'], healthcheck: {QUICK}, stop_grace_period: 1s}}
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

    def wait_ready(self, **counts: int) -> None:
        def ready() -> bool:
            return all(sum(map(is_ready, self.pods(key.replace("_", "-")))) == count for key, count in counts.items())

        eventually(ready, SECONDS_MAX, f"{self.name} has {counts}")


def moment(pod: dict[str, Any], condition: str) -> str:
    """Return since when a condition of a Pod holds, as text that sorts."""
    (found,) = [each for each in pod["status"]["conditions"] if each["type"] == condition]
    return found["lastTransitionTime"]


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
    project.swarmlet("apply", "--wait", "--timeout=40s", *project.files)
    project.wait_ready(db=1, wordpress=1)
    (db,), (web,) = project.pods("db"), project.pods("wordpress")
    assert moment(web, "swarmlet.io/DependenciesMet") >= moment(db, "Ready")
    told = project.kubectl("describe", "pod", web["metadata"]["name"])
    assert "Waits for deployment/db to be ready (0/1)" in told or "Waits for deployment/db to exist" in told
    logs = project.kubectl("logs", "deployment/wordpress")
    assert "upload_max_filesize = 64M" in logs
    assert "host db" in logs

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
    assert not project.listed("daemonsets,deployments,pods,configmaps,persistentvolumeclaims")
