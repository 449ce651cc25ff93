"""How a machine becomes a member: it founds a cluster, or it asks one to admit it. Behind `init` and `join`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from swarmlet.addresses import split_address
from swarmlet.clock import Clock
from swarmlet.config import Config
from swarmlet.consensus import bootstrap
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.errors import ConfigError
from swarmlet.identity import addresses, authority, registration, tokens
from swarmlet.identity.authority import Authority, NodeIdentity
from swarmlet.identity.joining import Joiner, JoinRequest
from swarmlet.identity.state import NodeFiles, NodeState
from swarmlet.identity.tokens import JoinToken
from swarmlet.identity.users import LOCAL_ADMIN
from swarmlet.model import kinds, names, objects
from swarmlet.model.base import clock_time
from swarmlet.model.cluster import ClusterIdentity, Token
from swarmlet.model.core import Namespace, NamespaceSpec, NamespaceStatus
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.store.commands import Key, Operation, Origin, Put

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


@dataclass(frozen=True, slots=True)
class Founded:
    """A new cluster: its first node, and the first invitation with its expiry."""

    state: NodeState
    token: JoinToken
    token_expires: datetime


async def found(config: Config, *, clock: Clock, rng: random.Random) -> Founded:
    """Make a cluster of this machine and write it to its data folder; raise `ConfigError` where that cannot be."""
    files = NodeFiles(config.data_dir)
    files.prepare()
    addresses.check_ports(config)
    now = clock.now()
    state = _first_node(config)
    ca = Authority.create(state.cluster_id, now)
    key_pem = authority.new_key()
    request = authority.new_request(key_pem)
    host, _ = split_address(state.advertise)
    certificate = ca.sign_node(request, state.identity, host, now)
    token, invitation = first_invitation(ca, now, "made by swarmlet init")
    key_sha256 = authority.public_key_sha256(request)
    operations = initial_operations(ca, state.identity, key_sha256, invitation, now, rng)
    origin = Origin(LOCAL_ADMIN.name, now, state.name, verb="init")
    await _write_log(config, state, operations, origin, rng)
    files.save(state, authority_pem=ca.certificate_pem, certificate_pem=certificate, key_pem=key_pem)
    assert invitation.expires is not None
    return Founded(state, token, invitation.expires)


async def join(config: Config, *, peer: str, token: JoinToken, clock: Clock) -> NodeState:
    """Have `peer`'s cluster admit this machine, and write who it is now to its data folder."""
    files = NodeFiles(config.data_dir)
    files.prepare()
    addresses.check_ports(config)
    joiner = Joiner(peer=peer, token=token, clock=clock)
    authority_pem = await joiner.fetch_authority()
    key_pem = authority.new_key()
    request = JoinRequest(
        token_id=token.token_id,
        secret=token.secret,
        csr=authority.new_request(key_pem),
        name=config.node_name,
        advertise=addresses.advertised(config, peer),
        node_id=tokens.new_id(),
        time=clock.now(),
    )
    answer = await joiner.ask(request, authority_pem)
    state = NodeState(
        cluster_id=answer.cluster_id,
        node_id=request.node_id,
        name=request.name,
        advertise=request.advertise,
        peers=tuple(member for member in answer.members if member.node_id != request.node_id),
        incarnation=answer.incarnation,
    )
    await _claim_disk(config, state)
    files.save(state, authority_pem=authority_pem, certificate_pem=answer.certificate, key_pem=key_pem)
    return state


def initial_operations(
    ca: Authority, node: NodeIdentity, key_sha256: str, invitation: Token, now: datetime, rng: random.Random
) -> tuple[Operation, ...]:
    """Return the first entry of a new cluster's log: its identity, its namespaces, its first node and invitation."""
    identity = ClusterIdentity(
        metadata=ObjectMeta(name="cluster", uid=names.new_uid(rng), creation_timestamp=clock_time(now)),
        cluster_id=ca.cluster_id,
        ca_certificate=ca.certificate_pem,
        ca_key=ca.key_pem,
    )
    first = registration.new_node(node, public_key_sha256=key_sha256, uid=names.new_uid(rng), now=now)
    return (
        put(kinds.CLUSTER_IDENTITY, identity),
        *(put(kinds.NAMESPACE, _namespace(name, names.new_uid(rng), now)) for name in NAMESPACES),
        put(kinds.NODE, first),
        put(kinds.TOKEN, invitation),
    )


async def _write_log(
    config: Config, state: NodeState, operations: Sequence[Operation], origin: Origin, rng: random.Random
) -> None:
    disk = SqliteDisk(config.consensus_dir)
    try:
        await bootstrap.bootstrap(
            disk=disk,
            cluster_id=state.cluster_id,
            node_id=state.node_id,
            address=state.advertise,
            operations=operations,
            origin=origin,
            rng=rng,
        )
    finally:
        disk.close()


async def _claim_disk(config: Config, state: NodeState) -> None:
    """Write whose log there will be, so that a member's disk that is found empty is known to be a lost one."""
    disk = SqliteDisk(config.consensus_dir)
    try:
        await disk.load()
        await disk.claim(state.cluster_id, state.node_id)
    finally:
        disk.close()


def own_address(config: Config) -> str:
    """Return where others reach the first node of a cluster; raise `ConfigError` where that cannot be known."""
    advertise = addresses.advertised(config)
    if split_address(advertise)[1] == 0:
        raise ConfigError("listen: found port 0; allowed: a fixed port, because the others must find this daemon")
    return advertise


def _first_node(config: Config) -> NodeState:
    return NodeState(
        cluster_id=tokens.new_id(), node_id=tokens.new_id(), name=config.node_name, advertise=own_address(config)
    )


def first_invitation(ca: Authority, now: datetime, description: str) -> tuple[JoinToken, Token]:
    """Return a join token, and what the cluster keeps of it."""
    secret, token_id = tokens.new_secret(), tokens.new_token_id()
    stored = tokens.stored(
        token_id=token_id,
        secret=secret,
        usage=tokens.JOIN,
        now=now,
        ttl=tokens.JOIN_TTL_DEFAULT,
        description=description,
    )
    fingerprint = authority.authority_sha256(ca.certificate_pem)
    return JoinToken(tokens.authority_hash(fingerprint), token_id, secret), stored


def _namespace(name: str, uid: str, now: datetime) -> Namespace:
    labels = {"kubernetes.io/metadata.name": name}
    return Namespace(
        metadata=ObjectMeta(name=name, uid=uid, creation_timestamp=clock_time(now), labels=labels),
        spec=NamespaceSpec(finalizers=("kubernetes",)),
        status=NamespaceStatus(phase="Active"),
    )


def put(kind: kinds.Kind, value: Object) -> Put:
    """Return what creates an object of the whole cluster."""
    return Put(Key(kind.resource, "", value.metadata.name), objects.to_json(value), expected_revision=0)
