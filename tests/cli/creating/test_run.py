"""`swarmlet run NAME --image=...` makes the Pod that kubectl's makes; without an image it is the daemon."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Cluster


def bare(text: str) -> Any:
    """Return a document without the empty objects that Go writes for what is not said."""

    def without(value: Any) -> Any:
        if not isinstance(value, dict):
            return [without(each) for each in value] if isinstance(value, list) else value
        found = {key: without(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each not in ({}, None)}

    document = without(yaml.safe_load(text))
    document["metadata"].pop("namespace", None)
    document["spec"].pop("dnsPolicy", None)  # which the server fills in
    return document


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "web --image=nginx:1.27",
        "web --image=nginx --port=80 --env=A=1 --env=B=x=y --labels=app=web,tier=front --annotations=a=b",
        "job --image=busybox --restart=Never -- echo a b",
        "job --image=busybox --restart=OnFailure --command -- sh -c 'echo a'",
        "root --image=busybox --privileged --image-pull-policy=Never",
    ],
)
def test_the_pod_is_kubectls(cluster: Cluster, line: str) -> None:
    command = ["run", *shlex.split(line)]
    at = command.index("--") if "--" in command else len(command)
    command[at:at] = ["--dry-run=client", "-o", "yaml"]
    assert bare(cluster.ok(*command)) == bare(cluster.kubectl(*command).out)


def test_it_is_made_and_exposed(cluster: Cluster) -> None:
    told = cluster.ok("run", "web", "--image=nginx", "--port=80", "--expose")
    assert told == "service/web created\npod/web created\n"
    service = json.loads(cluster.ok("get", "svc/web", "-o", "json"))
    assert service["spec"]["selector"] == {"run": "web"}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("run web --image=nginx --expose", "--port must be set"),
        ("run web --image=nginx --rm", "add -i or --attach"),
        ("run web --image=nginx -t", "-i/--stdin is required"),
        ("run web --image=nginx -i --dry-run=client", "no Pod to be attached to"),
        ("run web --image=nginx --restart=Sometimes", "allowed: Always, OnFailure, Never"),
        ("run web --image=nginx --env=A", "allowed: KEY=VALUE"),
        ("run web", "`swarmlet run NAME --image=IMAGE` runs a Pod"),
    ],
)
def test_what_cannot_be_meant_is_refused(cluster: Cluster, line: str, complaint: str) -> None:
    result = cluster.run(*line.split())
    assert (result.code, complaint in result.err) == (2, True), result
