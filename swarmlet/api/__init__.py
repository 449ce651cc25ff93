"""The Kubernetes API over HTTP: discovery, objects, watches, subresources, and what a daemon tells about itself.

`node` builds one `app.ApiServer` a daemon and serves its application on the TLS port and on the unix socket; kubectl,
helm, our own command line and the other daemons call it. It reads through `store.View` and writes through
`store.Replica`, and holds no state of its own but open watches.

Invariants:

- Every answer to bad input is a 4xx Status that names what is wrong; no input is worth a 5xx.
- A read shows every write acknowledged before it, unless the client asked for less (`resourceVersion=0`).
- One write is one proposal of a whole, completed and validated object; nothing is half-applied.
- Without quorum the answer is 503 with Retry-After, within the replica's timeout, never a hang.
- Lists, Tables and watch events are joined from the bytes that the store keeps.
- Everything that waits or grows has a named limit: bodies, requests, watches, buffers, pages.

The way of a request: `middleware` (who, may they, errors as Status) -> `targets` (path to kind and name) ->
`resources` (verb to handler) -> `reads` | `streams` | `writes` | `subresources` | `logs`. A write passes `admission`,
which is pure, as are `deletion`, `history`, `columns` and `table`.

    server = app.ApiServer(replica=replica, authenticator=authenticator, info=info, sources=sources, ...)
    runner = server.runner()
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=context).start()
    await web.UnixSite(runner, "/run/swarmlet/swarmlet.sock").start()
    status_runner = web.AppRunner(reports.build_status_app(server.reports))
"""
