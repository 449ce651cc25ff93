"""Flags that kubectl's commands have, and what is said of those that ours have not."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from swarmlet.clock import SystemClock
from tests.cli import objects
from tests.cli.conftest import Cluster


@pytest.fixture(autouse=True)
def _world(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cluster.folder)
    (cluster.folder / "web.yaml").write_text(objects.WEB, encoding="utf-8")
    cluster.ok("apply", "-f", "web.yaml")
    cluster.ok("create", "deployment", "api", "--image=busybox")


def replicas(cluster: Cluster, name: str) -> int:
    return int(json.loads(cluster.ok("get", f"deploy/{name}", "-o", "json"))["spec"]["replicas"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "scale deploy --all --replicas=3 --dry-run=client",
        "scale -f web.yaml --replicas=3 --dry-run=server",
        "scale deploy -l app=web --replicas=3 --dry-run=server -o name",
        "rollout pause deploy -l app=api",
        "delete deploy web --dry-run=server",
        "delete deploy --all --dry-run=client",
        "delete deploy web --dry-run=server -o name",
        "delete deploy --field-selector metadata.name=api --dry-run=client",
        "get deploy/web -o json --show-managed-fields",
        "get deploy -l=app=web -o=name",
        "get deploy -n=default -Ao=name",
        "get deploy -n=nowhere --ignore-not-found -o=name",
    ],
)
def test_it_is_told_as_kubectl_tells_it(cluster: Cluster, line: str) -> None:
    ours = cluster.run(*line.split())
    if "pause" in line:  # what is paused is not paused again
        cluster.ok("rollout", "resume", "deploy", "-l", "app=api")
    theirs = cluster.kubectl(*line.split())
    if "json" in line:
        assert ours.code == theirs.code
        assert ours.out.count("managedFields") == theirs.out.count("managedFields")
    else:
        assert (ours.code, ours.out) == (theirs.code, theirs.out)


def test_all_deployments_are_scaled(cluster: Cluster) -> None:
    cluster.ok("scale", "deploy", "--all", "--replicas=4")
    assert (replicas(cluster, "web"), replicas(cluster, "api")) == (4, 4)


def test_a_dry_run_deletes_and_scales_nothing(cluster: Cluster) -> None:
    cluster.ok("delete", "deploy", "--all", "--dry-run=server")
    cluster.ok("scale", "deploy", "--all", "--replicas=9", "--dry-run=client")
    assert (replicas(cluster, "web"), replicas(cluster, "api")) == (2, 1)


def test_scale_waits_until_there_are_so_many(cluster: Cluster) -> None:
    result = cluster.run("scale", "deploy/web", "--replicas=3", "--timeout=200ms")
    assert (result.code, result.err) == (6, "error: not 3 replicas within 0.2 s\n")


def test_every_deployment_is_restarted_but_not_twice_within_a_second(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime(2030, 1, 1, tzinfo=UTC))
    assert (
        cluster.ok("rollout", "restart", "deploy") == "deployment.apps/api restarted\ndeployment.apps/web restarted\n"
    )
    result = cluster.run("rollout", "restart", "deploy/web")
    assert (result.code, "within the past second" in result.err) == (1, True)


def test_rollout_status_refuses_another_revision(cluster: Cluster) -> None:
    cluster.ok("annotate", "deploy/web", "deployment.kubernetes.io/revision=2")
    result = cluster.run("rollout", "status", "deploy/web", "--revision=1", "--no-watch")
    assert result.err == "error: desired revision (1) is different from the running revision (2)\n"


def test_describe_takes_files_and_leaves_events_out(cluster: Cluster) -> None:
    assert cluster.ok("describe", "-f", "web.yaml").startswith("Name:")
    assert "Events:" not in cluster.ok("describe", "deploy/web", "--show-events=false")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("get pods --template={{.a}}", "unknown flag: --template; use -o jsonpath=..."),
        ("apply -k folder", "unknown flag: -k; pipe what renders it"),
        ("describe pods --chunk-size=5", "unknown flag: --chunk-size; lists are always read in pages"),
        ("get pods --selektor=a", "unknown flag: --selektor; did you mean --selector"),
        ("debug pod/web", "unknown command: debug; a container cannot be added to a Pod"),
        ("proxy", "unknown command: proxy; ask the API as yourself"),
        ("gett pods", "unknown command: gett; did you mean get"),
        ("xyzzy", "unknown command: xyzzy; `swarmlet --help` lists them"),
        ("delete deploy web --now --grace-period=3", "exclude each other"),
        ("api-resources --sort-by=age", "allowed: name, kind"),
    ],
)
def test_what_is_not_there_is_told_with_what_to_use(cluster: Cluster, line: str, complaint: str) -> None:
    result = cluster.run(*line.split())
    assert (result.code, complaint in result.err) == (2, True), result
