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
