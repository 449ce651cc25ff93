"""What the log replicates: the cluster's objects, their revisions, and the recent history that watches resume from.

`consensus` owns the one `Store` of a daemon: it applies committed commands in order, captures snapshots and restores
them. Everybody else reads through `replica.View` and writes through `replica.Replica`.

Invariants:

- `apply` is deterministic: equal sequences of commands give equal states, outcomes and snapshots on every machine,
  whatever version it runs. So the store keeps the bytes it was given, fields that this version does not know included.
- `revision` grows by one for each object changed; no two changes share one (docs/decisions/0002).
- A write that changes nothing changes no revision; a request applies once, however often it was proposed.

    store = state.Store()
    outcomes = store.apply_entry(entry_bytes)          # for each committed entry
    chunks = store.capture().encode_chunks()           # captured at once, encoded in a thread
    state.Store().restore(chunks)                      # in place; subscribers are told to read anew
"""
