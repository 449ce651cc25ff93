"""Authenticated links between daemons, on the one TCP port that also serves the API.

`consensus` and `agent` speak through `peers.Peers`; `node` makes a `tls_peers.TlsPeers`, mounts its `handle_upgrade` at
`upgrade.PATH` and runs it.

Each daemon dials every other one for what it sends; answers to calls come back on the link that carried them. So a pair
has two links, neither side must agree on which one counts, and each notices at once when the other dies.

Invariants: nobody is listened to before both certificates, the cluster id and the node id are checked; a call fails as
"not delivered" only where that is certain; every queue is bounded in bytes; a link silent for too long is closed.

    peers = TlsPeers(node_id=..., cluster_id=..., client_context=tls.peer_context(files), identify=tls.peer_identity,
                     rng=rng)
    peers.on_call("ping", answer)
    peers.set_addresses({"n2": "10.0.0.2:7600"})
    running = tasks.create_task(peers.run())
    reply = await peers.call("n2", "ping", b"", timeout_seconds=1.0)

Where things live: `frames` the bytes of a link, `link` one connection, `upgrade` how an HTTP request becomes a link,
`dialler` keeps one up, `faults` how an error travels, `tls_peers` all of a daemon's links.
"""
