"""How a node is, by what its leader hears of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from swarmlet.config import NodeLifecycle as Limits
from swarmlet.controllers.nodes import conditions as node_conditions
from swarmlet.controllers.nodes.heartbeats import Pulse


@dataclass(frozen=True, slots=True)
class Health:
    """The node's condition Ready. `patience_left`: for how many seconds Pods that ask for no other time may stay.

    It is None where they may stay for good, and 0 when their time is over. `look_again_seconds` is when this judgement
    may change though nothing is heard.
    """

    status: str
    reason: str
    message: str
    patience_left: float | None = None
    look_again_seconds: float | None = None

    @property
    def evicts(self) -> bool:
        return self.patience_left == 0.0


def judge(pulse: Pulse, now: float, limits: Limits) -> Health | None:
    """Return how a node is by its pulse; None while a new leader still waits for its first heartbeat.

    A node that says it is unwell keeps its Pods longer than one that is silent: its Engine may be back in a moment. A
    daemon that stops on purpose gets the grace it asked for instead.
    """
    silence = now - pulse.last_seen
    if pulse.grace_seconds > 0 and silence <= pulse.grace_seconds:
        message = f"the daemon stopped on purpose; it is waited for {pulse.grace_seconds:g} s"
        wait = pulse.grace_seconds - silence
        return Health("False", node_conditions.STOPPING, message, look_again_seconds=wait)
    if silence > limits.not_ready_seconds:
        left = max(0.0, limits.not_ready_seconds + limits.evict_after_seconds - silence)
        message = "The node stopped sending heartbeats."
        return Health("Unknown", "NodeStatusUnknown", message, left, left or None)
    if not pulse.heard:
        return None
    until_silent = limits.not_ready_seconds - silence
    if pulse.unready_since is None:
        return Health("True", "KubeletReady", "the node is ready to run Pods", look_again_seconds=until_silent)
    left = max(0.0, limits.evict_unwell_after_seconds - (now - pulse.unready_since))
    message = pulse.message or "the node says it is not ready"
    return Health("False", "KubeletNotReady", message, left, min(left, until_silent) if left else until_silent)
