"""The normalised project: every key of the Compose Specification, in its long form, as frozen typed structs.

A field has the name of its key. None and empty containers say that a key is not set. The structs are also the schema:
`typed` reads by their annotations, so that a key not named here is refused by name.

Source: compose-spec/schema/compose-spec.json.
"""
