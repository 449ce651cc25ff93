"""Compose files: from the text that people write to one normalised project, and from that to manifests.

The command line calls it, for `swarmlet apply -f compose.yaml` and `swarmlet compose`. It reads no files itself: what
other files a Compose file names is asked of a `read` function.

Invariants:
- Pure: (path, text) pairs, `read` and an environment in; a `Loaded` project out, in the long form of every key.
- What is wrong is one line: file, line, key and what is the matter. What is ignored is named in `Loaded.warnings`.
- Everything has a named limit: sizes, depths, how many files.

The steps, one module each: `nodes` text to a tree with places; `interpolation` of $VARIABLES; `canonical` (with
`forms`, `ports`, `mounts`) short forms to long ones; `paths` made absolute; `including` and `extending`; `merging` of
files; `environments` what env_file and the shell add; `typed` (with `units`) the tree to the structs of `model`;
`normalising` what goes without saying; `checking` what keys say of each other; `contents` of configs and secrets.
`loading` runs them. `rendering` prints a project; `conversion` makes manifests of one.

Source: the Compose Specification (github.com/compose-spec/compose-spec).

    loaded = loading.load([("compose.yaml", text)], read, environment, options)
    loaded.project.services["web"].ports[0].target
"""
