"""A deterministic simulation of whole clusters in one process, on virtual time: docs/simulation.md says how to use it."""
