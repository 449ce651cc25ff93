"""`swarmlet set image`, beside the official kubectl on the same objects."""

from __future__ import annotations

import json

import pytest

from tests.cli import objects
from tests.cli.conftest import Cluster


@pytest.fixture(autouse=True)
def _web(cluster: Cluster) -> None:
    (cluster.folder / "web.yaml").write_text(objects.WEB, encoding="utf-8")
    cluster.ok("apply", "-f", str(cluster.folder / "web.yaml"))
    cluster.ok("create", "cronjob", "nightly", "--image=busybox:1", "--schedule=0 3 * * *")


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "set image deploy/web main=web:2 --dry-run=server",
        "set image deploy web *=web:2 --dry-run=client",
        "set image deploy web main=busybox:1.36",
        "set image deploy,cronjobs --all *=web:3 --dry-run=server",
        "set image cronjob/nightly nightly=web:2 --dry-run=server -o name",
    ],
)
def test_it_is_told_as_kubectl_tells_it(cluster: Cluster, line: str) -> None:
    ours, theirs = cluster.run(*line.split()), cluster.kubectl(*line.split())
    assert (ours.out, ours.err) == (theirs.out, theirs.err)


def test_the_image_is_set_and_nothing_else(cluster: Cluster) -> None:
    before = json.loads(cluster.ok("get", "deploy/web", "-o", "json"))["spec"]
    assert cluster.ok("set", "image", "deploy/web", "main=web:2") == "deployment.apps/web image updated\n"
    before["template"]["spec"]["containers"][0]["image"] = "web:2"
    assert json.loads(cluster.ok("get", "deploy/web", "-o", "json"))["spec"] == before


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("set image deploy/web other=web:2", 'unable to find container named "other"'),
        ("set image deploy/web", "at least one image update is required"),
        ("set image deploy/web main=", "CONTAINER=IMAGE"),
        ("set image namespace/default main=web:2", "has no containers"),
        ("set image deploy main=web:2", "name the objects"),
    ],
)
def test_what_cannot_be_is_refused(cluster: Cluster, line: str, complaint: str) -> None:
    result = cluster.run(*line.split())
    assert result.code in (1, 2)
    assert complaint in result.err
