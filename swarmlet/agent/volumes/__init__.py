"""Volumes of this node's Pods: made, filled, mounted, kept and removed."""
