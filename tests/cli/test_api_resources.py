from __future__ import annotations

import pytest

from tests.cli.conftest import Cluster


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "api-resources",
        "api-resources -o wide",
        "api-resources -o name",
        "api-resources --namespaced=true --no-headers",
        "api-resources --api-group=apps",
        "api-versions",
    ],
)
def test_it_is_what_kubectl_prints(cluster: Cluster, line: str) -> None:
    ours, theirs = cluster.run(*line.split()), cluster.kubectl(*line.split())
    assert (ours.code, ours.out) == (theirs.code, theirs.out)
