"""The examples that are written the ways people write Compose files: what is read of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarmlet.manifests.compose import discovery, loading, rendering
from swarmlet.manifests.compose.model.project import Loaded

ASKED_FOR = {"HOME": "/users/me", "GATEWAY_TLS_KEY": "a key", "MINIO_PASSWORD": "change-me"}
EXAMPLES = Path(__file__).resolve().parents[3] / "config" / "examples" / "compose"


def load(name: str, *profiles: str) -> Loaded:
    folder = EXAMPLES / name
    paths = discovery.default_files(str(folder), lambda path: Path(path).is_file(), {})
    sources = [(path, Path(path).read_text(encoding="utf-8")) for path in paths]
    options = loading.Options(folder=str(folder), profiles=profiles)
    return loading.load(sources, lambda path: Path(path).read_bytes(), ASKED_FOR, options)


@pytest.mark.parametrize(
    ("name", "profiles", "services"),
    [
        ("django", (), "beat db migrate redis web worker"),
        ("rails", (), "postgres prepare redis sidekiq web"),
        ("rails", ("tools",), "console postgres prepare redis sidekiq web"),
        ("node-mongo", (), "api mongo web"),
        ("node-mongo", ("admin",), "api mongo mongo-express web"),
        ("laravel", (), "migrate mysql nginx php queue redis scheduler"),
        ("laravel", ("dev",), "mailpit migrate mysql nginx php queue redis scheduler"),
        ("grafana", (), "alertmanager grafana node-exporter prometheus"),
        ("elasticsearch", (), "elasticsearch index kibana"),
        ("gitea", (), "db gitea"),
        ("gitea", ("actions",), "db gitea runner"),
        ("nextcloud", (), "app cron db redis"),
    ],
)
def test_an_example_is_read(name: str, profiles: tuple[str, ...], services: str) -> None:
    assert sorted(load(name, *profiles).project.services) == services.split()


@pytest.mark.parametrize("folder", sorted(path.name for path in EXAMPLES.iterdir()))
def test_every_example_is_read_without_a_word_and_prints_as_itself(folder: str) -> None:
    loaded = load(folder)
    assert [line for line in loaded.warnings if ": version: " not in line] == []
    text = json.dumps(rendering.document(loaded.project))
    printed = loading.load(
        [(str(EXAMPLES / folder / "printed.yaml"), text)],
        lambda path: Path(path).read_bytes(),
        ASKED_FOR,
        loading.Options(folder=str(EXAMPLES / folder)),
    )
    assert printed.project == loaded.project


def test_the_environment_of_django_comes_from_three_places() -> None:
    web = load("django").project.services["web"]
    assert web.environment == {
        "DJANGO_SETTINGS_MODULE": "shop.settings.production",
        "DJANGO_ALLOWED_HOSTS": "shop.example.com,localhost",
        "DATABASE_NAME": "shop",
        "DATABASE_USER": "shop",
        "EMAIL_SUBJECT_PREFIX": "[Shop] ",
        "LOG_LEVEL": "info",
        "DATABASE_HOST": "db",
        "DATABASE_PASSWORD_FILE": "/run/secrets/db_password",
        "REDIS_URL": "redis://redis:6379/0",
        "WEB_CONCURRENCY": "3",
    }


def test_rails_extends_one_file_and_overrides_what_it_must() -> None:
    services = load("rails").project.services
    assert services["prepare"].restart == "no"
    assert services["web"].restart == "unless-stopped"
    assert services["sidekiq"].environment["DATABASE_URL"] == "postgres://rails:change-me@postgres/rails_production"
    assert services["sidekiq"].environment["RAILS_MASTER_KEY"] == "0123456789abcdef0123456789abcdef"


def test_grafana_includes_a_project_with_a_folder_and_variables_of_its_own() -> None:
    alertmanager = load("grafana").project.services["alertmanager"]
    assert alertmanager.image == "prom/alertmanager:v0.27.0"
    assert alertmanager.volumes[0].source == str(EXAMPLES / "grafana" / "alerting" / "alertmanager.yml")


def test_gitea_has_an_override_that_takes_away_and_replaces() -> None:
    gitea = load("gitea").project.services["gitea"]
    assert gitea.container_name == ""
    assert [port.published for port in gitea.ports] == ["3000", "22022"]
    assert gitea.environment["GITEA__server__ROOT_URL"] == "https://git.example.com/"


def test_what_laravel_writes_with_two_dollars_has_one() -> None:
    loaded = load("laravel")
    assert b"try_files $uri $uri/ /index.php?$query_string;" in loaded.configs["site"]
    assert loaded.secrets["mysql_root_password"] == b"change-me-too"


def test_the_nextcloud_cron_is_the_app_with_another_command() -> None:
    services = load("nextcloud").project.services
    cron = services["cron"]
    assert (cron.image, cron.volumes) == (services["app"].image, services["app"].volumes)
    assert (cron.entrypoint, cron.ports, list(cron.depends_on)) == (("/cron.sh",), (), ["app"])
    assert cron.healthcheck is not None
    assert cron.healthcheck.disable
