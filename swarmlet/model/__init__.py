"""The API objects: typed structs of Kubernetes' kinds, and everything that can be said of them without I/O.

Every room uses it; it uses only `errors`. Invariants:

- Structs are immutable and shared: a change is a new value (`msgspec.structs.replace`); dicts inside are not touched.
- What a user sent goes through `decode`, then `defaults`, then `validation`; what the store holds has been through all.
- A field of Kubernetes that swarmlet does not have is reported by `decode`, never silently dropped.
- Nothing here knows the time or draws a number: `now` and `rng` are arguments.

    decoded = decode.decode(kinds.DEPLOYMENT, document)     # strict on types; CallerError names the field
    deployment = defaults.fill(decoded.object)
    validation.validate(deployment)                         # InvalidError names every broken rule
    data = objects.to_json(deployment)
"""
