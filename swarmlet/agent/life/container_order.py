"""In which order a Pod's containers start and stop, and what they have come to. Pure.

Init containers run one after the other; a sidecar among them (restartPolicy Always) lets the next one begin as soon as
it has started, and runs on beside the others. Sidecars are stopped after the others, the last one first.

Source: KEP-753, kubernetes pkg/kubelet/kuberuntime (computeInitContainerActions, terminationOrdering).
"""

from __future__ import annotations

from collections.abc import Sequence

from swarmlet.agent.life.container_life import HAS_CONTAINER, Life, Record

LIVING = HAS_CONTAINER | {Life.STARTING}


def due(inits: Sequence[Record], mains: Sequence[Record]) -> Sequence[Record]:
    """Return the containers whose turn it is to run."""
    initialized = any(record.current or record.terminated or record.life is Life.STARTING for record in mains)
    turn: list[Record] = []
    for record in inits:
        if record.is_sidecar:
            turn.append(record)
            if not record.started and not initialized:
                return turn
        elif not record.succeeded:
            return [*turn, record]
    return [*turn, *mains]


def is_initialized(record: Record) -> bool:
    """Whether an init container keeps those after it no longer."""
    return record.started if record.is_sidecar else record.succeeded


def to_stop(inits: Sequence[Record], mains: Sequence[Record]) -> Sequence[Record]:
    """Return the containers whose turn it is to be stopped, where all must be."""
    sidecars = [record for record in inits if record.is_sidecar]
    first = [record for record in (*inits, *mains) if not record.is_sidecar]
    if any(record.life in LIVING for record in first):
        return first
    return [record for record in reversed(sidecars) if record.life in LIVING][:1]


def outcome(inits: Sequence[Record], mains: Sequence[Record], restart_policy: str) -> str:
    """Return Succeeded or Failed where the containers have ended for good, sidecars aside; "" where they have not."""
    if any(record.life is Life.DONE and not record.succeeded for record in inits if not record.is_sidecar):
        return "Failed"
    if restart_policy in ("", "Always") or any(record.life is not Life.DONE for record in mains):
        return ""
    return "Succeeded" if all(record.succeeded for record in mains) else "Failed"
