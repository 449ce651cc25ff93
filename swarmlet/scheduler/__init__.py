"""Where Pods go, and why one goes nowhere, in words. Pure: a picture of the nodes in, placements and refusals out.

`controllers.scheduling` calls it; nothing here reads the time or writes anything.

- A node's Pods never ask for more than the node has: no placement over-commits.
- The same Pods, nodes and seed give the same placements.
- Pods that ask for the same are filtered once together, and scored where a placement changed something.

    cluster = Cluster()
    cluster.catch_up(view)
    for placement in placement.place(requests, cluster.nodes, rng):
        ...  # placement.node, or placement.refusal where there is none

`demand` says what a Pod asks for, `cluster` what each node has left, `filters` whether a node will do and if not why,
`scores` which of those that will do is best, `explain` turns refusals into one sentence.
"""
