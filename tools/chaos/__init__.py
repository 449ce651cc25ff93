"""`make chaos`: real daemons on machines of their own, faults drawn from a seed, and clients that forgive nothing.

Where things live: `plan` draws the faults (pure); `faults` strikes and heals them; `nemesis` carries the plan out;
`writers` and `watchers` are the clients, what they saw is a `history`; `verdict` and `order` judge it (pure);
`gauges` counts elections and snapshots; `campaign` puts it together; `report` tells it.
"""
