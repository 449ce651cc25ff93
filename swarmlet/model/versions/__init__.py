"""Kinds that the API serves in more than one version, and how a document of one version reads in another.

The store keeps each object in one version, and everything inside works on that. Only who reads a body or writes an
answer in another version asks `conversion`. docs/decisions/0045.
"""
