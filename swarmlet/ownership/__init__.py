"""Who asked for which field of an object: `metadata.managedFields`, and server-side apply, which lives by it. Pure.

The API calls `tracking` for every write and `applying` for an apply; the autoscaler calls `tracking` for the replicas
that it sets. Below them:

    sets        sets of fields as nested objects, the way they are stored (fieldsV1), and their algebra
    steps       the names of fields, items and values in those sets
    extracting  the fields that a document has
    comparing   the fields in which two documents differ
    merging     one document laid over another, and fields taken out of one
    entries     the entries of managedFields: read, written, bounded

A document is what JSON says: dicts, lists and scalars; what goes in is never changed. How lists and maps merge is told
by `model.schema`. Invariants:

- An apply takes away only what its manager applied before and nobody owns now.
- Who changes a field owns it, and nobody else does; who applies the same value shares it.
- An object that was never tracked (what controllers make) stays so until somebody applies it: docs/decisions/0038.

Source: sigs.k8s.io/structured-merge-diff, k8s.io/apimachinery/pkg/util/managedfields; KEP-555.
"""
