"""`backup`, `restore`, `recover` and `check`, as an operator types them, on data folders that daemons would use."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pyrage
import pytest

from swarmlet import cli
from swarmlet.cli import founding
from swarmlet.cli.recovery import backup_file as recovery_file
from swarmlet.cli.recovery import checks as recovery_checks
from swarmlet.cli.recovery import keys as recovery_keys
from swarmlet.cli.recovery import steps as recovery_steps
from swarmlet.cli.recovery.keys import Key
from swarmlet.clock import SystemClock
from swarmlet.config import Config
from swarmlet.consensus.disk import Batch
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.errors import AlreadyExistsError, ConfigError, InvalidError, UnavailableError
from swarmlet.identity.incarnation import FIRST, Relation
from swarmlet.identity.state import NodeFiles
from swarmlet.raft import membership
from swarmlet.raft.messages import ChangeKind, Entry, EntryKind, HardState, MembershipChange
from swarmlet.store import backup
from swarmlet.store.backup import Manifest

BETA = "b" * 16
PASSPHRASE = Key(passphrase="correct horse")


def configured(folder: Path, name: str = "alpha", port: int = 7600) -> Config:
    return Config(data_dir=folder / name, node_name=name, listen=f"127.0.0.1:{port}", advertise=f"127.0.0.1:{port}")


def written(folder: Path, config: Config) -> Path:
    """Write a configuration file that says the same."""
    path = folder / f"{config.node_name}.yaml"
    path.write_text(
        f"data_dir: {config.data_dir}\nnode_name: {config.node_name}\nlisten: {config.listen}\n"
        f"advertise: {config.advertise}\nstatus_listen: 127.0.0.1:0\n"
    )
    return path


@pytest.fixture(autouse=True)
def _ports_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmlet.identity.addresses.check_ports", lambda config: None)


@pytest.fixture(autouse=True)
def _quick_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(recovery_keys.PASSPHRASE_VARIABLE, raising=False)


@pytest.fixture
def alpha(tmp_path: Path) -> Config:
    """A founded machine, stopped."""
    config = configured(tmp_path)
    asyncio.run(founding.found(config, clock=SystemClock(), rng=random.Random(1)))
    return config


@pytest.fixture
def survivor(alpha: Config) -> Config:
    """Alpha, after beta has joined it and voted."""
    asyncio.run(persisted(alpha, entries=(joined(3, ChangeKind.ADD_LEARNER), joined(4, ChangeKind.PROMOTE))))
    return alpha


def joined(index: int, kind: ChangeKind) -> Entry:
    change = MembershipChange(kind, BETA, b"127.0.0.1:7700" if kind is ChangeKind.ADD_LEARNER else b"")
    return Entry(index, 1, membership.encode(change), EntryKind.MEMBERSHIP)


async def persisted(config: Config, **batch: object) -> None:
    disk = SqliteDisk(config.consensus_dir)
    try:
        await disk.load()
        await disk.persist(Batch(**batch))
    finally:
        disk.close()


def plain(config: Config) -> bytes:
    """The plain bytes of a backup of a stopped machine."""

    async def found() -> bytes:
        disk = SqliteDisk(config.consensus_dir)
        try:
            state = NodeFiles(config.data_dir).load()
            capture = (await recovery_steps.recovery.read(disk)).store.capture()
            manifest = Manifest(
                cluster_id=state.cluster_id,
                incarnation=state.incarnation,
                taken=SystemClock().now(),
                node=state.name,
                version="1",
                revision=capture.revision,
                objects=len(capture.objects),
            )
            return b"".join(backup.encode(manifest, capture))
        finally:
            disk.close()

    return asyncio.run(found())


async def pieces(content: bytes, *, size: int = 700, fails: Exception | None = None) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]
    if fails:
        raise fails


def save(path: Path, content: bytes, key: Key = PASSPHRASE, *, force: bool = False) -> recovery_file.Written:
    return asyncio.run(recovery_file.write(path, pieces(content), key, force=force))


@pytest.fixture
def age_key(tmp_path: Path) -> tuple[Key, Path]:
    """Recipients, and the file of the identity that opens what is locked for them: quick, unlike a passphrase."""
    identity = pyrage.x25519.Identity.generate()
    path = tmp_path / "key.txt"
    path.write_text(f"# created today\n{identity}\n")
    return Key(others=(identity.to_public(),)), path


@pytest.fixture
def kept(tmp_path: Path, alpha: Config, age_key: tuple[Key, Path]) -> Path:
    """A backup of alpha."""
    path = tmp_path / "backup.age"
    save(path, plain(alpha), age_key[0])
    return path


def run(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    code = cli.run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


# The file.


@pytest.mark.slow
def test_a_passphrase_opens_what_it_locked_and_no_other_does(tmp_path: Path, alpha: Config) -> None:
    path, content = tmp_path / "b.age", plain(alpha)
    told = save(path, content)
    assert recovery_file.read(path, PASSPHRASE).finish() == told.manifest
    assert pyrage.passphrase.decrypt(path.read_bytes(), "correct horse") == content
    with pytest.raises(InvalidError, match=r"b\.age: the passphrase is wrong$"):
        recovery_file.read(path, Key(passphrase="wrong horse"))


def test_a_recipient_opens_it_with_age_and_nobody_else_does(
    tmp_path: Path, alpha: Config, age_key: tuple[Key, Path]
) -> None:
    path, content = tmp_path / "b.age", plain(alpha)
    save(path, content, age_key[0])
    identity = recovery_keys.opening(None, age_key[1])
    assert pyrage.decrypt(path.read_bytes(), list(identity.others)) == content
    with pytest.raises(InvalidError, match="none of the identities opens it"):
        recovery_file.read(path, Key(others=(pyrage.x25519.Identity.generate(),)))
    with pytest.raises(InvalidError, match="locked for age recipients"):
        recovery_file.read(path, PASSPHRASE)


def test_it_is_closed_to_others_and_says_what_it_is(kept: Path, alpha: Config) -> None:
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert b"swarmlet" not in kept.read_bytes()
    assert sorted(path.name for path in kept.parent.iterdir()) == ["alpha", "backup.age", "key.txt"]


def test_it_replaces_a_file_only_when_told_to(kept: Path, alpha: Config, age_key: tuple[Key, Path]) -> None:
    before, content = kept.read_bytes(), plain(alpha)
    with pytest.raises(AlreadyExistsError, match="exists; name another file, or replace it with --force"):
        save(kept, content, age_key[0])
    assert kept.read_bytes() == before
    save(kept, content, age_key[0], force=True)
    assert kept.read_bytes() != before


def test_a_stream_that_breaks_off_leaves_nothing(tmp_path: Path, alpha: Config, age_key: tuple[Key, Path]) -> None:
    content, path = plain(alpha), tmp_path / "b.age"
    gone = UnavailableError("the daemon went away")
    with pytest.raises(UnavailableError, match="the daemon went away"):
        asyncio.run(recovery_file.write(path, pieces(content[:2000], fails=gone), age_key[0], force=False))
    with pytest.raises(InvalidError, match="cut off"):
        save(path, content[:-1], age_key[0])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["alpha", "key.txt"]


def test_what_is_read_back_otherwise_is_no_backup(
    tmp_path: Path, alpha: Config, age_key: tuple[Key, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that returns other bytes than it was given."""
    read = recovery_file.read

    def rotten(path: Path, key: Key) -> backup.Reader:
        content = bytearray(path.read_bytes())
        content[-20] ^= 1
        path.write_bytes(content)
        return read(path, key)

    monkeypatch.setattr(recovery_file, "read", rotten)
    with pytest.raises(InvalidError, match="cut off or damaged"):
        save(tmp_path / "b.age", plain(alpha), age_key[0])
    assert not (tmp_path / "b.age").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, alpha: Config, age_key: tuple[Key, Path]) -> None:
    with pytest.raises(ConfigError, match=r"no/b\.age: No such file or directory; nothing was written"):
        save(tmp_path / "no" / "b.age", plain(alpha), age_key[0])


# Secrets.


def test_a_passphrase_comes_by_file_or_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("from the file\n")
    monkeypatch.setenv(recovery_keys.PASSPHRASE_VARIABLE, "from the environment")
    assert recovery_keys.locking(file, ()).passphrase == "from the file"
    assert recovery_keys.locking(None, ()).passphrase == "from the environment"
    assert "from" not in repr(recovery_keys.locking(None, ()))


def test_a_passphrase_is_typed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["one horse", "one horse", "one horse", "two horses"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert recovery_keys.locking(None, ()).passphrase == "one horse"
    with pytest.raises(recovery_keys.exits.UsageError, match="the two passphrases differ"):
        recovery_keys.locking(None, ())


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"passphrase_file": None, "recipients": ()}, "a passphrase is needed: --passphrase-file"),
        ({"passphrase_file": None, "recipients": ("age1nonsense",)}, "--recipient: found 'age1nonsense'"),
        ({"passphrase_file": Path("/dev/null"), "recipients": ("age1x",)}, "exclude each other"),
        ({"passphrase_file": Path("/dev/null"), "recipients": ()}, "too short"),
        ({"passphrase_file": Path("/no/such"), "recipients": ()}, "--passphrase-file /no/such: No such file"),
    ],
)
def test_a_lock_that_is_none_is_refused(given: dict[str, object], refusal: str) -> None:
    with pytest.raises((recovery_keys.exits.UsageError, ConfigError), match=refusal):
        recovery_keys.locking(**given)


# Restore.


def restore(kept: Path, config: Path, key_file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    return run("restore", kept, "--config", config, "--identity", key_file, capsys=capsys)


def test_a_restored_cluster_keeps_its_ca_and_begins_another_life(
    tmp_path: Path, kept: Path, alpha: Config, age_key: tuple[Key, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    beta = configured(tmp_path, "beta", 7700)
    code, out, err = restore(kept, written(tmp_path, beta), age_key[1], capsys)
    assert (code, err) == (0, "")
    assert 'This machine is now the cluster\'s only node, "beta" at 127.0.0.1:7700.' in out
    old, new = NodeFiles(alpha.data_dir), NodeFiles(beta.data_dir)
    assert new.authority_pem() == old.authority_pem()
    assert new.load().cluster_id == old.load().cluster_id
    assert new.load().node_id != old.load().node_id
    assert FIRST.relation(new.load().incarnation) is Relation.NEWER
    assert new.load().peers == ()
    assert recovery_checks.check(beta).ok


def test_a_dry_run_shows_what_is_in_it_and_writes_nothing(
    tmp_path: Path, kept: Path, age_key: tuple[Key, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, configured(tmp_path, "beta"))
    code, out, _ = run("restore", kept, "--dry-run", "--config", config, "--identity", age_key[1], capsys=capsys)
    assert code == 0
    assert "7 objects (1 clusteridentities, 4 namespaces, 1 nodes, 1 tokens)" in out
    assert not (tmp_path / "beta").exists()
    code, out, _ = run("check", kept, "--json", "--identity", age_key[1], capsys=capsys)
    assert (code, json.loads(out)["objects"]["nodes"]) == (0, 1)


def test_a_member_is_not_restored_over(
    tmp_path: Path, kept: Path, alpha: Config, age_key: tuple[Key, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = restore(kept, written(tmp_path, alpha), age_key[1], capsys)
    assert code == 1
    assert 'this machine is already a member (node "alpha"' in err


@pytest.mark.parametrize("harm", ["cut", "flip", "other"])
def test_a_damaged_backup_is_one_line_and_leaves_nothing(
    tmp_path: Path, kept: Path, age_key: tuple[Key, Path], capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    content = bytearray(kept.read_bytes())
    content[-50] ^= 1
    kept.write_bytes({"cut": content[:-100], "flip": content, "other": b"something else"}[harm])
    code, out, err = restore(kept, written(tmp_path, configured(tmp_path, "beta")), age_key[1], capsys)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {kept}: it is ")
    assert err.count("\n") == 1
    assert list((tmp_path / "beta").iterdir()) == []


def test_a_restore_that_fails_half_way_leaves_nothing(
    tmp_path: Path,
    kept: Path,
    age_key: tuple[Key, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise ConfigError("no room")

    monkeypatch.setattr(NodeFiles, "save", full)
    code, _, err = restore(kept, written(tmp_path, configured(tmp_path, "beta")), age_key[1], capsys)
    assert (code, err) == (1, "error: no room\n")
    assert list((tmp_path / "beta").iterdir()) == []


# Recover.


def recover(config: Path, *options: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    return run("recover", "--config", config, *options, capsys=capsys)


def test_it_shows_what_is_at_stake_and_asks_for_the_flag(
    tmp_path: Path, survivor: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = recover(written(tmp_path, survivor), capsys=capsys)
    assert code == 1
    assert "its log ends at   index 4 of term 1" in out
    assert "known committed   index 1; the 3 after it are kept" in out
    assert f"{BETA}     127.0.0.1:7700           voter" in out
    assert "Nothing was changed. To go on, add --force-new-cluster." in err
    assert NodeFiles(survivor.data_dir).load().incarnation == FIRST


def test_nobody_is_cut_off_without_being_named(
    tmp_path: Path, survivor: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written(tmp_path, survivor)
    code, _, err = recover(config, "--force-new-cluster", capsys=capsys)
    assert (code, err) == (
        1,
        "error: there is no terminal to ask on; nothing was changed. --yes goes on without asking\n",
    )
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda prompt: "beta")
    assert recover(config, "--force-new-cluster", capsys=capsys)[0] == 1
    assert NodeFiles(survivor.data_dir).load().incarnation == FIRST
    monkeypatch.setattr("builtins.input", lambda prompt: "alpha")
    assert recover(config, "--force-new-cluster", capsys=capsys)[0] == 0


def test_the_survivor_is_alone_and_keeps_what_there_was(
    tmp_path: Path, survivor: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    before = NodeFiles(survivor.data_dir).load()
    code, out, _ = recover(written(tmp_path, survivor), "--force-new-cluster", "--yes", capsys=capsys)
    assert code == 0
    after = NodeFiles(survivor.data_dir).load()
    assert after.node_id == before.node_id
    assert before.incarnation.relation(after.incarnation) is Relation.NEWER
    kept = next(survivor.data_dir.glob("before-recovery-*"))
    assert str(kept) in out
    assert (kept / "raft" / "raft.db").exists()
    assert (kept / "node.json").exists()
    report = recovery_checks.check(survivor)
    assert report.ok
    assert (report.last_index, report.last_term) == (5, 2)
    with pytest.raises(ConfigError, match="only member and its disk is sound: just start the daemon"):
        asyncio.run(recovery_steps.recover(survivor, lambda outlook: True))


def test_a_lone_machine_that_has_lost_writes_can_go_on_without_them(
    tmp_path: Path, alpha: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is there is better than nothing, once its user has seen what is not."""
    older = tmp_path / "older.db"
    shutil.copy(alpha.consensus_dir / "raft.db", older)
    asyncio.run(persisted(alpha, entries=(Entry(3, 1),)))
    shutil.copy(older, alpha.consensus_dir / "raft.db")
    config = written(tmp_path, alpha)
    code, out, _ = recover(config, capsys=capsys)
    assert code == 1
    assert "DAMAGED           at least 1 writes that this machine had acknowledged are gone from its log" in out
    assert not recovery_checks.check(alpha).ok
    assert recover(config, "--force-new-cluster", "--yes", capsys=capsys)[0] == 0
    assert recovery_checks.check(alpha).ok


def test_a_running_daemon_is_not_recovered(
    tmp_path: Path, survivor: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = SqliteDisk(survivor.consensus_dir)
    asyncio.run(disk.load())
    code, out, err = recover(written(tmp_path, survivor), "--force-new-cluster", "--yes", capsys=capsys)
    disk.close()
    assert (code, out) == (1, "")
    assert err.endswith("another swarmlet daemon uses this data folder; stop it first\n")


def test_a_recovery_that_is_interrupted_must_be_completed(
    tmp_path: Path, survivor: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written(tmp_path, survivor)

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(NodeFiles, "rewrite", power_cut)
        assert recover(config, "--force-new-cluster", "--yes", capsys=capsys)[0] == 130
    with pytest.raises(ConfigError, match="a recovery was interrupted; complete it with `swarmlet recover"):
        NodeFiles(survivor.data_dir).load()
    for kept in survivor.data_dir.glob("before-recovery-*"):
        shutil.rmtree(kept)  # of the same second
    assert recover(config, "--force-new-cluster", "--yes", capsys=capsys)[0] == 0
    assert FIRST.relation(NodeFiles(survivor.data_dir).load().incarnation) is Relation.NEWER


def test_a_machine_without_the_state_cannot_be_a_cluster(tmp_path: Path, alpha: Config) -> None:
    """It had only just joined, or was a spare."""
    shutil.rmtree(alpha.consensus_dir)
    state = NodeFiles(alpha.data_dir).load()

    async def claim() -> None:
        disk = SqliteDisk(alpha.consensus_dir)
        await disk.load()
        await disk.claim(state.cluster_id, state.node_id)
        await disk.persist(Batch(hard_state=HardState(1)))
        disk.close()

    asyncio.run(claim())
    with pytest.raises(ConfigError, match="holds no copy of the cluster's state"):
        asyncio.run(recovery_steps.recover(alpha, lambda outlook: True))


# Check.


def test_a_sound_folder_is_said_to_be(tmp_path: Path, alpha: Config, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run("check", "--config", written(tmp_path, alpha), capsys=capsys)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()[:5]] == [
        ["ok", "identity"],
        ["ok", "log"],
        ["ok", "database"],
        ["ok", "hard"],
        ["ok", "snapshot"],
    ]


def test_a_damaged_folder_is_bad_and_the_code_says_so(
    tmp_path: Path, alpha: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    (alpha.consensus_dir / "raft.db").write_bytes(b"")
    code, out, err = run("check", "--config", written(tmp_path, alpha), capsys=capsys)
    assert code == 1
    assert "BAD  log " in out
    assert "Do not start this machine as it is" in err
    code, out, _ = run("check", "--json", "--config", written(tmp_path, alpha), capsys=capsys)
    assert (code, json.loads(out)["ok"]) == (1, False)


def test_a_key_that_does_not_fit_is_found(tmp_path: Path, alpha: Config) -> None:
    other = configured(tmp_path, "other")
    asyncio.run(founding.found(other, clock=SystemClock(), rng=random.Random(2)))
    shutil.copy(NodeFiles(other.data_dir).key, NodeFiles(alpha.data_dir).key)
    (bad,) = [finding for finding in recovery_checks.check(alpha).findings if not finding.ok]
    assert bad.what == "identity"
    assert "does not fit the others" in bad.detail


def test_a_machine_that_is_no_member_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run("check", "--config", written(tmp_path, configured(tmp_path)), capsys=capsys)
    assert code == 1
    assert "this machine belongs to no cluster yet" in err
