"""Consensus as a pure state machine: messages, ticks and requests in; one `Ready`, a list of what is to be done, out.

`consensus` drives it, and tests drive it without disk or network. It reads no clock, draws no randomness of its own and
does no I/O, so that a run can be replayed from its inputs.

Invariants: one leader a term; a leader never changes its own log; two logs that hold the same (index, term) agree up to
it; what is committed stays, in every later leader's log. They rest on `Ready`'s order: nothing that binds this node is
sent before what it rests on is on disk.

    raft = Raft(node_id="n1", config=RaftConfig(), restored=RestoredState.bootstrap("n1"), rng=random.Random())
    while True:
        ...                                     # tick(), step(message), propose(data), read_index(context)
        while raft.has_ready():
            ready = raft.ready()
            send(ready.messages)
            persist(ready.snapshot, ready.entries, ready.hard_state)
            send(ready.messages_after_persist)
            apply(ready.committed), serve(ready.read_states)
            raft.advance(ready)

Where things live: `core` the API; `election` terms, votes and roles; `leadership` what a leader does, with `reads` and
the `progress` of each follower; `following` what a follower does; `log`, `membership`, `quorum` the ground under them.
"""
