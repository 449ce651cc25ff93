from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from swarmlet.api.tables import columns, durations
from swarmlet.api.tables.pods import summarize
from swarmlet.model import kinds
from swarmlet.model.core import Event, Node
from swarmlet.model.pod import Pod
from tests.api.conftest import START

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (10 * MINUTE, "10m"),
        (179 * MINUTE, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 5 * MINUTE, "3h5m"),
        (8 * HOUR, "8h"),
        (47 * HOUR, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + 3 * HOUR, "2d3h"),
        (8 * DAY, "8d"),
        (729 * DAY, "729d"),
        (731 * DAY, "2y1d"),
        (8 * 365 * DAY, "8y"),
    ],
)
def test_a_duration_reads_as_kubectl_prints_it(seconds: int, text: str) -> None:
    assert durations.human(seconds) == text


def running(ready: bool = True, **more: Any) -> dict[str, Any]:
    return {"name": "c", "ready": ready, "state": {"running": {}}, "image": "", "imageID": ""} | more


def waiting(reason: str, **more: Any) -> dict[str, Any]:
    return {"name": "c", "state": {"waiting": {"reason": reason}}} | more


def ended(code: int, reason: str = "", **more: Any) -> dict[str, Any]:
    return {"name": "c", "state": {"terminated": {"exitCode": code, "reason": reason} | more}}


def made(status: dict[str, Any], containers: int = 1, inits: int = 0, **metadata: Any) -> Pod:
    return msgspec.convert(
        {
            "metadata": {"name": "p"} | metadata,
            "spec": {
                "containers": [{"name": f"c{index}"} for index in range(containers)],
                "initContainers": [{"name": f"i{index}"} for index in range(inits)],
            },
            "status": status,
        },
        Pod,
    )


GOING = {"deletionTimestamp": "2026-01-02T03:04:05Z"}
GATED = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
READY = [{"type": "Ready", "status": "True"}]


@pytest.mark.parametrize(
    ("pod", "reason", "ready"),
    [
        (made({"phase": "Pending"}), "Pending", 0),
        (made({"phase": "Running", "containerStatuses": [running()]}), "Running", 1),
        (made({"phase": "Running", "containerStatuses": [running(ready=False)]}), "Running", 0),
        (made({"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]}), "ContainerCreating", 0),
        (made({"phase": "Running", "containerStatuses": [waiting("CrashLoopBackOff")]}), "CrashLoopBackOff", 0),
        (made({"phase": "Running", "containerStatuses": [running(), waiting("ErrImagePull")]}, 2), "ErrImagePull", 1),
        (made({"phase": "Succeeded", "containerStatuses": [ended(0, "Completed")]}), "Completed", 0),
        (made({"phase": "Failed", "containerStatuses": [ended(7)]}), "ExitCode:7", 0),
        (made({"phase": "Failed", "containerStatuses": [ended(137, signal=9)]}), "Signal:9", 0),
        (made({"phase": "Failed", "reason": "Evicted"}), "Evicted", 0),
        (made({"phase": "Failed", "containerStatuses": [ended(1, "Error") | {"ready": True}]}), "Error", 0),
        (
            made({"phase": "Running", "conditions": READY, "containerStatuses": [ended(0, "Completed"), running()]}, 2),
            "Running",
            1,
        ),
        (made({"phase": "Running", "containerStatuses": [ended(0, "Completed"), running()]}, 2), "NotReady", 1),
        (made({"phase": "Pending", "initContainerStatuses": [running()]}, inits=2), "Init:0/2", 0),
        (made({"phase": "Pending", "initContainerStatuses": [ended(0), running()]}, inits=2), "Init:1/2", 0),
        (
            made({"phase": "Pending", "initContainerStatuses": [waiting("ImagePullBackOff")]}, inits=1),
            "Init:ImagePullBackOff",
            0,
        ),
        (made({"phase": "Pending", "initContainerStatuses": [ended(1, "Error")]}, inits=1), "Init:Error", 0),
        (made({"phase": "Pending", "initContainerStatuses": [ended(3)]}, inits=1), "Init:ExitCode:3", 0),
        (made({"phase": "Running", "containerStatuses": [running()]}, **GOING), "Terminating", 1),
        (made({"phase": "Succeeded", "containerStatuses": [ended(0, "Completed")]}, **GOING), "Completed", 0),
        (made({"phase": "Running", "reason": "NodeLost"}, **GOING), "Unknown", 0),
        (made({"phase": "Unknown"}), "Unknown", 0),
        (made({"phase": "Failed", "reason": "UnexpectedAdmissionError"}), "UnexpectedAdmissionError", 0),
        (made({"phase": "Pending", "conditions": [GATED]}), "SchedulingGated", 0),
        (made({"phase": "Failed", "initContainerStatuses": [ended(137, signal=9)]}, inits=1), "Init:Signal:9", 0),
        (
            made({"phase": "Pending", "initContainerStatuses": [waiting("PodInitializing")]}, inits=1),
            "Init:0/1",
            0,
        ),
    ],
)
def test_a_pods_status_is_in_words_that_users_know(pod: Pod, reason: str, ready: int) -> None:
    summary = summarize(pod)
    assert (summary.reason, summary.ready) == (reason, ready)


def test_sidecars_count_with_the_containers() -> None:
    inits = [running() | {"name": "i0", "started": True}, running(ready=False) | {"name": "i1", "started": False}]
    document = {"phase": "Pending", "initContainerStatuses": inits, "containerStatuses": [waiting("PodInitializing")]}
    pod = made(document, inits=2)
    sidecars = tuple(msgspec.structs.replace(each, restart_policy="Always") for each in pod.spec.init_containers)
    pod = msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, init_containers=sidecars))
    assert columns.of(kinds.POD).cells(pod, START)[1:3] == ["1/3", "Init:1/2"]
    inits[1] |= {"started": True, "ready": True}
    document |= {"phase": "Running", "conditions": READY, "containerStatuses": [running()]}
    status = made(document, inits=2).status
    assert columns.of(kinds.POD).cells(msgspec.structs.replace(pod, status=status), START)[1:3] == ["3/3", "Running"]


def test_restarts_tell_when_the_last_one_was() -> None:
    last = {"terminated": {"exitCode": 1, "finishedAt": "2026-01-02T03:04:05Z"}}
    pod = made({"phase": "Running", "containerStatuses": [running(restartCount=3, lastState=last)]})
    assert columns.of(kinds.POD).cells(pod, START + timedelta(minutes=5))[3] == "3 (5m ago)"


def test_while_a_pod_initializes_the_restarts_are_those_of_its_init_containers() -> None:
    again = ended(1, "Error") | {"restartCount": 4}
    pod = made({"phase": "Pending", "initContainerStatuses": [again], "containerStatuses": [running()]}, inits=1)
    assert summarize(pod).restarts == 4
    later = made({"phase": "Running", "initContainerStatuses": [ended(0) | {"restartCount": 4}]}, inits=1)
    assert summarize(later).restarts == 0


def test_what_is_not_known_of_a_pods_place_is_none() -> None:
    assert columns.of(kinds.POD).cells(made({"phase": "Pending"}), START)[5:] == ["<none>"] * 4


def test_a_node_shows_its_roles_state_and_addresses() -> None:
    node = msgspec.convert(
        {
            "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/voter": "", "x": "y"}},
            "spec": {"unschedulable": True},
            "status": {
                "conditions": [{"type": "Ready", "status": "False"}],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            },
        },
        Node,
    )
    cells = columns.of(kinds.NODE).cells(node, START)
    assert cells[1:3] == ["NotReady,SchedulingDisabled", "voter"]
    assert cells[5:7] == ["10.0.0.1", "<none>"]


def test_an_event_is_dated_by_its_last_sight() -> None:
    event = msgspec.convert(
        {
            "metadata": {"name": "e"},
            "involvedObject": {"kind": "Pod", "name": "p1"},
            "firstTimestamp": "2026-01-02T03:04:05Z",
            "lastTimestamp": "2026-01-02T03:05:05Z",
            "count": 4,
            "message": "text\n",
        },
        Event,
    )
    cells = columns.of(kinds.EVENT).cells(event, START + timedelta(minutes=3))
    assert (cells[0], cells[3], cells[6], cells[7], cells[8]) == ("2m", "pod/p1", "text", "3m", 4)
