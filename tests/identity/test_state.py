from __future__ import annotations

import stat
from pathlib import Path

import pytest

from swarmlet.errors import ConfigError
from swarmlet.identity.authority import Authority
from swarmlet.identity.state import Member, NodeFiles, NodeState
from tests.identity.conftest import CLUSTER, make_files
from tests.identity.times import NOW

STATE = NodeState(
    cluster_id=CLUSTER,
    node_id="a" * 16,
    name="alpha",
    advertise="10.0.0.5:7600",
    peers=(Member(node_id="b" * 16, address="10.0.0.6:7600"),),
)


def save(folder: Path, state: NodeState = STATE) -> NodeFiles:
    files = NodeFiles(folder)
    files.prepare()
    files.save(state, authority_pem="CA", certificate_pem="CERT", key_pem="KEY")
    return files


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_node_is_read_as_it_was_written(tmp_path: Path) -> None:
    files = save(tmp_path / "node")
    assert (files.load(), files.authority_pem(), files.certificate_pem()) == (STATE, "CA", "CERT")


def test_the_folder_and_the_key_are_closed_to_others(tmp_path: Path) -> None:
    files = save(tmp_path / "node")
    assert (mode(files.data_dir), mode(files.key)) == (0o700, 0o600)


def test_a_member_is_not_joined_twice(tmp_path: Path) -> None:
    files = save(tmp_path)
    with pytest.raises(ConfigError, match=f'already a member .node "alpha" of cluster {CLUSTER}'):
        files.prepare()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(ConfigError, match=r"not empty \(holiday.jpg\)"):
        NodeFiles(tmp_path).prepare()
    assert mode(tmp_path) == 0o755


def test_what_an_interrupted_join_left_does_not_stop_the_next(tmp_path: Path) -> None:
    for name in ("node.key", "ca.crt", "node.key.new"):
        (tmp_path / name).touch()
    assert save(tmp_path).load() == STATE


def test_a_folder_below_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="--data-dir"):
        NodeFiles(tmp_path / "file" / "node").prepare()


def test_a_machine_that_has_not_joined_is_told_how(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="swarmlet init"):
        NodeFiles(tmp_path).load()


@pytest.mark.parametrize(
    "text", ["", "{}", '{"cluster_id": 1}', '{"cluster_id":"x","node_id":"y","name":"a","advertise":"h"}', "\x00"]
)
def test_a_damaged_node_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "node.json").write_text(text)
    with pytest.raises(ConfigError, match=r"node\.json"):
        NodeFiles(tmp_path).load()


def test_a_node_file_that_is_no_text_is_one_clear_line(tmp_path: Path) -> None:
    files = save(tmp_path)
    files.node.write_bytes(files.node.read_bytes().replace(b"alpha", b"al\xf3ha"))
    with pytest.raises(ConfigError, match=r"node\.json: not what swarmlet wrote"):
        files.load()


def test_a_membership_that_is_set_aside_makes_room_for_another(tmp_path: Path) -> None:
    files = save(tmp_path / "node")
    (files.data_dir / "raft").mkdir()
    (files.data_dir / "raft" / "raft.db").write_text("the log")
    aside = files.set_aside(NOW)
    assert (aside / "raft" / "raft.db").read_text() == "the log"
    assert NodeFiles(aside).load() == STATE
    files.prepare()
    with pytest.raises(ConfigError, match="belongs to no cluster yet"):
        files.load()


def test_a_change_that_is_interrupted_is_known(tmp_path: Path) -> None:
    files = save(tmp_path)
    with pytest.raises(KeyboardInterrupt), files.changing():
        raise KeyboardInterrupt
    with pytest.raises(ConfigError, match="a recovery was interrupted"):
        files.load()
    assert files.load(half_changed=True) == STATE
    with files.changing():
        files.rewrite(STATE)
    assert files.load() == STATE


def test_a_node_that_has_left_can_join_anew(tmp_path: Path, ca: Authority) -> None:
    files = make_files(tmp_path / "node", ca, "a" * 16, "alpha")
    (files.data_dir / "raft").mkdir()
    (files.data_dir / "raft" / "raft.db").touch()
    (files.data_dir / "volumes").mkdir()
    assert files.retire(NOW) is None
    files.prepare()
    assert list(files.data_dir.iterdir()) == []


def test_what_is_in_the_volumes_of_a_node_that_has_left_is_kept(tmp_path: Path, ca: Authority) -> None:
    files = make_files(tmp_path / "node", ca, "a" * 16, "alpha")
    (files.data_dir / "volumes" / "pvc-1").mkdir(parents=True)
    (files.data_dir / "volumes" / "pvc-1" / "data").write_text("the only copy")
    aside = files.retire(NOW)
    assert aside is not None
    assert (aside / "volumes" / "pvc-1" / "data").read_text() == "the only copy"
    files.prepare()
