"""Protobuf bodies as Kubernetes' clients in Go send them, read into the documents that JSON bodies give.

`api.bodies` calls `decoding.decode` for `application/vnd.kubernetes.protobuf`; from there on nothing knows in which
encoding a body came. Answers are always JSON, which every client accepts, but for one: clients in Go read the OpenAPI
v2 document in protobuf alone (`openapi_v2`). Pure: `wire` has the encoding, `schema` the messages (`messages.json`,
which `make protobuf` makes), `decoding` makes documents of them.

Invariants:

- Any bytes give a document or one `CallerError`, in time and memory bounded by `decoding.FIELDS_MAX`.
- Zero values are left out as Go's `omitempty` does, except behind a pointer, where the client did say zero.
- A field that the schema does not know is not dropped: its number stands in the document as an unknown field's name,
  so that it is warned of or refused as in JSON.

    document = decoding.decode(body, depth_max=64)
    document["kind"], document["spec"]["replicas"]
"""
