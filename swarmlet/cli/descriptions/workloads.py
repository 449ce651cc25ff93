"""What `describe` tells of a workload besides the object itself: how its Pods are, and which ReplicaSets it has.

Source: kubectl pkg/describe (getPodStatusForController, printReplicaSetsByLabels).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swarmlet.cli.session import Session

Document = Mapping[str, Any]
Lines = list[tuple[str, Any]]

NONE = "<none>"
PHASES = (("Running", "Running"), ("Pending", "Waiting"), ("Succeeded", "Succeeded"), ("Failed", "Failed"))
"""A Pod's phases, and kubectl's words for them."""
KINDS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")


async def surroundings(session: Session, document: Document) -> Lines:
    """Return how the Pods of a workload are; of a Deployment, its ReplicaSets."""
    if document["kind"] == "Deployment":
        return _replica_sets(document, await _owned(session, "replicasets.apps", document))
    pods = await _owned(session, "pods", document)
    found = Counter(str((each.get("status") or {}).get("phase") or "Pending") for each in pods)
    return [("Pods Status", " / ".join(f"{found[phase]} {word}" for phase, word in PHASES))]


def _replica_sets(deployment: Document, found: Sequence[Document]) -> Lines:
    revision = _revision(deployment)
    new = [each for each in found if revision and _revision(each) == revision]
    old = [each for each in found if each not in new and int(each["spec"].get("replicas", 1))]
    return [("OldReplicaSets", _told(old)), ("NewReplicaSet", _told(new))]


def _told(found: Sequence[Document]) -> str:
    """Return kubectl's words for ReplicaSets: each with how many of its Pods there are."""
    told = []
    for each in found:
        there, wanted = (each.get("status") or {}).get("replicas", 0), each["spec"].get("replicas", 1)
        told.append(f"{each['metadata']['name']} ({there}/{wanted} replicas created)")
    return ", ".join(told) or NONE


def _revision(document: Document) -> str:
    return str((document["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision", ""))


async def _owned(session: Session, plural: str, owner: Document) -> list[Document]:
    import msgspec

    from swarmlet.client.client import Scope
    from swarmlet.model import selectors
    from swarmlet.model.meta import LabelSelector

    resource = (await session.catalogue()).find(plural)
    labels = selectors.to_text(msgspec.convert(owner["spec"].get("selector") or {}, LabelSelector))
    scope = Scope(namespace=owner["metadata"]["namespace"], labels=labels)
    uid = owner["metadata"]["uid"]
    return [
        each
        for each in (await session.api.list(resource, scope)).get("items") or ()
        if any(reference.get("uid") == uid for reference in each["metadata"].get("ownerReferences") or ())
    ]
