"""Where Pods go, and why one goes nowhere, in words. Pure: a picture of the nodes in, placements and refusals out.

`controllers.scheduling` calls it; nothing here reads the time or writes anything.

- A node's Pods never ask for more than the node has: no placement over-commits.
- The same Pods, nodes and seed give the same placements.
- Pods that ask for the same are filtered once together, and scored where a placement changed something.

    cluster = Cluster()
    cluster.catch_up(view)
    for placement in placement.place(requests, cluster, seed=0):
        ...  # placement.node, or placement.refusal where there is none; placement.decision says how that came about

`demand` says what a Pod asks for and `terms` what of that is about other Pods; `cluster` has what each node has left,
`peers` which Pods are where. `filters` say whether a node will do and if not why, `constraints` the same as far as
other Pods decide it, with their counts by domain in `tallies`. `scores` says how good a node is by itself, `ballot`
ranks the nodes for Pods of one demand, `explain` turns refusals into one sentence, `decision` is what is kept of it.
"""
