from __future__ import annotations

import json
import re
import signal

import pytest
import yaml

from swarmlet.model import kinds
from tests.cli import objects
from tests.cli.conftest import Cluster

AGE = re.compile(r"\b\d+(m\d+)?s\b *")


@pytest.fixture(autouse=True)
def _web(cluster: Cluster) -> None:
    (cluster.folder / "web.yaml").write_text(objects.WEB, encoding="utf-8")
    cluster.ok("apply", "-f", str(cluster.folder / "web.yaml"))
    for name in ("web-1", "web-2"):
        cluster.do(lambda name=name: objects.put(cluster.replica, kinds.POD, objects.pod(name)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "get pods",
        "get pods -o wide",
        "get po web-2 web-1",
        "get deploy,po,ns",
        "get all",
        "get all -A",
        "get pods --show-labels --no-headers",
        "get deploy/web pod/web-1 -o name",
        "get deploy web -o yaml",
        "get pods -o json",
        "get pods -l app=nothing",
        "get pods --field-selector metadata.name=web-2",
    ],
)
def test_output_is_what_kubectl_prints(cluster: Cluster, line: str) -> None:
    ours, theirs = cluster.run(*line.split()), cluster.kubectl(*line.split())
    assert AGE.sub("AGE", ours.out).rstrip("\n") == AGE.sub("AGE", theirs.out).rstrip("\n")
    assert (ours.code, ours.err) == (theirs.code, theirs.err)


def test_columns_are_set_apart_by_three_spaces_and_nothing_is_cut(cluster: Cluster) -> None:
    header, first, _ = cluster.ok("get", "pods").splitlines()
    assert re.fullmatch(r"NAME    READY   STATUS    RESTARTS   AGE", header)
    assert re.fullmatch(r"web-1   1/1     Running   0          \d+s", first)


def test_kinds_go_by_all_their_names(cluster: Cluster) -> None:
    names = ("po", "pod", "pods", "Pod", "pods.v1.")
    assert {cluster.ok("get", name, "-o", "name") for name in names[:4]} == {"pod/web-1\npod/web-2\n"}
    assert cluster.ok("get", "deployments.apps", "-o", "name") == "deployment.apps/web\n"


def test_an_unknown_type_is_named_with_what_is_near(cluster: Cluster) -> None:
    result = cluster.run("get", "deploymnts")
    assert result.code == 1
    assert result.err == 'error: the server has no resource type "deploymnts"; did you mean deployments?\n'


def test_a_missing_object_exits_3_and_the_others_are_printed(cluster: Cluster) -> None:
    result = cluster.run("get", "pods", "web-1", "nobody", "-o", "name")
    assert (result.code, result.out) == (3, "pod/web-1\n")
    assert result.err == 'error: pods "nobody" not found\n'
    assert cluster.run("get", "pods", "nobody", "--ignore-not-found").code == 0


def test_one_object_is_printed_whole_and_several_as_a_list(cluster: Cluster) -> None:
    assert json.loads(cluster.ok("get", "pod", "web-1", "-o", "json"))["kind"] == "Pod"
    listed = yaml.safe_load(cluster.ok("get", "pods", "-o", "yaml"))
    assert (listed["kind"], [item["kind"] for item in listed["items"]]) == ("List", ["Pod", "Pod"])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("get", "name a type"),
        ("get pods web-1 -A", "leave out -A"),
        ("get pods web-1 -l app=web", "exclude each other"),
        ("get pods -o xml", "allowed: wide, json, yaml, name"),
        ("get pods -o jsonpath", "needs a template"),
        ("get pods --subresource=status", "named"),
        ("get pods -w --sort-by=.metadata.name", "exclude each other"),
        ("get pods,deploy -w", "watches one kind"),
        ("get deploy/web pods", "TYPE/NAME"),
    ],
)
def test_what_cannot_be_meant_exits_2_with_one_line(cluster: Cluster, line: str, told: str) -> None:
    result = cluster.run(*line.split())
    assert (result.code, result.out) == (2, "")
    assert told in result.err
    assert result.err.count("\n") == 1


@pytest.mark.slow
def test_a_watch_prints_each_change_in_the_same_columns_until_it_is_interrupted(cluster: Cluster) -> None:
    with cluster.start("get", "pods", "-w") as process:
        assert process.stdout is not None
        first = [process.stdout.readline() for _ in range(3)]
        cluster.do(lambda: objects.put(cluster.replica, kinds.POD, objects.pod("web-3", ready=False)))
        change = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert first[0].startswith("NAME    READY")
    assert re.fullmatch(r"web-3   0/1     ContainerCreating   0          \d+s\n", change)
    assert (process.returncode, err) == (130, "")


def test_without_quorum_the_exit_code_is_5_and_the_line_says_why(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmlet.client.connection.RETRY_SECONDS_MAX", 0.01)
    cluster.replica.has_quorum = False
    result = cluster.run("get", "pods")
    assert result.code == 5  # what is on stdout is the log of the server, which shares this process
    assert result.err == "error: no leader: this node cannot reach a quorum\n"
