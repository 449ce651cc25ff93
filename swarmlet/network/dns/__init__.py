"""Names: a server on every node, answers from the replica, and what it asks others."""
