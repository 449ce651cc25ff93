"""The manifests that end-to-end tests apply."""

from __future__ import annotations

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {{name: main, image: "{image}", imagePullPolicy: IfNotPresent, command: [hold]}}
"""


def deployment(name: str, replicas: int, image: str = "busybox:lab") -> str:
    """Return a Deployment whose container only holds."""
    return DEPLOYMENT.format(name=name, replicas=replicas, image=image)
