"""The life of a Pod and its containers on this node, as state machines. Pure."""
