"""The birth of a cluster: one voter, and a first command in its log."""

from __future__ import annotations

import random
from collections.abc import Sequence

from swarmlet.consensus.disk import Batch, Disk
from swarmlet.consensus.snapshot_file import Header
from swarmlet.errors import AlreadyExistsError
from swarmlet.raft.config import RestoredState
from swarmlet.raft.messages import Entry
from swarmlet.store import commands
from swarmlet.store.commands import NOBODY, Command, Operation, Origin
from swarmlet.store.state import Store


async def bootstrap(
    *,
    disk: Disk,
    cluster_id: str,
    node_id: str,
    address: str,
    operations: Sequence[Operation],
    origin: Origin = NOBODY,
    rng: random.Random,
) -> None:
    """Write the first log of a cluster of one to an empty disk; the command takes effect when the daemon first runs.

    Raises `AlreadyExistsError` where the disk was used before. The ids are written last: a disk without them counts as
    empty, so that an `init` that was interrupted can be repeated.
    """
    contents = await disk.load()
    if contents.node_id:
        raise AlreadyExistsError(f"the data folder belongs to node {contents.node_id} of cluster {contents.cluster_id}")
    born = RestoredState.bootstrap(node_id)
    header = Header(born.snapshot, {node_id: address})
    if contents.snapshot.meta != born.snapshot:
        await disk.save_snapshot(header, Store().capture().encode_chunks(), trim_to=0)
    first = Command(rng.randbytes(16), tuple(operations), origin=origin)
    entry = Entry(born.snapshot.index + 1, born.snapshot.term, commands.encode(first))
    await disk.persist(Batch(entries=(entry,), hard_state=born.hard_state))
    await disk.claim(cluster_id, node_id)
