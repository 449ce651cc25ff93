"""From text that people write to documents that the API takes. The command line calls it; it reads no files itself.

Invariants:
- Pure: (name, text) pairs in, `Manifest`s out; what is wrong is one line that names file, line and column.
- A document costs no more than the named limits of `reading`, whatever its aliases say.
- What a manifest holds is what was written: a key that stands twice is refused, and nothing is dropped or filled in.

Compose files have a room of their own, `compose`; what it converts them to are documents like all others.

    manifests = documents.parse([("web.yaml", text), ("<stdin>", other)])
    documents.check_kinds(manifests, known=[("apps/v1", "Deployment"), ...])
    for manifest in documents.in_apply_order(manifests):
        patch = last_applied.patch(manifest.document, current, definition)
"""
