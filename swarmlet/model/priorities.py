"""What a Pod's priority comes to, once admission has read it off its class. Source: component-helpers PodPriority."""

from __future__ import annotations

import msgspec

from swarmlet.model.pod import Pod
from swarmlet.model.scheduling import NEVER, SYSTEM_CRITICAL_PRIORITY


def of(pod: Pod) -> int:
    """Return the Pod's priority: 0 where it has none."""
    return pod.spec.priority or 0


def is_critical(pod: Pod) -> bool:
    """Whether the Pod is one that its node never gives up by itself."""
    return of(pod) >= SYSTEM_CRITICAL_PRIORITY


def may_preempt(pod: Pod) -> bool:
    """Whether Pods of lower priority may go for this one."""
    return pod.spec.preemption_policy != NEVER


def carried(old: Pod, new: Pod) -> Pod:
    """Return a changed Pod with the priority that it was given, where the change says nothing of it."""
    spec = new.spec
    kept = msgspec.structs.replace(
        spec,
        priority=old.spec.priority if spec.priority is None else spec.priority,
        preemption_policy=spec.preemption_policy or old.spec.preemption_policy,
    )
    return msgspec.structs.replace(new, spec=kept)
