"""What every node does so that Pods, Services and names are reached: pure renderers, and thin appliers beside them.

Each node works from its own replica, and needs nobody's leave: `services.desired` keeps what the cluster's Services ask
of this node in step with the store; a renderer turns that into rules, tables or answers, as data; an applier puts these
into the kernel or onto a socket, and puts them back where a stranger took them away. Only `node.py` calls this room.

    fabric      the Pod network between machines        wireguard   its sealed mode
    services    Services in the kernel                  proxy       Services without the kernel's help
    policies    NetworkPolicies, isolation              dns         names

Invariants: the cost of a change does not grow with the number of Services; what is in force is a function of what is
stored, whatever happened before; nothing that others own is touched.

    wanted = desired.DesiredServices(view, node_name)
    wanted.subscribe(dirty.update)              # the keys of Services that may be other than they were
    service = wanted.get(key)                   # None: nothing is to be rendered for it
"""
