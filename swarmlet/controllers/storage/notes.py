"""What a claim is told while it has no volume, and when it gets one: the reasons and words are Kubernetes'."""

from __future__ import annotations

from collections.abc import Iterable

from swarmlet.model import events, storage, volumes
from swarmlet.model.events import Note
from swarmlet.model.pod import Pod
from swarmlet.model.storage import PersistentVolume, PersistentVolumeClaim, StorageClass


def waiting(claim: PersistentVolumeClaim, users: Iterable[Pod]) -> Note:
    """Return that a claim waits for its first Pod, or for that Pod to have a node."""
    pod = next((pod.metadata.name for pod in users if not pod.spec.node_name), "")
    if pod:
        return Note(claim, events.NORMAL, "WaitForPodScheduled", f"waiting for pod {pod} to be scheduled")
    return Note(claim, events.NORMAL, "WaitForFirstConsumer", "waiting for first consumer to be created before binding")


def nothing_fits(claim: PersistentVolumeClaim, class_name: str, storage_class: StorageClass | None) -> Note:
    """Return why a claim of a class gets neither a volume that is there nor a new one."""
    if not class_name:
        why = "no persistent volumes available for this claim and no storage class is set"
        return Note(claim, events.NORMAL, "FailedBinding", why)
    if storage_class is None:
        why = f'storageclass.storage.k8s.io "{class_name}" not found'
        return Note(claim, events.WARNING, "ProvisioningFailed", why)
    provisioner = storage_class.provisioner
    if provisioner == storage.NO_PROVISIONER:
        return Note(claim, events.WARNING, "ProvisioningFailed", f"no volume plugin matched name: {provisioner}")
    why = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
        "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered."
    )
    return Note(claim, events.NORMAL, "ExternalProvisioning", why)


def provisioned(claim: PersistentVolumeClaim, made: PersistentVolume) -> Note:
    """Return that a claim's volume was made, and where."""
    message = f"Successfully provisioned volume {made.metadata.name} on node {volumes.node_name(made)}"
    return Note(claim, events.NORMAL, "ProvisioningSucceeded", message)
