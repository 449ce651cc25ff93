"""Services: where they lead, and the ones that every cluster has."""
