"""What `restore` and `recover` do, told and asked by nobody: a data folder in, a data folder out."""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from swarmlet.addresses import split_address
from swarmlet.cli import founding
from swarmlet.cli.founding import Founded
from swarmlet.clock import SystemClock
from swarmlet.config import Config
from swarmlet.consensus import recovery
from swarmlet.consensus.recovery import Found
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.consensus.sqlite_log import WATERMARK
from swarmlet.errors import ConfigError, InvalidError
from swarmlet.identity import addresses, authority, registration, tokens
from swarmlet.identity.authority import Authority
from swarmlet.identity.state import NodeFiles, NodeState
from swarmlet.model import kinds, names
from swarmlet.model.cluster import ClusterIdentity
from swarmlet.raft import membership
from swarmlet.store.backup import Reader
from swarmlet.store.commands import Key
from swarmlet.store.state import Store

BEFORE = "before-recovery-"
"""How the names begin of folders with what a recovery found."""
INCARNATION_ID_BYTES = 8
CLUSTER_KEY = Key(kinds.CLUSTER_IDENTITY.resource, "", "cluster")


@dataclass(frozen=True, slots=True)
class Other:
    """A member that a recovery cuts off."""

    name: str
    address: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a recovery would start from, and whom it would cut off. `damage` is "" where the disk is sound."""

    name: str
    cluster_id: str
    role: str
    last_index: int
    last_term: int
    commit: int
    last_written: datetime | None
    revision: int
    counts: Counter[str]
    others: tuple[Other, ...]
    damage: str = ""


# Restore.


def check_empty(config: Config) -> None:
    """Raise `ConfigError` where this machine is a member, its folder is not empty, or its ports are taken."""
    NodeFiles(config.data_dir).prepare()
    addresses.check_ports(config)


async def restore(config: Config, reader: Reader) -> Founded:
    """Make a cluster of this machine from a backup that was read whole; leave nothing behind where that fails."""
    files = NodeFiles(config.data_dir)
    manifest = reader.finish()
    now = SystemClock().now()
    store = Store()
    store.restore(reader.chunks)
    state = NodeState(
        cluster_id=manifest.cluster_id,
        node_id=tokens.new_id(),
        name=config.node_name,
        advertise=founding.own_address(config),
        incarnation=manifest.incarnation.next(secrets.token_hex(INCARNATION_ID_BYTES), now),
    )
    try:
        return await _found_from(config, files, store, state, now)
    except BaseException:
        shutil.rmtree(config.consensus_dir, ignore_errors=True)
        raise


async def _found_from(config: Config, files: NodeFiles, store: Store, state: NodeState, now: datetime) -> Founded:
    ca = _authority(store)
    key_pem = authority.new_key()
    request = authority.new_request(key_pem)
    certificate = ca.sign_node(request, state.identity, split_address(state.advertise)[0], now)
    token, invitation = founding.first_invitation(ca, now, "made by swarmlet restore")
    rng = random.SystemRandom()
    node = registration.new_node(
        state.identity, public_key_sha256=authority.public_key_sha256(request), uid=names.new_uid(rng), now=now
    )
    capture = recovery.settled(
        store,
        stay=(),
        newcomers=(founding.put(kinds.NODE, node), founding.put(kinds.TOKEN, invitation)),
        rng=rng,
        now=now,
    )
    disk = SqliteDisk(config.consensus_dir)
    try:
        await disk.load()
        await recovery.begin_alone(disk, capture, node_id=state.node_id, address=state.advertise)
        await disk.claim(state.cluster_id, state.node_id)
    finally:
        disk.close()
    files.save(state, authority_pem=ca.certificate_pem, certificate_pem=certificate, key_pem=key_pem)
    assert invitation.expires is not None
    return Founded(state, token, invitation.expires)


def _authority(store: Store) -> Authority:
    stored = store.get(CLUSTER_KEY)
    if stored is None or not isinstance(stored.object, ClusterIdentity):
        raise InvalidError("the state holds no cluster identity, so no CA: it is no whole cluster's")
    cluster = stored.object
    return Authority(cluster_id=cluster.cluster_id, certificate_pem=cluster.ca_certificate, key_pem=cluster.ca_key)


# Recover.


async def recover(config: Config, agreed: Callable[[Outlook], bool]) -> Path | None:
    """Make this machine's state a cluster of its own, if its user agrees; return where its data of before is kept.

    An interrupted one is marked, and completed by another. Raises `ConfigError` where the daemon runs or this machine
    holds no state, `DiskError` where what it holds is too damaged.
    """
    files = NodeFiles(config.data_dir)
    state = files.load(half_changed=True)
    last_written = _last_written(config.consensus_dir)
    disk = SqliteDisk(config.consensus_dir, claimed=True, accept_loss=True)
    try:
        found = await recovery.read(disk)
        _check_whose(found, state)
        _check_need(found, state, is_sound=not disk.lost and not files.is_half_changed)
        if not agreed(_outlook(found, state, last_written, disk.lost)):
            return None
        now = SystemClock().now()
        kept = await asyncio.to_thread(_keep, config, now)
        with files.changing():
            await _begin_alone(disk, found, state, now)
            life = state.incarnation.next(secrets.token_hex(INCARNATION_ID_BYTES), now)
            files.rewrite(msgspec.structs.replace(state, peers=(), incarnation=life))
        return kept
    finally:
        disk.close()


async def _begin_alone(disk: SqliteDisk, found: Found, state: NodeState, now: datetime) -> None:
    rng = random.SystemRandom()
    capture = recovery.settled(found.store, stay={state.name}, newcomers=(), rng=rng, now=now)
    term = max(found.contents.hard_state.term, found.last_term) + 1
    await recovery.begin_alone(
        disk, capture, node_id=state.node_id, address=state.advertise, index=found.last_index + 1, term=term
    )


def _check_whose(found: Found, state: NodeState) -> None:
    """Raise `ConfigError` where a disk is another node's, or holds no state that a cluster could go on with."""
    contents = found.contents
    if (contents.cluster_id, contents.node_id) != (state.cluster_id, state.node_id):
        raise ConfigError(f"the log is node {contents.node_id}'s of cluster {contents.cluster_id}; is data_dir right?")
    if found.store.get(CLUSTER_KEY) is None:
        raise ConfigError(
            "this machine holds no copy of the cluster's state (it was a spare, or had only just joined); "
            "recover another, or `swarmlet restore` a backup"
        )


def _check_need(found: Found, state: NodeState, *, is_sound: bool) -> None:
    """Raise `ConfigError` where there is nothing to recover from: the only member needs nobody else."""
    if is_sound and found.membership.voters == {state.node_id} == membership.everybody(found.membership):
        raise ConfigError("this machine is its cluster's only member and its disk is sound: just start the daemon")


def _last_written(folder: Path) -> datetime | None:
    """Return when the log was written last: about when this machine last heard from a leader, or led."""
    mark = folder / WATERMARK  # which only a write to the log touches
    return datetime.fromtimestamp(mark.stat().st_mtime, UTC) if mark.exists() else None


def _outlook(found: Found, state: NodeState, last_written: datetime | None, lost: int) -> Outlook:
    store, node_names = found.store, found.names()
    counts = Counter({resource: len(store.list(resource)) for resource in kinds.BY_RESOURCE})
    others = sorted(membership.everybody(found.membership) - {state.node_id})
    return Outlook(
        name=state.name,
        cluster_id=state.cluster_id,
        role=_role(found, state.node_id),
        last_index=found.last_index,
        last_term=found.last_term,
        commit=found.contents.hard_state.commit,
        last_written=last_written,
        revision=store.revision,
        counts=+counts,
        others=tuple(
            Other(node_names.get(node, node), found.addresses.get(node, "-"), _role(found, node)) for node in others
        ),
        damage=f"at least {lost} writes that this machine had acknowledged are gone from its log" if lost else "",
    )


def _role(found: Found, node: str) -> str:
    if node in found.membership.voters:
        return "voter"
    if node in found.membership.learners:
        return "standby"
    return "spare" if node in found.membership.spares else "no member"


def _keep(config: Config, now: datetime) -> Path:
    """Copy what there is before it is changed; return where to."""
    kept = config.data_dir / f"{BEFORE}{now:%Y%m%d-%H%M%S}"
    try:
        kept.mkdir(mode=0o700)
        shutil.copytree(config.consensus_dir, kept / config.consensus_dir.name)
        shutil.copy2(NodeFiles(config.data_dir).node, kept)
    except OSError as error:
        shutil.rmtree(kept, ignore_errors=True)
        raise ConfigError(f"{kept}: cannot keep a copy of the data: {error.strerror or error}") from error
    return kept
