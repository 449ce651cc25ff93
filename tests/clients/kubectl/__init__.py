"""The official kubectl, unmodified, in several versions, on three machines: a module for each family of verbs."""
