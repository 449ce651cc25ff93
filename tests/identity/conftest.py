from __future__ import annotations

from pathlib import Path

import pytest

from swarmlet.identity import authority
from swarmlet.identity.authority import Authority, NodeIdentity
from swarmlet.identity.state import NodeFiles, NodeState
from tests.identity.times import NOW

CLUSTER = "c" * 16


def make_files(folder: Path, ca: Authority, node_id: str, name: str) -> NodeFiles:
    """A member's data folder with a certificate that `ca` signed."""
    files = NodeFiles(folder)
    files.prepare()
    key = authority.new_key()
    node = NodeIdentity(ca.cluster_id, node_id, name)
    certificate = ca.sign_node(authority.new_request(key), node, "127.0.0.1", NOW)
    state = NodeState(cluster_id=ca.cluster_id, node_id=node_id, name=name, advertise="127.0.0.1:7600")
    files.save(state, authority_pem=ca.certificate_pem, certificate_pem=certificate, key_pem=key)
    return files


@pytest.fixture(scope="session")
def ca() -> Authority:
    return Authority.create(CLUSTER, NOW)


@pytest.fixture(scope="session")
def alpha(ca: Authority, tmp_path_factory: pytest.TempPathFactory) -> NodeFiles:
    return make_files(tmp_path_factory.mktemp("alpha"), ca, "a" * 16, "alpha")


@pytest.fixture(scope="session")
def beta(ca: Authority, tmp_path_factory: pytest.TempPathFactory) -> NodeFiles:
    return make_files(tmp_path_factory.mktemp("beta"), ca, "b" * 16, "beta")
