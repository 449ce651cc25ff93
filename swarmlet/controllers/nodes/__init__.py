"""Nodes: how they are, what is known of them, and what becomes of their Pods."""
