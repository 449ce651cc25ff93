"""The Common Expression Language, as Kubernetes uses it: rules of strangers, evaluated within a bound. Pure.

    program = compiling.compiled("self.minReplicas <= self.maxReplicas", frozenset({"self"}))
    program.evaluate({"self": {"minReplicas": 1, "maxReplicas": 3}}, Budget(1_000))     # True

`parsing` makes a tree of a text, `checking` says what is wrong with it before any value is there, `compiling` makes
functions of it, and `functions` has what expressions may call. Evaluation reads no time, writes nothing, and spends a
step of its `Budget` for each thing that it does: an expression cannot run for longer, whatever its author wrote.

Source: github.com/google/cel-spec (doc/langdef.md), and k8s.io/apiserver/pkg/cel/library for Kubernetes' functions.
"""
