"""What the scheduler's filters say of a Pod now, on one view."""

from __future__ import annotations

from swarmlet.model import objects
from swarmlet.model.pod import Pod
from swarmlet.scheduler import placement
from swarmlet.scheduler.cluster import Cluster
from swarmlet.scheduler.demand import demand_of
from swarmlet.store.commands import Key
from swarmlet.store.replica import View


class Refusals:
    """Keeps the scheduler's picture of the nodes from one question to the next: to make it looks at every Pod."""

    def __init__(self) -> None:
        self._cluster = Cluster()

    def of(self, view: View, pod: Pod) -> str:
        """Return why no node will do for a Pod that mounts no claim, "" where one would."""
        assert not objects.is_terminating(pod)
        self._cluster.catch_up(view)
        key = Key("pods", pod.metadata.namespace, pod.metadata.name)
        (answer,) = placement.place([(key, demand_of(pod))], self._cluster)
        return answer.refusal
