"""Compose files on the command line, against the real API."""

from __future__ import annotations

import json

import pytest
import yaml

from swarmlet.cli.compose import manifests as compose_manifests
from tests.cli.conftest import Cluster

SHOP = """
name: shop
services:
  web:
    image: web:1
    ports: ["8080:80"]
    configs: [page]
    depends_on: {migrate: {condition: service_completed_successfully}, db: {condition: service_started}}
  migrate: {image: web:1, command: [migrate], depends_on: [db]}
  db: {image: "db:${VERSION:-1}", volumes: [data:/data]}
  debug: {image: shell, profiles: [debug]}
volumes: {data: {}}
configs: {page: {content: hello}}
"""


def write(cluster: Cluster, name: str, text: str) -> str:
    path = cluster.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def names(cluster: Cluster, kind: str) -> list[str]:
    return [line.partition("/")[2] for line in cluster.ok("get", kind, "-o", "name").splitlines()]


def apply(cluster: Cluster, *arguments: str) -> tuple[list[str], list[str]]:
    """Apply; return what was done and what was told."""
    result = cluster.run("apply", *arguments)
    assert result.code == 0, result
    return result.lines, result.err.splitlines()


def test_a_compose_file_is_applied_like_manifests(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    done, told = apply(cluster, "-f", path)
    assert told == []
    assert "deployment.apps/web created" in done
    assert sorted(names(cluster, "deploy")) == ["db", "web"]
    assert names(cluster, "pvc") == ["shop-data"]
    again, _ = apply(cluster, "-f", path)
    assert all(line.endswith("unchanged") for line in again)


def test_two_files_are_one_project_and_profiles_and_variables_are_given(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    over = write(cluster, "more.yaml", "services: {web: {image: 'web:2'}}")
    env = write(cluster, "my.env", "VERSION=7")
    apply(cluster, "-f", path, "-f", over, "--profile", "debug", "--env-file", env, "-p", "other")
    web, db = (json.loads(cluster.ok("get", "deploy", name, "-o", "json")) for name in ("web", "db"))
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    assert db["spec"]["template"]["spec"]["containers"][0]["image"] == "db:7"
    assert "debug" in names(cluster, "deploy")
    assert web["metadata"]["labels"]["com.docker.compose.project"] == "other"


def test_a_folder_with_a_compose_file_is_that_project_and_its_other_files_are_the_services(cluster: Cluster) -> None:
    write(cluster, "shop/compose.yaml", SHOP)
    write(cluster, "shop/compose.override.yaml", "services: {web: {scale: 4}}")
    write(cluster, "shop/prometheus.yml", "global: {scrape_interval: 15s}")
    apply(cluster, "-f", str(cluster.folder / "shop"))
    assert json.loads(cluster.ok("get", "deploy", "web", "-o", "json"))["spec"]["replicas"] == 4


def test_a_folder_as_large_as_may_be_goes_along(cluster: Cluster) -> None:
    keys = "image: web, volumes: ['./site:/site:ro']"
    path = write(cluster, "compose.yaml", f"name: shop\nservices: {{web: {{{keys}}}}}")
    write(cluster, "site/page", "x" * compose_manifests.FOLDER_BYTES_MAX)
    done, told = apply(cluster, "-f", path)
    assert told == []
    assert any(line.startswith("configmap/shop-site-") for line in done)
    assert all(line.endswith("unchanged") for line in apply(cluster, "-f", path)[0])


def test_projects_inside_a_folder_are_not_made_one(cluster: Cluster) -> None:
    write(cluster, "all/pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}")
    project = write(cluster, "all/shop/compose.yaml", SHOP)
    result = cluster.run("apply", "-R", "-f", str(cluster.folder / "all"))
    assert (result.code, result.out) == (1, "")
    assert f"{project.removesuffix('/compose.yaml')}: a Compose project lies here; name it by itself" in result.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("services:\n  a: {image: x}\n", True),
        ("# a comment\nname: x\n\n'services' : {}\n", True),
        ("include: [other.yaml]\n", True),
        ('{"services": {"a": {"image": "x"}}}', True),
        ("{services: {a: {image: x}}}", True),
        ("apiVersion: v1\nkind: ConfigMap\ndata: {services: x}\n", False),
        ("apiVersion: v1\nkind: ConfigMap\ndata:\n  services: x\n", False),
        ('{"apiVersion": "v1", "services": {}}', False),
        ('{"apiVersion": "v1"}\n{"apiVersion": "v1", "services": {}}', False),
        ("apiVersion: example.com/v1\nservices:\n", False),
        ("services: [", False),
        ("", False),
    ],
)
def test_a_compose_file_is_told_from_manifests(text: str, expected: bool) -> None:
    assert compose_manifests.is_compose("x.yaml", text) is expected


def test_what_kept_services_apart_goes_with_their_networks(cluster: Cluster) -> None:
    apart = (
        "name: shop\nservices: {a: {image: a, networks: [x]}, b: {image: b, networks: [y]}}\nnetworks: {x: {}, y: {}}"
    )
    done, told = apply(cluster, "-f", write(cluster, "compose.yaml", apart))
    assert told == []
    assert done[0] == "networkpolicy.networking.k8s.io/a created", "before there is a Pod"
    assert sorted(names(cluster, "netpol")) == ["a", "b"]
    path = write(cluster, "compose.yaml", apart.replace("[y]", "[x, y]"))
    done, _ = apply(cluster, "-f", path)
    assert "networkpolicy.networking.k8s.io/a deleted" in [line.replace("policies", "policy") for line in done]
    assert names(cluster, "netpol") == []
    apply(cluster, "-f", write(cluster, "compose.yaml", apart))
    cluster.ok("delete", "-f", path)
    assert names(cluster, "netpol") == []


def test_compose_files_and_manifests_go_together(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    config = write(cluster, "c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\n")
    apply(cluster, "-f", path, "-f", config)
    assert "mine" in names(cluster, "cm")
    apply(cluster, "-f", path)
    assert "mine" in names(cluster, "cm")


def test_what_means_something_else_is_told_with_its_place(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", "services:\n  web:\n    image: w\n    container_name: box\n")
    _, told = apply(cluster, "-f", path)
    assert len(told) == 1
    assert f"Warning: {path}:4: services.web.container_name: Pods are called after their service" in told[0]


def test_an_error_names_file_line_and_key(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", "services:\n  web:\n    imgae: w\n")
    result = cluster.run("apply", "-f", path)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {path}:3: services.web.imgae: ")


def test_a_service_that_left_the_file_is_named_and_deleted_where_asked(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP + "\n")
    apply(cluster, "-f", path, "--profile", "debug")
    write(cluster, "compose.yaml", SHOP.replace("  debug: {image: shell, profiles: [debug]}\n", ""))
    _, told = apply(cluster, "-f", path)
    assert told == [
        (
            "Warning: deployment.apps/debug, service/debug: of services that are not in the file any more; "
            "--remove-orphans deletes them"
        )
    ]
    done, told = apply(cluster, "-f", path, "--remove-orphans")
    assert told == []
    assert {"deployment.apps/debug deleted", "service/debug deleted"} <= set(done)
    assert sorted(names(cluster, "deploy")) == ["db", "web"]


def test_a_service_whose_profile_is_not_active_has_not_left_the_file(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    apply(cluster, "-f", path, "--profile", "debug")
    _, told = apply(cluster, "-f", path, "--remove-orphans")
    assert told == []
    assert "debug" in names(cluster, "deploy")


def test_what_a_service_was_before_goes_when_it_becomes_something_else(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    apply(cluster, "-f", path)
    changed = SHOP.replace('ports: ["8080:80"]', "deploy: {mode: global}")
    write(cluster, "compose.yaml", changed)
    planned = cluster.run("plan", "-f", path)
    assert "- deployment.apps/web" in planned.out
    assert "- service/web-published" in planned.out
    done, _ = apply(cluster, "-f", path)
    assert {"deployment.apps/web deleted", "service/web-published deleted"} <= set(done)
    assert (names(cluster, "deploy"), names(cluster, "ds")) == (["db"], ["web"])


def test_what_a_change_replaces_goes_once_nobody_needs_it(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    apply(cluster, "-f", path)
    (job,), (config,) = names(cluster, "jobs"), names(cluster, "cm")
    write(cluster, "compose.yaml", SHOP.replace("hello", "good bye").replace("[migrate]", "[migrate, --all]"))
    done, _ = apply(cluster, "-f", path)
    assert f"job.batch/{job} deleted" in done
    assert f"configmap/{config} deleted" in done
    assert len(names(cluster, "jobs")) == len(names(cluster, "cm")) == 1


def test_a_service_that_loses_its_last_port_is_made_anew_under_the_same_name(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    apply(cluster, "-f", path)
    write(cluster, "compose.yaml", SHOP.replace("volumes: [data:/data]", "volumes: [data:/data], expose: ['5432']"))
    assert "service/db configured" in apply(cluster, "-f", path)[0]
    cluster.ok("delete", "service", "db")
    apply(cluster, "-f", path)
    write(cluster, "compose.yaml", SHOP)
    assert "-/+ service/db " in cluster.run("plan", "-f", path).out
    assert {"service/db deleted", "service/db created"} <= set(apply(cluster, "-f", path)[0])


def test_a_config_that_an_earlier_version_mounts_is_kept(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    apply(cluster, "-f", path)
    (config,) = names(cluster, "cm")
    pod = {"containers": [{"name": "a", "image": "a", "envFrom": [{"configMapRef": {"name": config}}]}]}
    user = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"}, "spec": pod}
    apply(cluster, "-f", write(cluster, "pod.json", json.dumps(user)))
    write(cluster, "compose.yaml", SHOP.replace("hello", "good bye"))
    apply(cluster, "-f", path)
    assert config in names(cluster, "cm")


def test_another_projects_objects_are_not_taken(cluster: Cluster) -> None:
    apply(cluster, "-f", write(cluster, "a/compose.yaml", SHOP))
    other = write(cluster, "b/compose.yaml", "name: blog\nservices: {fine: {image: x}, web: {image: y}}")
    result = cluster.run("apply", "-f", other)
    assert (result.code, result.out) == (4, "")
    assert "web in namespace default belongs to the Compose project shop, not to blog; " in result.err
    assert "fine" not in names(cluster, "deploy")
    apply(cluster, "-n", "other", "-f", other)


def test_the_namespace_is_made_where_there_is_none(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    planned = cluster.run("plan", "-n", "fresh", "-f", path)
    assert "+ namespace/fresh" in planned.out
    done, _ = apply(cluster, "-n", "fresh", "-f", path)
    assert done[0] == "namespace/fresh created"
    again, _ = apply(cluster, "-n", "fresh", "-f", path)
    assert not any("namespace" in line for line in again)


def test_delete_keeps_the_data_unless_told(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    apply(cluster, "-f", path, "--profile", "debug")
    result = cluster.run("delete", "-f", path, "--no-wait")
    assert result.code == 0, result
    assert "persistentvolumeclaim/shop-data kept: it holds data; --volumes deletes it too" in result.err
    assert names(cluster, "deploy,cm,jobs") == []
    (claim,) = json.loads(cluster.ok("get", "pvc", "-o", "json"))["items"]
    assert "deletionTimestamp" not in claim["metadata"]
    cluster.run("delete", "-f", path, "--no-wait", "--volumes", "--ignore-not-found")
    claims = json.loads(cluster.ok("get", "pvc", "-o", "json"))["items"]
    assert all(each["metadata"].get("deletionTimestamp") for each in claims)


def test_delete_takes_what_is_there_and_not_what_the_file_would_make_now(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    apply(cluster, "-f", path)
    write(cluster, "compose.yaml", SHOP.replace("hello", "good bye").replace("[migrate]", "[migrate, --all]"))
    beside = write(cluster, "claim.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\n")
    apply(cluster, "-f", beside)
    assert cluster.run("delete", "-f", path, "-f", beside, "--no-wait", "--volumes").code == 0
    assert names(cluster, "deploy,cm,jobs,svc") == []
    result = cluster.run("delete", "-f", path, "--no-wait")
    assert (result.code, result.out) == (0, "")


def test_delete_asks_before_nothing_of_another_project_goes(cluster: Cluster) -> None:
    apply(cluster, "-f", write(cluster, "a/compose.yaml", SHOP))
    other = write(cluster, "b/compose.yaml", "name: blog\nservices: {web: {image: y}}")
    assert cluster.run("delete", "-f", other).code == 4
    assert "web" in names(cluster, "deploy")


@pytest.mark.slow
def test_convert_prints_what_kubectl_can_apply(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    text = cluster.ok("compose", "convert", "-f", path)
    found = list(yaml.safe_load_all(text))
    assert [each["kind"] for each in found][:2] == ["ConfigMap", "PersistentVolumeClaim"]
    manifests = write(cluster, "converted.yaml", text)
    assert cluster.kubectl("apply", "-f", manifests).code == 0
    done, _ = apply(cluster, "-f", path)
    assert all(line.endswith("unchanged") for line in done)
    as_json = json.loads(cluster.ok("compose", "convert", "-f", path, "-o", "json"))
    assert (as_json["kind"], as_json["items"]) == ("List", found)


def test_config_prints_the_whole_project(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    write(cluster, "compose.yaml", SHOP)
    monkeypatch.chdir(cluster.folder)
    found = yaml.safe_load(cluster.ok("compose", "config"))
    assert found["services"]["db"]["image"] == "db:1"
    assert found["services"]["web"]["ports"] == [
        {"mode": "ingress", "protocol": "tcp", "published": "8080", "target": 80}
    ]


def test_options_of_compose_need_a_compose_file(cluster: Cluster) -> None:
    config = write(cluster, "c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\n")
    result = cluster.run("apply", "-f", config, "--profile", "x")
    assert result.code == 2
    assert "are for Compose files; there is none" in result.err
