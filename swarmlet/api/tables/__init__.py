"""What `kubectl get` prints: the Table form of objects, rendered by the server.

`columns.of(kind)` is a kind's columns and what fills them, `table.Renderer` makes the documents. A kind's columns stand
beside its cells in the module of its group; `columns` alone knows all of them.
"""
