"""What kinds of resources a container may ask for, by their names.

Source: kubernetes pkg/apis/core/v1/helper/helpers.go.
"""

from __future__ import annotations

STANDARD = frozenset({"cpu", "memory", "ephemeral-storage"})
HUGEPAGES_PREFIX = "hugepages-"
KUBERNETES_DOMAIN = "kubernetes.io/"


def is_hugepages(name: str) -> bool:
    """Whether it counts huge pages of one size."""
    return name.startswith(HUGEPAGES_PREFIX)


def is_standard(name: str) -> bool:
    """Whether containers may ask for it without a domain before its name."""
    return name in STANDARD or is_hugepages(name)


def is_extended(name: str) -> bool:
    """Whether it is a device or the like, of somebody's domain ("example.com/gpu")."""
    return "/" in name and KUBERNETES_DOMAIN not in name and not name.startswith("requests.")


def may_be_overcommitted(name: str) -> bool:
    """Whether requests may be less than limits; what may not is counted in whole numbers."""
    return not is_extended(name) and not is_hugepages(name)
