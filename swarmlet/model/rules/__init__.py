"""Kubernetes' rules for the fields of each kind, in its words. `model.validation` calls them, and nobody else does.

Each rule takes a value, its place, and adds what is broken to the place's problems; it raises nothing and changes
nothing. Source: k8s.io/kubernetes/pkg/apis/*/validation.
"""
