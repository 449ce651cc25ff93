"""Admitting machines to the cluster and removing them, from whichever daemon is asked."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable, Sequence

import structlog

from swarmlet import errors
from swarmlet.addresses import join_address, split_address
from swarmlet.api.access import origins
from swarmlet.clock import Clock
from swarmlet.config_rules import node_name
from swarmlet.identity import authority, calls, joining, registration, tokens
from swarmlet.identity.access import NODES_PATH
from swarmlet.identity.authority import NODE_USER_PREFIX, Authority, NodeIdentity
from swarmlet.identity.incarnation import FIRST, Incarnation
from swarmlet.identity.joining import JoinAnswer, JoinRequest
from swarmlet.identity.state import Member
from swarmlet.model import kinds, names, objects
from swarmlet.model.cluster import ClusterIdentity, Token
from swarmlet.model.core import Node
from swarmlet.store import node_names
from swarmlet.store.commands import Delete, Key, Put, Verdict
from swarmlet.store.replica import MemberStatus, Replica

CLUSTER_KEY = Key(kinds.CLUSTER_IDENTITY.resource, "", "cluster")

log = structlog.get_logger()


def token_key(token_id: str) -> Key:
    """Return where a token is stored."""
    return Key(kinds.TOKEN.resource, "", token_id)


def node_key(name: str) -> Key:
    """Return where a Node is stored."""
    return Key(kinds.NODE.resource, "", name)


class Membership:
    """The rules of coming and going.

    Args:
        replica: the store and the consensus.
        clock, rng: stamp what is created.
        node: who this daemon is.
        peer_context: makes the TLS context with which this daemon asks another to remove it, when it leaves.
        incarnation: the life of the cluster that newcomers join.
    """

    def __init__(
        self,
        *,
        replica: Replica,
        clock: Clock,
        rng: random.Random,
        node: NodeIdentity,
        peer_context: Callable[[], ssl.SSLContext],
        incarnation: Incarnation = FIRST,
    ) -> None:
        self._replica = replica
        self._clock = clock
        self._rng = rng
        self._node = node
        self._peer_context = peer_context
        self._incarnation = incarnation

    def authority(self) -> Authority:
        """Return the CA, from the replicated store; raise `UnavailableError` where it has not arrived yet."""
        stored = self._replica.view.get(CLUSTER_KEY)
        if stored is None:
            raise errors.UnavailableError("this daemon has not caught up with the cluster yet; ask another, or wait")
        cluster = stored.object
        assert isinstance(cluster, ClusterIdentity)
        return Authority(cluster_id=cluster.cluster_id, certificate_pem=cluster.ca_certificate, key_pem=cluster.ca_key)

    def token(self, token_id: str) -> Token | None:
        """Return a stored token, as far as this daemon knows."""
        stored = self._replica.view.get(token_key(token_id))
        return stored.object if stored is not None and isinstance(stored.object, Token) else None

    def is_member(self, node_id: str) -> bool:
        """Whether a node id belongs to this cluster now, as far as this daemon knows."""
        return any(member.node_id == node_id for member in self._replica.status().members)

    async def admit(self, request: JoinRequest) -> JoinAnswer:
        """Check an invitation; hold the machine's name, make it a member, and sign its certificate.

        A retry of the same machine (node id and key) gets the same admission. Raises `UnauthorizedError` for the
        token, `CallerError` for a clock that is off, `InvalidError`, `AlreadyExistsError` for a name or node id taken.
        """
        await self._replica.linearize()
        now = self._clock.now()
        tokens.check(self.token(request.token_id), usage=tokens.JOIN, secret=request.secret, now=now)
        joining.check_clocks(request.time, now, "the new machine", f'node "{self._node.name}"')
        host, port = _checked(request)
        ca = self.authority()
        newcomer = NodeIdentity(cluster_id=ca.cluster_id, node_id=request.node_id, name=request.name)
        certificate = ca.sign_node(request.csr, newcomer, host, now)
        await self._hold_name(newcomer, authority.public_key_sha256(request.csr))
        if not self.is_member(newcomer.node_id):
            await self._replica.add_member(newcomer.node_id, join_address(host, port))
        log.info("node_admitted", node=newcomer.name, node_id=newcomer.node_id, token_id=request.token_id)
        return JoinAnswer(
            cluster_id=ca.cluster_id,
            certificate=certificate,
            ca=ca.certificate_pem,
            members=self._members(),
            incarnation=self._incarnation,
        )

    async def remove(self, name: str, *, force: bool) -> bool:
        """Remove a node, known by its name or (without a Node object) its node id, and its Node object.

        Returns whether it was this node, which has left then. Raises `NotFoundError`, or `ConflictError` where the
        node is ready and not `force`d or where quorum would break.
        """
        await self._replica.linearize()
        node = self._find_node(name)
        node_id = registration.node_id_of(node) if node else name
        if node is None and not self.is_member(node_id):
            raise errors.NotFoundError(f'nodes "{name}" not found')
        if node_id == self._node.node_id:
            await self.leave()
            return True
        if node and not force and _is_ready(node):
            raise errors.ConflictError(
                f'node "{name}" is ready: run `swarmlet leave` on it, or remove it with --force and stop its daemon'
            )
        if self.is_member(node_id):
            await self._remove_member(node_id)
        if node:
            await self._replica.propose([Delete(node_key(name), expected_uid=node.metadata.uid)])
        log.info("node_removed", node=name, node_id=node_id, forced=force)
        return False

    async def _remove_member(self, node_id: str) -> None:
        try:
            await self._replica.remove_member(node_id)
        except errors.ConflictError as error:
            raise errors.ConflictError(node_names.in_names(self._replica.view, str(error))) from error

    async def leave(self) -> None:
        """Have another member remove this node.

        Raises `ConflictError` where it is the last or quorum would break, `UnavailableError` where there is none.
        """
        others = [member for member in self._replica.status().members if member.node_id != self._node.node_id]
        if not others:
            raise errors.ConflictError(
                "this is the cluster's only node: to end the cluster, stop the daemon and delete its data folder"
            )
        if not self._replica.status().healthy:
            raise errors.UnavailableError(
                "without quorum the cluster can let no machine go: bring back its voters (`swarmlet status` shows "
                "which cannot be reached), or stop this daemon and delete its data folder if the cluster is given up"
            )
        if self._replica.is_leader:
            await self._replica.transfer_leadership()
        leader = self._replica.status().leader
        await self._ask_one_of(sorted(others, key=lambda member: (member.node_id != leader, member.role != "voter")))
        log.info("node_left", node=self._node.name, node_id=self._node.node_id)

    async def _ask_one_of(self, members: Sequence[MemberStatus]) -> None:
        """Ask one member after another to remove this node, until one says that it is done, or refuses."""
        path = f"{NODES_PATH}/{self._node.name}?force=true"
        failure: errors.PeerError | None = None
        for member in members:
            try:
                await calls.call(member.address, "DELETE", path, self._peer_context())
            except (errors.UnauthorizedError, errors.NotFoundError):
                if not isinstance(failure, errors.OutcomeUnknownError):
                    raise
                return  # the one asked before has done it: nobody knows this node any more
            except (errors.UnavailableError, errors.OutcomeUnknownError) as error:
                failure = error
            else:
                return
        raise failure or errors.BugError("nobody was asked")

    async def _hold_name(self, newcomer: NodeIdentity, key_sha256: str) -> None:
        """Make the newcomer's Node, by compare-and-swap, so that of two machines with one name one is refused."""
        existing = self._find_node(newcomer.name)
        if existing is None:
            if self.is_member(newcomer.node_id):
                raise errors.AlreadyExistsError(f"node id {newcomer.node_id} is taken; join again to get another")
            node = registration.new_node(
                newcomer, public_key_sha256=key_sha256, uid=names.new_uid(self._rng), now=self._clock.now()
            )
            put = Put(node_key(newcomer.name), objects.to_json(node), expected_revision=0)
            origin = origins.named(NODE_USER_PREFIX + newcomer.name, "joined with a token")
            (outcome,) = await self._replica.propose([put], origin=origin)
            if outcome.verdict is Verdict.DONE:
                return
            existing = self._find_node(newcomer.name)
        if existing is None or not registration.is_same_machine(existing, newcomer, key_sha256):
            raise errors.AlreadyExistsError(
                f'the name "{newcomer.name}" is taken by another node; choose one with --name, '
                f"or free it with `swarmlet node rm {newcomer.name}` if that machine is gone"
            )

    def _find_node(self, name: str) -> Node | None:
        stored = self._replica.view.get(node_key(name))
        return stored.object if stored is not None and isinstance(stored.object, Node) else None

    def _members(self) -> tuple[Member, ...]:
        """Return whom a newcomer may ask for the state: spares hold no log to give on."""
        members = self._replica.status().members
        return tuple(Member(node_id=one.node_id, address=one.address) for one in members if one.role != "spare")


def _checked(request: JoinRequest) -> tuple[str, int]:
    """Return where the newcomer listens; raise `InvalidError` for a name, node id or address that is none."""
    causes = []
    try:
        node_name(request.name)
    except ValueError as error:
        causes.append(("name", str(error)))
    try:
        address = split_address(request.advertise)
    except ValueError as error:
        causes.append(("advertise", str(error)))
    if not authority.is_id(request.node_id):
        causes.append(("node_id", "16 hexadecimal digits"))
    if causes:
        raise errors.InvalidError("; ".join(f"{field}: allowed: {rule}" for field, rule in causes), tuple(causes))
    return address


def _is_ready(node: Node) -> bool:
    return any(condition.type == "Ready" and condition.status == "True" for condition in node.status.conditions)
