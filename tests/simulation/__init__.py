"""A deterministic simulation of whole clusters in one process on virtual time: docs/simulation.md tells how to use it.

Bottom up: `kernel` (time and chance), `process` and `machine` (what runs, and dies), `files` and `vfs` (disks),
`network` and `peers` (links). On these, `member` is one daemon's consensus; `ledger` and `invariants` watch it;
`clients`, `desk` and `operator` use it; `linearizability` judges what clients saw. `faults` and `planning` say what
goes wrong, `simulation` is one run of it all, `shrinking` makes a failure short, `__main__` is the command.
"""
