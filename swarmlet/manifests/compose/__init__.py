"""Compose files: from the text that people write to one normalised project, and from that to manifests.

The command line calls it, for `swarmlet apply -f compose.yaml` and `swarmlet compose`. It reads no files itself: what
other files a Compose file names is asked of a `read` function.

Invariants:
- Pure: (path, text) pairs, `read` and an environment in; a `Loaded` project out, in the long form of every key.
- What is wrong is one line: file, line, key and what is the matter. What is ignored is named in `Loaded.warnings`.
- Everything has a named limit: sizes, depths, how many files.

Source: the Compose Specification (github.com/compose-spec/compose-spec). The steps, one module each:
`nodes` text to a tree with places, `interpolation` of $VARIABLES, `canonical` short forms to long ones, `paths` made
absolute, `extending`, `merging` of files, `including`, `typed` tree to the structs of `model`, `normalising`.

    loaded = loading.load([("compose.yaml", text)], read, environment, options)
    loaded.project.services["web"].ports[0].target
"""
