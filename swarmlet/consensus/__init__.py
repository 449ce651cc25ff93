"""Drives the pure core of `raft`: disk, peers, applying, proposals, linearizable reads, snapshots, membership.

`daemon` opens one `driver.Consensus` a daemon and runs it; `api`, `controllers` and `agent` use it as
`store.replica.Replica`.

Invariants: one task takes Readys from the core, and inputs are single synchronous calls, so no await stands between
reading and changing its state; nothing is sent that rests on what is not on disk; a disk that failed is never asked
again; every wait ends in time, with what is known about the outcome; clock, randomness, disk and links are given.

    disk = SqliteDisk(data_dir / "raft")
    await bootstrap(disk=disk, cluster_id=..., node_id=..., address=..., operations=(), rng=rng)  # `swarmlet init`
    consensus = await Consensus.open(node_id=..., cluster_id=..., disk=disk, peers=peers, store=Store(), clock=clock,
                                     rng=rng, config=ConsensusConfig())
    running = tasks.create_task(consensus.run())
    await consensus.propose([Put(key, json)])
    await consensus.linearize()
    consensus.view.get(key)
    await consensus.stop()                      # hands the lead over; `run` returns
    disk.close()

Where things live: `driver` puts it together; `engine` turns the core's wheel; `mailbox` carries its messages;
`standing` is who leads; `waiting` is who waits for what; `forwarding` finds the leader; `reads`, `snapshots`,
`members`, `links`, `zones` and `addresses` have a subject each; `roles` decides who votes, `upkeep` sees to it on the
leader, and `belonging` notices what became of this node; `feeding` and `spare` are the two ends by which spares follow;
`disk` is the seam to `sqlite_disk`, `sqlite_log` and `snapshot_file`, `files` the one beneath them; `wire` is what
nodes tell each other.
"""
