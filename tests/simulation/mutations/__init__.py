"""Bugs put back on purpose: each must be found by the random schedules within a stated number of seeds.

`catalogue.ALL` is the list: the bugs of other Raft libraries that made us write our own, and every pitfall of the
design, each as an exact edit of the source. `python -m tests.simulation.mutations` makes each edit in a copy of the
package, runs seeds on it in a process of their own until an invariant fails, and says how many that took. One that
nothing finds is a hole in the faults or in the invariants.

The first seed that finds a bug is kept in `seeds.json`, so that `make test` need run only that one.
"""
