"""Which Pods of a node a drain takes away, which it leaves, and which stand in its way. Pure.

Source: kubectl pkg/drain/filters.go, whose words these are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]

MIRROR = "kubernetes.io/config.mirror"
FINISHED = ("Succeeded", "Failed")

NO_CONTROLLER = "Pods that declare no controller"
LOCAL_STORAGE = "Pods with local storage"
DAEMON_SET = "DaemonSet-managed Pods"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What the user allows to be lost or left."""

    force: bool = False
    delete_emptydir_data: bool = False
    ignore_daemonsets: bool = False


@dataclass(frozen=True, slots=True)
class Victim:
    """A Pod that is to go."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(slots=True)
class Plan:
    """What is to be done. `refusals` and `warnings` are Pods by what is to be said of them."""

    victims: list[Victim] = field(default_factory=list)
    refusals: dict[str, list[str]] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)

    def refused(self) -> list[str]:
        """Return a line for each reason why nothing may be evicted."""
        return [f"cannot delete {what}: {', '.join(names)}" for what, names in self.refusals.items()]

    def warned(self) -> list[str]:
        """Return a line for each thing that is lost or left with the user's leave."""
        return [f"{what}: {', '.join(names)}" for what, names in self.warnings.items()]


def plan(pods: Iterable[Document], may: Permissions) -> Plan:
    """Sort a node's Pods."""
    found = Plan()
    for pod in pods:
        metadata = pod["metadata"]
        if MIRROR in (metadata.get("annotations") or {}):
            continue
        victim = Victim(metadata["namespace"], metadata["name"], metadata["uid"])
        if all(rule(pod, str(victim), may, found) for rule in _RULES):
            found.victims.append(victim)
    return found


Rule = Callable[[Document, str, Permissions, Plan], bool]
"""Takes note of what is to be said of a Pod, by its name; returns whether the Pod may go."""


def _is_of_no_daemon_set(pod: Document, name: str, may: Permissions, found: Plan) -> bool:
    owner = _controller(pod)
    if owner is None or owner.get("kind") != "DaemonSet" or _is_finished(pod):
        return True
    if may.ignore_daemonsets:
        found.warnings.setdefault(f"ignoring {DAEMON_SET}", []).append(name)
    else:
        found.refusals.setdefault(f"{DAEMON_SET} (use --ignore-daemonsets to ignore)", []).append(name)
    return False


def _has_nothing_to_lose(pod: Document, name: str, may: Permissions, found: Plan) -> bool:
    if not any("emptyDir" in volume for volume in pod["spec"].get("volumes") or ()) or _is_finished(pod):
        return True
    if may.delete_emptydir_data:
        found.warnings.setdefault(f"deleting {LOCAL_STORAGE}", []).append(name)
    else:
        found.refusals.setdefault(f"{LOCAL_STORAGE} (use --delete-emptydir-data to override)", []).append(name)
    return may.delete_emptydir_data


def _will_be_replaced(pod: Document, name: str, may: Permissions, found: Plan) -> bool:
    if _controller(pod) is not None or _is_finished(pod):
        return True
    if may.force:
        found.warnings.setdefault(f"deleting {NO_CONTROLLER}", []).append(name)
    else:
        found.refusals.setdefault(f"{NO_CONTROLLER} (use --force to override)", []).append(name)
    return may.force


_RULES: tuple[Rule, ...] = (_is_of_no_daemon_set, _has_nothing_to_lose, _will_be_replaced)


def _controller(pod: Document) -> Mapping[str, Any] | None:
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def _is_finished(pod: Document) -> bool:
    return (pod.get("status") or {}).get("phase") in FINISHED
