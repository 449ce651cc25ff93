"""Streams to Pods over HTTP: `exec`, `attach` and `portforward`, on websockets and on SPDY, from any node.

Invariants: a request is answered by the node that the Pod is on; any other node's daemon carries the bytes there and
back and looks at none of them (`relay`). Nobody's bytes are kept beyond a small bound: who is slow to read slows the
sender down. A connection whose other end is gone, or cannot be reached, ends within seconds, and with it what it was
for (`streams.liveness`).

Where things live: `serving` which request is for whom; `upgrades` a connection taken over from HTTP; `remotes` the
channels of exec and attach on either protocol; `conversations` those channels joined with a command; `forwards` ports
joined with streams; `relay` the way to another node.
"""
