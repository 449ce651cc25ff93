"""What `describe` tells of claims, volumes and storage classes beyond what it tells of all.

Source: kubectl pkg/describe.
Where a volume lies, and whether that machine is there, is asked of the cluster: it is what people want to know first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swarmlet.cli.session import Session

if TYPE_CHECKING:
    from swarmlet.client.discovery import Resource

Document = Mapping[str, Any]
Lines = list[tuple[str, Any]]

NONE = "<none>"
UNSET = "<unset>"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
HOSTNAME = "kubernetes.io/hostname"
NODE_ID = "swarmlet.io/node-id"


def claim(document: Document) -> Lines:
    """Return the lines of a claim."""
    spec, status = document["spec"], document.get("status") or {}
    has_volume = bool(spec.get("volumeName"))
    return [
        ("StorageClass", _class(spec)),
        ("Status", _phase(document, status)),
        ("Volume", str(spec.get("volumeName") or NONE)),
        ("Finalizers", document["metadata"].get("finalizers") or NONE),
        ("Requested", str((spec["resources"].get("requests") or {}).get("storage") or NONE)),
        ("Capacity", str((status.get("capacity") or {}).get("storage") or NONE) if has_volume else NONE),
        ("Access Modes", ", ".join(status.get("accessModes") or spec.get("accessModes") or ()) or NONE),
        ("VolumeMode", str(spec.get("volumeMode") or UNSET)),
    ]


def volume(document: Document) -> Lines:
    """Return the lines of a volume."""
    spec, status = document["spec"], document.get("status") or {}
    bound = spec.get("claimRef")
    lines: Lines = [
        ("StorageClass", str(spec.get("storageClassName") or NONE)),
        ("Status", _phase(document, status)),
        ("Finalizers", document["metadata"].get("finalizers") or NONE),
        ("Claim", f"{bound.get('namespace', '')}/{bound.get('name', '')}" if bound else NONE),
        ("Reclaim Policy", str(spec.get("persistentVolumeReclaimPolicy") or NONE)),
        ("Access Modes", ", ".join(spec.get("accessModes") or ()) or NONE),
        ("VolumeMode", str(spec.get("volumeMode") or UNSET)),
        ("Capacity", str((spec.get("capacity") or {}).get("storage") or NONE)),
        ("Node Affinity", _affinity(spec) or NONE),
    ]
    lines += [("Message", status["message"])] if status.get("message") else []
    for label, key in (("LocalVolume", "local"), ("HostPath", "hostPath")):
        lines += [("Source", f"{label} {spec[key].get('path', '')}")] if spec.get(key) else []
    return lines


def storage_class(document: Document) -> Lines:
    """Return the lines of a class."""
    parameters = [f"{key}={value}" for key, value in sorted((document.get("parameters") or {}).items())]
    notes = document["metadata"].get("annotations") or {}
    return [
        ("IsDefaultClass", "Yes" if notes.get(DEFAULT_CLASS) == "true" else "No"),
        ("Provisioner", str(document.get("provisioner") or NONE)),
        ("Parameters", parameters or NONE),
        ("AllowVolumeExpansion", str(bool(document.get("allowVolumeExpansion"))).lower()),
        ("MountOptions", ", ".join(document.get("mountOptions") or ()) or NONE),
        ("ReclaimPolicy", str(document.get("reclaimPolicy") or NONE)),
        ("VolumeBindingMode", str(document.get("volumeBindingMode") or NONE)),
    ]


def retention(spec: Document) -> Lines:
    """Return the lines of what becomes of a StatefulSet's claims."""
    policy = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    words = (("WhenDeleted", "whenDeleted"), ("WhenScaled", "whenScaled"))
    told = [(label, str(policy[key])) for label, key in words if key in policy]
    return [("Persistent Volume Claim Retention Policy", told)] if told else []


def claim_templates(spec: Document) -> Lines:
    """Return the lines of a StatefulSet's claim templates."""
    told = []
    for each in spec.get("volumeClaimTemplates") or ():
        asked = each["spec"]
        size = (asked.get("resources", {}).get("requests") or {}).get("storage", NONE)
        modes = ", ".join(asked.get("accessModes") or ())
        told.append((each["metadata"]["name"], f"{size} of class {_class(asked)}, {modes}"))
    return [("Volume Claims", told or NONE)]


async def surroundings(session: Session, document: Document) -> Lines:
    """Return what the cluster knows besides: who mounts a claim, and how the machine of its volume is."""
    lines: Lines = []
    found: Document | None = document
    catalogue = await session.catalogue()
    if document["kind"] == "PersistentVolumeClaim":
        lines.append(("Used By", await _users(session, catalogue.find("pods"), document) or NONE))
        name = document["spec"].get("volumeName")
        found = await _found(session, catalogue.find("persistentvolumes"), name) if name else None
    home = _homes(found) if found else {}
    if home.get(HOSTNAME):
        node = await _found(session, catalogue.find("nodes"), home[HOSTNAME])
        lines.append(("Lives On", f"{home[HOSTNAME]} {_state(node, home)}".rstrip()))
    return lines


async def _users(session: Session, pods: Resource, claim: Document) -> list[str]:
    from swarmlet.client.client import Scope

    listed = await session.api.list(pods, Scope(namespace=claim["metadata"]["namespace"]))
    return [
        pod["metadata"]["name"]
        for pod in listed.get("items") or ()
        if any(
            (volume.get("persistentVolumeClaim") or {}).get("claimName") == claim["metadata"]["name"]
            for volume in pod["spec"].get("volumes") or ()
        )
    ]


async def _found(session: Session, resource: Resource, name: str) -> Document | None:
    from swarmlet.errors import NotFoundError

    try:
        return await session.api.get(resource, name)
    except NotFoundError:
        return None


def _state(node: Document | None, home: Mapping[str, str]) -> str:
    """Return what is to be said of the machine that holds a volume; nothing where it is well."""
    labels = node["metadata"].get("labels") or {} if node else {}
    if node is None or home.get(NODE_ID, labels.get(NODE_ID)) != labels.get(NODE_ID):
        return "(which has left the cluster)"
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = next((each for each in conditions if each["type"] == "Ready"), None)
    if ready is None or ready["status"] == "True":
        return ""
    return f"(which is down since {ready.get('lastTransitionTime')})"


def _homes(volume: Document) -> dict[str, str]:
    """Return what a volume asks of its node where that can be one node only."""
    terms = _terms(volume["spec"])
    if len(terms) != 1:
        return {}
    return {
        each["key"]: each["values"][0]
        for each in terms[0].get("matchExpressions") or ()
        if each["operator"] == "In" and len(each.get("values") or ()) == 1
    }


def _affinity(spec: Document) -> list[str]:
    return [
        ", ".join(
            f"{each['key']} {each['operator'].lower()} [{', '.join(each.get('values') or ())}]"
            for each in (*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ()))
        )
        for term in _terms(spec)
    ]


def _terms(spec: Document) -> Sequence[Document]:
    found: Sequence[Document] = ((spec.get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or []
    return found


def _class(spec: Document) -> str:
    name = spec.get("storageClassName")
    return "the default" if name is None else name or NONE


def _phase(document: Document, status: Document) -> str:
    going = document["metadata"].get("deletionTimestamp")
    return "Terminating" if going else str(status.get("phase") or NONE)
