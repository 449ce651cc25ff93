"""A normalised Compose project to the manifests that say the same, and a line for each key that says something else.

`converting` is the way in. Each other module has one part of a service; all write into one `draft.Draft`.

Invariants:
- Pure. The same project gives the same documents in the same order, names included.
- No key is passed over in silence: it is in the documents, or named in a warning that says what happens instead, or
  refused. `unsupported` has the tables of what is only named; a test holds it against all keys that there are.

    converted = converting.convert(loaded)
    converted.documents  # what `apply` sends: ConfigMaps, Secrets, claims, Services, workloads
    converted.warnings   # ["compose.yaml:12: services.web.container_name: ..."]
"""
