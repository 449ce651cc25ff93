"""What makes the cluster what it was asked to be: one reconciler a kind, at work on the leader only.

`daemon.py` makes one `runner.Controllers` and runs it; it waits for this machine's reigns. In a reign

    change in the store -> `keys_for` -> `queue.WorkQueue` -> `reconcile(view, key, now)` -> `batch.Batch` -> propose

- A reconciler is level-based: it compares what should be with what is, whichever change woke it, and returns operations
  that bear the revisions it read. Called again on what came of them it returns none: nothing spins.
- It writes nothing itself. Many reconciliations go into one command, and each stands for itself there; one that was
  overtaken comes back later.
- Heartbeats stay in the leader's memory (`heartbeats.Heartbeats`); a new leader gives every node its full time anew.
- Nothing is remembered from one reign to the next, save what can be read from the store again.
"""
