"""swarmlet: Kubernetes' promises with Docker Compose's simplicity, and no masters."""

__version__ = "0.1.0"
