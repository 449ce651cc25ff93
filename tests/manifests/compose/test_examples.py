"""Each project under config/examples/compose is converted, is admitted, and says no more than what is expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmlet.cli.compose import files as compose_files
from swarmlet.cli.compose import manifests as compose_manifests
from swarmlet.manifests.compose.conversion import converting
from swarmlet.manifests.compose.conversion.converting import Converted
from tests.manifests.compose.test_conversion import admit

EXAMPLES = Path(__file__).parents[3] / "config" / "examples" / "compose"
FOLDERS = sorted(path.name for path in EXAMPLES.iterdir())
VARIABLES = {"MINIO_PASSWORD": "change-me-please", "GATEWAY_TLS_KEY": "a key"}

WARNINGS: dict[str, set[str]] = {
    "elasticsearch": {"services.elasticsearch.ports"},
    "gitea": {"services.gitea.domainname", "services.gitea.volumes"},
    "grafana": {"services.grafana.secrets", "services.node-exporter.volumes"},
    "laravel": {"services.php.post_start", "services.redis.sysctls"},
    "monitoring": {"services.node-exporter.volumes"},
    "node-mongo": {
        "services.api.build",
        "services.api.develop",
        "services.web.links",
        "version",
    },
    "rabbitmq": {"services.rabbitmq.ports"},
    "rails": {
        "services.prepare.logging",
        "services.sidekiq.logging",
        "services.web.logging",
    },
    "voting": {"services.redis.logging", "services.vote.deploy.restart_policy"},
}
"""What each says beside its manifests: the keys that mean something else here."""

WORKLOADS: dict[str, dict[str, str]] = {
    "django": {"Deployment": "db redis web worker beat", "Job": "migrate"},
    "elasticsearch": {"Deployment": "elasticsearch kibana", "Job": "index"},
    "gateway": {"Deployment": "orders catalogue nginx"},
    "ghost": {"Deployment": "mysql ghost"},
    "gitea": {"Deployment": "db gitea"},
    "grafana": {"Deployment": "alertmanager prometheus grafana", "DaemonSet": "node-exporter"},
    "laravel": {"Deployment": "mysql redis php nginx queue scheduler", "Job": "migrate"},
    "minio": {"Deployment": "minio", "Job": "buckets"},
    "monitoring": {"DaemonSet": "node-exporter vector", "Deployment": "victoria"},
    "nextcloud": {"Deployment": "db redis app cron"},
    "node-mongo": {"Deployment": "mongo api web"},
    "rabbitmq": {"Deployment": "rabbitmq web worker"},
    "rails": {"Deployment": "postgres redis web sidekiq", "Job": "prepare"},
    "static-site": {"Deployment": "web certbot"},
    "voting": {"Deployment": "redis vote db result worker"},
    "wordpress": {"Deployment": "db wordpress"},
}
"""The services that are of each kind."""


def convert(name: str, monkeypatch: pytest.MonkeyPatch, *profiles: str) -> Converted:
    for variable, text in VARIABLES.items():
        monkeypatch.setenv(variable, text)
    paths = compose_manifests.of_folder(EXAMPLES / name)
    loaded = compose_files.load([(str(path), path.read_text()) for path in paths], profiles=profiles)
    return converting.convert(loaded, compose_manifests.files_below(EXAMPLES / name))


def test_there_are_at_least_fifteen() -> None:
    assert len(FOLDERS) >= 15
    assert set(FOLDERS) == set(WORKLOADS)


@pytest.mark.parametrize("name", FOLDERS)
def test_an_example_becomes_manifests_that_are_admitted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    converted = convert(name, monkeypatch)
    found: dict[str, str] = {}
    for document in converted.documents:
        if document["kind"] in ("Deployment", "DaemonSet", "Job"):
            service = document["metadata"]["labels"]["com.docker.compose.service"]
            found[document["kind"]] = f"{found.get(document['kind'], '')} {service}".strip()
    assert found == WORKLOADS[name]
    assert {line.split(": ")[1] for line in converted.warnings} == WARNINGS.get(name, set())
    assert admit(converted) == []


@pytest.mark.parametrize(("name", "profile", "service"), [("voting", "seed", "seed"), ("ghost", "backup", "dump")])
def test_what_a_profile_adds_runs_once(name: str, profile: str, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [each for each in convert(name, monkeypatch, profile).documents if each["kind"] == "Job"]
    assert [each["metadata"]["labels"]["com.docker.compose.service"] for each in jobs] == [service]
