"""Streams to Pods as Kubernetes' clients speak them: SPDY/3.1 and the channels of a websocket, on both sides.

`api.streaming` serves with this, `cli` asks with it. `spdy`, `spdy_headers`, `channels` and `outcome` are pure: bytes
in, events and bytes out. `multiplexer` drives a SPDY connection on any duplex of bytes; `inbox` is what holds what
came in and is not read yet, `liveness` tells whether somebody is at the other end.

Invariants: nothing that a peer sends makes a codec raise anything but `ProtocolError`, or hold more than a named
limit; a reader that is slow slows the sender down, and nothing is dropped.

    connection = spdy.Connection(client=False)
    for event in connection.receive(data):
        if isinstance(event, spdy.StreamOpened):
            connection.reply(event.stream_id)
            connection.send(event.stream_id, b"hello", end=True)
    transport.write(connection.take())
"""
