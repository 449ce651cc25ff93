"""Deployments and their ReplicaSets: rollouts, history, going back."""
