"""`describe` of every kind that has words of its own tells all that the official kubectl's tells.

What is the same under another name, and what is left out because it says nothing, is listed with its reason.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster

WORLD = Path(__file__).with_name("world.yaml")
LABEL = re.compile(r"^\s*([A-Z][A-Za-z /()-]*?):(?:\s|$)", re.MULTILINE)
RENAMED = {
    "CreationTimestamp": "Created",  # which every kind has here
    "Created on": "Created",
    "MaxUnavailable": "Max Unavailable",
    "Pod Management Policy": "Pod Management",
    "Min replicas": "Min Replicas",
    "Max replicas": "Max Replicas",
    "Deployment pods": "Deployment Pods",
    "Metrics": "Metrics (current / target)",
}
SAID_OTHERWISE = {
    "Port",  # of a container: "Ports", where it has any
    "Host Port",  # "Host Ports", where it has one
    "Host Ports",
    "To Port",  # beside what it allows
    "Ports",  # of a container that has none
    "StorageClass",  # of a claim template: in one line with its size and modes, as are the next
    "Capacity",
    "Access Modes",
    "Labels",  # of a claim template; every object's own are there
    "Annotations",
    "Allowing ingress traffic",  # beside what they allow, not above it
    "Allowing egress traffic",
    "Type",  # of a volume's source: "HostPath /data"
    "HostPathType",
    "Path",
    "Message",  # of a volume that says nothing
    "Selector",  # of a CronJob, which has none
}


def sections(text: str) -> dict[str, set[str]]:
    """Return the labels of each object of a printed description, by its kind's place in the file and its name."""
    found = {}
    for at, section in enumerate(re.split(r"^(?=Name: )", text, flags=re.MULTILINE)[1:]):
        name = section.split()[1]
        found[f"{at} {name}"] = set(LABEL.findall(section))
    return found


@pytest.mark.slow
def test_nothing_is_missing_that_kubectl_tells(cluster: Cluster) -> None:
    cluster.run("create", "-f", str(WORLD))
    ours, theirs = cluster.run("describe", "-f", str(WORLD)), cluster.kubectl("describe", "-f", str(WORLD))
    told, expected = sections(ours.out), sections(theirs.out)
    assert list(told) == list(expected), (ours.err, theirs.err)
    missing = {
        name: sorted(label for label in labels - told[name] - SAID_OTHERWISE if RENAMED.get(label) not in told[name])
        for name, labels in expected.items()
    }
    assert {name: labels for name, labels in missing.items() if labels} == {}


def test_a_deployment_tells_its_replica_sets_and_a_set_its_pods(cluster: Cluster) -> None:
    cluster.run("create", "-f", str(WORLD))
    assert "NewReplicaSet:" in cluster.ok("describe", "deploy/web")
    assert "0 Running / 0 Waiting / 0 Succeeded / 0 Failed" in cluster.ok("describe", "rs/rs")


def test_a_role_is_told_as_a_table(cluster: Cluster) -> None:
    cluster.run("create", "-f", str(WORLD))
    lines = [line.split() for line in cluster.ok("describe", "role/reader").splitlines()]
    assert ["deployments.apps", "[]", "[web]", "[get]"] in lines
