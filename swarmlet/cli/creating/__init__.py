"""`swarmlet create`: objects from flags and from files, as kubectl's generators make them.

`content` reads pairs from flags and files, `generators` makes the documents (pure), `create` is the command.

    generators.deployment("web", ("nginx:1.27",), replicas=3, port=80, command=())  # -> the manifest
"""
