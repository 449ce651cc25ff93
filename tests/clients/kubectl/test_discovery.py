"""What is served, and what each thing is for."""

from __future__ import annotations

import json

import pytest

from swarmlet.model import kinds
from tests.clients.kubectl.programs import Kubectl

SERVER_MINOR = "36"


@pytest.mark.proves("version")
def test_version_names_both_ends(kubectl: Kubectl) -> None:
    told = json.loads(kubectl("version", "-o", "json"))
    assert told["serverVersion"]["minor"] == SERVER_MINOR
    assert told["clientVersion"]["minor"] == kubectl.version.partition(".")[2]


@pytest.mark.proves("cluster-info")
def test_cluster_info_names_the_control_plane(kubectl: Kubectl) -> None:
    assert "https://" in kubectl("cluster-info").splitlines()[0]


@pytest.mark.proves("api-versions")
def test_api_versions_lists_every_group(kubectl: Kubectl) -> None:
    assert set(kubectl("api-versions").split()) >= {kind.api_version for kind in kinds.IN_API}


@pytest.mark.proves("api-resources")
def test_api_resources_lists_every_kind_with_its_scope_and_verbs(kubectl: Kubectl) -> None:
    told = {}
    for row in map(str.split, kubectl.there("api-resources", "-o", "wide", "--no-headers").splitlines()):
        at = next(index for index, word in enumerate(row) if word in {"true", "false"})
        told[row[0], row[at - 1], row[at + 1]] = (
            row[at] == "true",
            set(row[at + 2].split(",")),
            tuple(row[1 : at - 1]),
        )
    for kind in kinds.SERVED:
        namespaced, verbs, short_names = told[kind.plural, kind.api_version, kind.kind]
        assert namespaced == kind.namespaced
        assert verbs >= {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
        assert ",".join(short_names) == ",".join(kind.short_names)
    in_namespaces = kubectl.there("api-resources", "--namespaced=true", "--verbs=list", "-o", "name").split()
    assert ("pods" in in_namespaces, "nodes" in in_namespaces) == (True, False)
    categories = kubectl.there("api-resources", "--categories=all", "-o", "name").split()
    assert "deployments.apps" in categories
