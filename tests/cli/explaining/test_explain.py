"""`swarmlet explain` prints what kubectl does, to the letter."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cluster


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "explain pods.spec.containers",
        "explain pod.spec.restartPolicy",
        "explain deploy --api-version=apps/v1",
        "explain deployments.apps.spec.strategy",
        "explain pods.spec.volumes --recursive --max-depth=2",
        "explain crd.spec --recursive",
        "explain cm.data",
    ],
)
def test_it_is_kubectls_text(cluster: Cluster, line: str) -> None:
    assert cluster.ok(*line.split()) == cluster.kubectl(*line.split()).out


@pytest.mark.parametrize(
    ("line", "code", "complaint"),
    [
        ("explain pods.spec.container", 3, 'field "container" does not exist in pods.spec; did you mean containers'),
        ("explain pots", 1, 'no resource type "pots"; did you mean pods'),
        ("explain pods --max-depth=1", 2, "goes with --recursive"),
        ("explain deploy --api-version=apps/v1beta1", 1, "they are of: apps/v1"),
        ("explain pods -o plaintext-openapiv2", 2, "allowed: plaintext"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(cluster: Cluster, line: str, code: int, complaint: str) -> None:
    result = cluster.run(*line.split())
    assert (result.code, complaint in result.err) == (code, True), result
