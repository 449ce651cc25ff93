"""Charts that bring kinds of their own, by Helm 3 and 4: the definition first, then objects of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.lone_daemon import LoneDaemon, lone_daemon

pytestmark = pytest.mark.slow

CHART = str(Path(__file__).parents[2] / "charts" / "farm")
DEFINITION = "farms.chart.example.com"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneDaemon]:
    with lone_daemon(tmp_path_factory.mktemp("charts")) as running:
        yield running


def helm(daemon: LoneDaemon, program: str, *words: str, code: int = 0) -> str:
    done = daemon.run(program, *words)
    assert done.returncode == code, (program, words, done.stdout, done.stderr)
    return (done.stdout + done.stderr).decode()


def spec(daemon: LoneDaemon) -> dict[str, object]:
    found: dict[str, object] = json.loads(daemon.kubectl("get", "farm", "mine", "-o", "json"))["spec"]
    return found


@pytest.mark.parametrize("program", ["helm-3", "helm-4"])
def test_a_chart_brings_its_kind_and_objects_of_it(daemon: LoneDaemon, program: str) -> None:
    assert "STATUS: deployed" in helm(daemon, program, "install", "mine", CHART, "--wait", "--timeout", "30s")
    assert spec(daemon) == {"replicas": 2, "mode": "plain"}
    helm(daemon, program, "upgrade", "mine", CHART, "--set", "replicas=4")
    assert spec(daemon)["replicas"] == 4
    assert "five are enough" in helm(daemon, program, "upgrade", "mine", CHART, "--set", "replicas=6", code=1)
    helm(daemon, program, "rollback", "mine", "1")
    assert spec(daemon)["replicas"] == 2
    helm(daemon, program, "uninstall", "mine", "--wait", "--timeout", "30s")
    assert not daemon.kubectl("get", "farms", "-o", "name"), "the objects go with the release"
    daemon.kubectl("get", "crd", DEFINITION)
    daemon.kubectl("delete", "crd", DEFINITION, "--timeout=20s")
