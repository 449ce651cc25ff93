"""The Pod that a service's container runs in, as the template of its workload."""

from __future__ import annotations

from swarmlet.manifests.compose.conversion import amounts, containers, labels, networking, placement, ports
from swarmlet.manifests.compose.conversion.draft import Document, ServiceDraft, without_empty
from swarmlet.manifests.compose.conversion.storage import PodVolumes
from swarmlet.model import sysctls

GRACE_SECONDS = 10
"""Compose's default: how long a container has to end."""


def template(it: ServiceDraft, mounted: PodVolumes, annotations: dict[str, str]) -> Document:
    """Return the Pod template of a service; `annotations` are the conversion's own."""
    own, more = labels.split(it.draft, it.path("labels"), it.service.labels)
    kept = labels.keys_kept(it.draft, it.path("annotations"), it.service.annotations)
    metadata = {
        "labels": own | it.draft.labels(it.key),
        "annotations": {**more, **kept, **containers.options(it), **annotations},
    }
    return {"metadata": without_empty(metadata), "spec": _spec(it, mounted)}


def _spec(it: ServiceDraft, mounted: PodVolumes) -> Document:
    container = containers.container(it, mounted.mounts, ports.container_ports(it))
    grace = it.service.stop_grace_period
    return {
        **without_empty(
            {
                **networking.host_fields(it),
                **placement.placement(it),
                "securityContext": _security_context(it),
                "containers": [container],
                "volumes": mounted.volumes,
            }
        ),
        "terminationGracePeriodSeconds": amounts.seconds(grace, GRACE_SECONDS),
        "enableServiceLinks": False,  # Compose gives no variables of other services
    }


def _security_context(it: ServiceDraft) -> Document:
    return without_empty({"supplementalGroups": _groups(it), "sysctls": _sysctls(it)})


def _groups(it: ServiceDraft) -> list[int]:
    groups = []
    for text in it.service.group_add:
        if containers.ID.fullmatch(text):
            groups.append(int(text))
        else:
            it.warn("group_add", f"{text!r} is left out: it is a name, and Kubernetes takes numbers")
    return groups


def _sysctls(it: ServiceDraft) -> list[Document]:
    found = []
    for name, value in it.service.sysctls.items():
        if sysctls.normal(name) in sysctls.SAFE:
            found.append({"name": sysctls.normal(name), "value": value})
        else:
            it.warn("sysctls", f"{name} is left out: it is not one that a Pod may set; set it on the machines")
    return found
