"""What may stand where in a command line: which argument of which command names what. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

OBJECTS = "objects"
PODS = "pods"
NODES = "nodes"
KINDS = "kinds"
NODE_OBJECTS = "node objects"
VERBS_AND_KINDS = "verbs and kinds"
ACCOUNTS = "accounts"
FILE_OR_POD = "file or pod"

ARGUMENTS: Mapping[str, str] = {
    **dict.fromkeys(("get", "describe", "delete", "edit", "label", "annotate", "patch", "wait", "why"), OBJECTS),
    **dict.fromkeys(("scale", "expose", "autoscale", "history"), OBJECTS),
    **{f"rollout {each}": OBJECTS for each in ("status", "history", "undo", "restart", "pause", "resume")},
    **{f"set {each}": OBJECTS for each in ("image", "env", "resources", "serviceaccount", "selector", "subject")},
    **dict.fromkeys(("logs", "exec", "attach", "port-forward", "top pods", "top pod"), PODS),
    **dict.fromkeys(("cordon", "uncordon", "drain", "node rm", "top nodes", "top node"), NODES),
    "taint": NODE_OBJECTS,
    "explain": KINDS,
    "auth can-i": VERBS_AND_KINDS,
    "create token": ACCOUNTS,
    "cp": FILE_OR_POD,
}
"""What the arguments of a command name; those of others are free."""

ONLY_KINDS: Mapping[str, Sequence[str]] = {
    "rollout": ("deployments", "statefulsets", "daemonsets"),
    "scale": ("deployments", "statefulsets", "replicasets"),
    "autoscale": ("deployments", "statefulsets", "replicasets"),
}
"""Commands that mean few kinds, by their first word."""

VALUES: Mapping[str, Sequence[str]] = {
    "--output": ("json", "yaml", "wide", "name", "jsonpath=", "custom-columns="),
    "-o": ("json", "yaml", "wide", "name", "jsonpath=", "custom-columns="),
    "--dry-run": ("none", "client", "server"),
    "--cascade": ("background", "foreground", "orphan"),
    "--validate": ("strict", "warn", "ignore"),
    "--subresource": ("status", "scale"),
    "--for": ("condition=", "delete", "create", "jsonpath="),
    "--types": ("Normal", "Warning"),
    "--restart": ("Always", "OnFailure", "Never"),
    "--protocol": ("TCP", "UDP"),
}
"""Values of options that are always the same."""

NAMED: Mapping[str, str] = {
    "--namespace": "namespaces",
    "-n": "namespaces",
    "--clusterrole": "clusterroles",
    "--role": "roles",
}
"""Values of options that are the names of objects."""

FILES = (
    *("--filename", "-f", "--patch-file", "--from-file", "--from-env-file", "--env-file", "--cert", "--key"),
    *("--kubeconfig", "--certificate-authority", "--socket", "--config", "--token-file", "--data-dir"),
)
CONTAINERS = ("--container", "-c", "--containers")
CONTEXTS = ("--context",)
