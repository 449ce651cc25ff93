"""This machine as the cluster knows it: its Node, its heartbeats, its fence, its Pods' addresses."""
