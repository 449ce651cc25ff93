"""What turns a container's specification into a running process: a Docker Engine, or this machine itself.

`agent` decides what shall run and calls a `runtime.Runtime`; `node.py` chooses which: `docker.DockerRuntime` where an
Engine answers, `process.ProcessRuntime` elsewhere. Both, and the simulator's fake, pass `tests/contract`.

Invariants:

- A runtime sees and touches only containers that bear its own cluster and node id; daemons may share an Engine.
- Containers outlive the daemon: closing a runtime stops nothing, and `list` finds them again.
- Everything a runtime cannot do raises `errors.EngineError` in the engine's own words; every call ends in bounded time.

    container = await runtime.start(spec)              # created and started, or nothing is left behind
    async for change in runtime.watch(): ...           # exits; None: changes may have been missed, list anew
    await runtime.stop(container.id, grace_seconds=30)
    await runtime.remove(container.id)
"""
