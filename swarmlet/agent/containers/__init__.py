"""From a Pod's container to what a runtime is told of it."""
