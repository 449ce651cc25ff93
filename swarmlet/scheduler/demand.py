"""What a Pod asks of a node. Two Pods with equal demands are the same to the scheduler."""

from __future__ import annotations

import dataclasses
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from swarmlet.model import affinity, image_names, moves, objects, pods, priorities
from swarmlet.model.affinity import NodeSelector, PreferredSchedulingTerm
from swarmlet.model.pod import Pod, PodSpec, Toleration
from swarmlet.scheduler import terms
from swarmlet.scheduler.terms import Wishes
from swarmlet.scheduler.volumes import VolumeDemand

POD_COUNT = "pods"
ANY_ADDRESS = "0.0.0.0"  # noqa: S104  a Pod's wish, nothing that listens


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the node itself."""

    port: int
    protocol: str
    address: str

    def collides(self, other: HostPort) -> bool:
        """Whether both cannot be taken on one node."""
        if (self.port, self.protocol) != (other.port, other.protocol):
            return False
        return self.address == other.address or ANY_ADDRESS in (self.address, other.address)


@dataclass(frozen=True, slots=True)
class Demand:
    """`requests` are in thousandths by resource name, one Pod of the node's "pods" included; `owner` is a uid or "".

    `volumes` is what the Pod's claims ask for, which changes with them; None where it has none. `namespace`, `labels`
    and `leaving` (it is about to go) are what other Pods' terms look at, `wishes` its own terms. `lot` names its owner:
    which of equal nodes comes first differs from owner to owner.
    Pods of different `priority` never share a shape: the higher ones are placed first.
    """

    requests: tuple[tuple[str, int], ...]
    node_selector: tuple[tuple[str, str], ...] = ()
    required_nodes: NodeSelector | None = None
    preferred_nodes: tuple[PreferredSchedulingTerm, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    ports: tuple[HostPort, ...] = ()
    images: tuple[str, ...] = ()
    owner: str = ""
    lot: str = ""
    volumes: VolumeDemand | None = None
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    leaving: bool = False
    wishes: Wishes = terms.NONE
    priority: int = 0

    def shape(self, label_keys: AbstractSet[str] | None) -> Demand:
        """Return the demand without whose it is: Pods of one shape are placed together.

        `label_keys` are the labels that any term looks at; None where there are no terms at all.
        """
        return dataclasses.replace(
            self,
            volumes=self.volumes.shape if self.volumes else None,
            namespace=self.namespace if label_keys is not None else "",
            labels=tuple(each for each in self.labels if each[0] in label_keys) if label_keys else (),
        )


def demand_of(pod: Pod) -> Demand:
    """Return what `pod` asks for."""
    requests = pods.effective_requests(pod.spec) | {POD_COUNT: 1000}
    owner = objects.controller_of(pod)
    return Demand(
        requests=tuple(sorted((name, amount) for name, amount in requests.items() if amount)),
        node_selector=tuple(sorted(pod.spec.node_selector.items())),
        required_nodes=moves.narrowed(affinity.required_nodes(pod.spec.affinity), pod),
        preferred_nodes=affinity.preferred_nodes(pod.spec.affinity),
        tolerations=pod.spec.tolerations,
        ports=_host_ports(pod.spec),
        images=tuple(sorted(map(image_names.familiar, pods.images(pod.spec)))),
        owner=owner.uid if owner else "",
        lot=f"{pod.metadata.namespace}/{owner.kind}/{owner.name}" if owner else "",
        namespace=pod.metadata.namespace,
        labels=tuple(sorted(pod.metadata.labels.items())),
        leaving=objects.is_terminating(pod),
        wishes=terms.of(pod),
        priority=priorities.of(pod),
    )


def _host_ports(spec: PodSpec) -> tuple[HostPort, ...]:
    found = []
    for container in pods.lasting_containers(spec):
        for port in container.ports:
            number = port.host_port or (port.container_port if spec.host_network else 0)
            if number:
                found.append(HostPort(number, port.protocol or "TCP", port.host_ip or ANY_ADDRESS))
    return tuple(found)
