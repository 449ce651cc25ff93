"""Which Pods need a sandbox: a container that holds their network before, beside and after their own. Pure."""

from __future__ import annotations

from swarmlet.agent.containers import environment
from swarmlet.model.pod import Pod


def is_needed(pod: Pod) -> bool:
    """Whether several containers share the Pod's network, one after the other or at once, or their processes.

    On the machine's network they still share their memory by it, as they do in every Pod. A container that is told the
    Pod's address needs a network that stands before it does.
    """
    several = len(pod.spec.containers) + len(pod.spec.init_containers) > 1
    is_told_address = environment.tells_pod_ip(pod) and not pod.spec.host_network
    return several or is_told_address or bool(pod.spec.share_process_namespace)
