"""What happens to a Pod (stimuli), and what the machine wants done about it (instructions). Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from swarmlet.agent.life.probing import Kind
from swarmlet.model import pod as pod_model
from swarmlet.model.container import Container
from swarmlet.runtime import runtime

# Stimuli: what the runner tells the machine.


@dataclass(frozen=True, slots=True)
class PodChanged:
    """The Pod's object is new or has changed."""

    pod: pod_model.Pod


@dataclass(frozen=True, slots=True)
class PodGone:
    """The Pod's object was deleted: nothing may be left of it here."""


@dataclass(frozen=True, slots=True)
class VolumesReady:
    pass


@dataclass(frozen=True, slots=True)
class VolumesFailed:
    message: str


@dataclass(frozen=True, slots=True)
class VolumesRemoved:
    pass


@dataclass(frozen=True, slots=True)
class SourceChanged:
    """A ConfigMap or Secret that the Pod mounts is new or has changed."""


@dataclass(frozen=True, slots=True)
class SandboxStarted:
    container: runtime.Container


@dataclass(frozen=True, slots=True)
class SandboxFailed:
    message: str


@dataclass(frozen=True, slots=True)
class ImageReady:
    """`note` says how it came: pulled, or there already."""

    name: str
    image_id: str
    note: str


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """`reason` is Kubernetes' word: ErrImagePull, ErrImageNeverPull."""

    name: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ImageVanished:
    """It was there when asked for, and not when the container was created."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Started:
    name: str
    container: runtime.Container


@dataclass(frozen=True, slots=True)
class StartFailed:
    """`reason` is Kubernetes' word: CreateContainerConfigError, CreateContainerError, RunContainerError."""

    name: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Observed:
    """The runtime tells the state of one of the Pod's containers: it exited, was removed, or runs."""

    container: runtime.Container


@dataclass(frozen=True, slots=True)
class StopFailed:
    container_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Removed:
    container_id: str


@dataclass(frozen=True, slots=True)
class RemoveFailed:
    container_id: str
    message: str


@dataclass(frozen=True, slots=True)
class HookEnded:
    """A container's postStart is done; `error` says why it failed, "" where it did not."""

    name: str
    container_id: str
    error: str


@dataclass(frozen=True, slots=True)
class Probed:
    """So many results of a probe in a row that what is thought of the container changes."""

    name: str
    container_id: str
    kind: Kind
    passed: bool


@dataclass(frozen=True, slots=True)
class Fail:
    """The node gives the Pod up, whatever its restartPolicy: it is stopped and ends as Failed, with this reason.

    `grace_seconds` None: as long as the Pod asks for.
    """

    reason: str
    message: str
    grace_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Woken:
    """The time of a `Wake` has come, or nothing happened at all."""


Stimulus = (
    PodChanged
    | PodGone
    | VolumesReady
    | VolumesFailed
    | VolumesRemoved
    | SourceChanged
    | SandboxStarted
    | SandboxFailed
    | ImageReady
    | ImageFailed
    | ImageVanished
    | Started
    | StartFailed
    | Observed
    | StopFailed
    | Removed
    | RemoveFailed
    | HookEnded
    | Probed
    | Fail
    | Woken
)

# Instructions: what the machine tells the runner.


@dataclass(frozen=True, slots=True)
class MakeVolumes:
    """`in_use`: they are there, and only what they show of the cluster's objects is to be brought up to date."""

    in_use: bool = False


@dataclass(frozen=True, slots=True)
class RemoveVolumes:
    """The Pod has ended for good, and the store knows: what its volumes held is of no use any more."""


@dataclass(frozen=True, slots=True)
class StartSandbox:
    attempt: int


@dataclass(frozen=True, slots=True)
class FetchImage:
    container: Container


@dataclass(frozen=True, slots=True)
class StartContainer:
    container: Container
    attempt: int
    sandbox: str


@dataclass(frozen=True, slots=True)
class RunPostStart:
    container_id: str
    container: Container


@dataclass(frozen=True, slots=True)
class StopContainer:
    container_id: str
    container: Container
    grace_seconds: int


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    container_id: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Record an Event about the Pod, or about one of its containers ("spec.containers{web}")."""

    type: str
    reason: str
    message: str
    field_path: str = ""


@dataclass(frozen=True, slots=True)
class Wake:
    """Send `Woken` at this time; it replaces the one before."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing runs and nothing is left: clean up the volumes and delete the Pod's object."""


Instruction = (
    MakeVolumes
    | RemoveVolumes
    | StartSandbox
    | FetchImage
    | StartContainer
    | RunPostStart
    | StopContainer
    | RemoveContainer
    | Tell
    | Wake
    | Finish
)
