"""Makes this node run the Pods that are bound to it, and tells the cluster what became of them.

`daemon.py` builds one `runner.Agent` a daemon and runs it; the API asks it for logs. It reads the local replica, drives
a `runtime.Runtime`, and writes Pod statuses, Events and its own Node.

Invariants:

- `pod_machine` is pure: what happened in, what is to be done out; the worker that carries it out decides nothing.
- A container is only removed when its Pod's end is in the store, or when the cluster has confirmed that nobody owns it.
- Nothing is stopped when the daemon stops, nor when the node is cut off; a new daemon adopts what it finds. Strict
  singletons are the exception: `fence` kills them when the node's lease is over, and lets none start without one.
- A Pod's object is deleted by its node alone, after its last container is gone.

    agent = runner.Agent(node=identity, replica=replica, runtime=runtime, ...)
    tasks.create_task(agent.run())
    async for data in agent.streams.logs("default", "web", "", options): ...
    await agent.say_goodbye()                         # before a stop on purpose
"""
