"""Labels, annotations and patches, beside the official kubectl on the same objects."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from swarmlet.model import kinds
from tests.cli import objects
from tests.cli.conftest import Cluster

DRY_RUN = re.compile(r" \((server )?dry run\)")


@pytest.fixture(autouse=True)
def _web(cluster: Cluster) -> None:
    (cluster.folder / "web.yaml").write_text(objects.WEB, encoding="utf-8")
    cluster.ok("apply", "-f", str(cluster.folder / "web.yaml"))
    for name in ("web-1", "web-2"):
        cluster.do(lambda name=name: objects.put(cluster.replica, kinds.POD, objects.pod(name)))


def pod(cluster: Cluster, name: str = "web-1") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(cluster.ok("get", "pod", name, "-o", "json"))
    return document


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "label pod web-1 tier=front --dry-run=server",
        "label pod web-1 tier=front --dry-run=client",
        "label pod web-1 app=other",
        "label pod web-1 app=other --overwrite --dry-run=server",
        "label pod/web-1 pod/web-2 app- --dry-run=server",
        "label pod web-1 app=web",
        "label pod web-1 gone- --dry-run=server",
        "label pods --all tier=front --dry-run=server -o name",
        "label pods -l app=web tier=front --dry-run=client",
        "label pod web-1 --list",
        "label pods --all --list",
        "annotate deploy web why=because --dry-run=server",
        "annotate deploy web why- --dry-run=server",
        'patch deploy web -p {"spec":{"replicas":3}} --dry-run=server',
        'patch deploy web -p {"spec":{"replicas":2}}',
        'patch deploy/web --type=merge -p {"spec":{"paused":true}} --dry-run=client',
        'patch pod web-1 --type=json -p [{"op":"remove","path":"/metadata/labels/app"}] --dry-run=server',
    ],
)
def test_it_is_told_as_kubectl_tells_it(cluster: Cluster, line: str) -> None:
    ours, theirs = cluster.run(*line.split()), cluster.kubectl(*line.split())
    told = DRY_RUN.sub("", ours.out) if line.startswith("patch") else ours.out  # kubectl's patch does not say it
    assert (told, ours.err) == (theirs.out, theirs.err)


def test_labels_are_set_and_removed(cluster: Cluster) -> None:
    assert cluster.ok("label", "pod", "web-1", "tier=front", "zone=a") == "pod/web-1 labeled\n"
    assert cluster.ok("label", "pod", "web-1", "app-") == "pod/web-1 unlabeled\n"
    assert pod(cluster)["metadata"]["labels"] == {"tier": "front", "zone": "a"}


def test_annotations_are_set_and_removed(cluster: Cluster) -> None:
    assert cluster.ok("annotate", "pods", "--all", "a=1", "b=x=y") == "pod/web-1 annotated\npod/web-2 annotated\n"
    cluster.ok("annotate", "pod/web-1", "a-")
    assert pod(cluster)["metadata"]["annotations"] == {"b": "x=y"}
    assert pod(cluster, "web-2")["metadata"]["annotations"] == {"a": "1", "b": "x=y"}


def test_a_value_is_not_overwritten_unasked_and_nothing_is_begun(cluster: Cluster) -> None:
    cluster.ok("label", "pod", "web-1", "app-")
    result = cluster.run("label", "pods", "--all", "app=other")
    assert (result.code, result.err) == (1, "error: 'app' already has a value (web), and --overwrite is false\n")
    assert pod(cluster)["metadata"].get("labels") is None
    cluster.ok("label", "pods", "--all", "app=other", "--overwrite")
    assert pod(cluster, "web-2")["metadata"]["labels"] == {"app": "other"}


def test_a_dry_run_changes_nothing(cluster: Cluster) -> None:
    before = pod(cluster)
    for way in ("client", "server"):
        cluster.ok("label", "pod", "web-1", "tier=front", f"--dry-run={way}")
        cluster.ok("patch", "pod", "web-1", "-p", '{"metadata":{"labels":{"a":"b"}}}', f"--dry-run={way}")
    assert pod(cluster) == before


def test_another_revision_is_a_conflict(cluster: Cluster) -> None:
    assert cluster.run("label", "pod", "web-1", "a=b", "--resource-version=1").code == 4
    cluster.ok("label", "pod", "web-1", "a=b", f"--resource-version={pod(cluster)['metadata']['resourceVersion']}")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("label pod web-1", "at least one label update is required"),
        ("label pods a=b", "name the objects"),
        ("label pod a=b web-1", "all resources must be specified before label changes: web-1"),
        ("label pod web-1 a=b a-", "can not both modify and remove"),
        ("label pod web-1 a=b --all", "a name excludes"),
        ("patch pod web-1", "give the patch"),
        ("patch pod web-1 -p {} --type=x", "unknown; allowed: strategic, merge, json"),
    ],
)
def test_a_line_that_means_nothing_is_refused(cluster: Cluster, line: str, complaint: str) -> None:
    result = cluster.run(*line.split())
    assert result.code == 2
    assert complaint in result.err


@pytest.mark.parametrize("kind", ["strategic", "merge", "json"])
def test_each_kind_of_patch_changes_the_object(cluster: Cluster, kind: str) -> None:
    wanted = '[{"op":"add","path":"/metadata/labels/tier","value":"x"}]' if kind == "json" else None
    file = cluster.folder / "patch.yaml"
    file.write_text(wanted or "metadata: {labels: {tier: x}}", encoding="utf-8")
    assert cluster.ok("patch", "pod", "web-1", f"--type={kind}", f"--patch-file={file}") == "pod/web-1 patched\n"
    assert pod(cluster)["metadata"]["labels"] == {"app": "web", "tier": "x"}


def test_a_subresource_is_patched(cluster: Cluster) -> None:
    line = ["patch", "deploy", "web", "--type=merge", "--subresource=scale", "-p", '{"spec":{"replicas":7}}']
    assert cluster.ok(*line) == "deployment.apps/web patched\n"
    assert json.loads(cluster.ok("get", "deploy/web", "-o", "json"))["spec"]["replicas"] == 7
