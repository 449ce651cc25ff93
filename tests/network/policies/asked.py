"""A store with Namespaces, Pods and NetworkPolicies, and what Kubernetes says of them, in plain words."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from swarmlet.model import decode, defaults, kinds, selectors
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.meta import LabelSelector, ObjectMeta
from swarmlet.model.network_policy import NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from swarmlet.model.node_subnets import ClusterNetwork, SubnetClaim
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Delete, Key
from tests.network.cluster import Cluster
from tests.network.packets import Packet


class Policies(Cluster):
    def namespace(self, name: str, labels: Mapping[str, str]) -> Key:
        return self.write(kinds.NAMESPACE, {"metadata": {"name": name, "labels": dict(labels), "uid": f"ns-{name}"}})

    def network(self, cluster_cidr: str = "10.42.0.0/16") -> Key:
        return self._put(
            kinds.CLUSTER_NETWORK, ClusterNetwork(metadata=ObjectMeta(name="cluster"), cluster_cidr=cluster_cidr)
        )

    def node(self, name: str, address: str, subnet: str, *more: str) -> None:
        """Write a node of the Pod network."""
        claim = ObjectMeta(name=subnet.partition("/")[0])
        self._put(kinds.SUBNET_CLAIM, SubnetClaim(metadata=claim, node=name, node_id=f"id-{name}"))
        metadata = {"name": name, "uid": f"uid-{name}", "labels": {NODE_ID_LABEL: f"id-{name}"}}
        status = {"addresses": [{"type": "InternalIP", "address": address}]}
        self.write(
            kinds.NODE,
            {"metadata": metadata, "spec": {"podCIDR": subnet, "podCIDRs": [subnet, *more]}, "status": status},
        )

    def pod(
        self,
        name: str,
        address: str,
        labels: Mapping[str, str] | None = None,
        *,
        node: str = "n1",
        ports: Sequence[Mapping[str, object]] = (),
        phase: str = "Running",
        ips: Sequence[str] = (),
        **spec: object,
    ) -> Key:
        namespace, _, short = name.rpartition("/")
        containers = [{"name": "main", "image": "web:1", "ports": list(ports)}]
        return self.write(
            kinds.POD,
            {
                "metadata": {
                    "name": short,
                    "namespace": namespace or "default",
                    "uid": f"uid-{short}",
                    "labels": dict(labels or {}),
                },
                "spec": {"containers": containers, "nodeName": node, **spec},
                "status": {"phase": phase, "podIP": address, "podIPs": [{"ip": each} for each in ips]},
            },
        )

    def policy(self, name: str, **spec: object) -> Key:
        namespace, _, short = name.rpartition("/")
        metadata = {"name": short, "namespace": namespace or "default", "uid": f"uid-{short}"}
        return self.write(kinds.NETWORK_POLICY, {"metadata": metadata, "spec": spec})

    def write(self, kind: kinds.Kind, document: dict) -> Key:
        return self._put(kind, defaults.fill(decode.decode(kind, document).object))

    def remove(self, key: Key) -> None:
        self.apply(Delete(key))

    # What Kubernetes says.

    def allows(self, packet: Packet, node: str = "n1") -> bool:
        """Whether a packet may pass this node: by the policies of its sender there, and of its receiver there."""
        pods = {each.status.pod_ip: each for each in self._all(kinds.POD) if is_on_network(each)}
        source, destination = pods.get(packet.source), pods.get(packet.destination)
        if packet.source == packet.destination:
            return True
        leaves = source is None or source.spec.node_name != node or self._direction(source, "Egress", packet, pods)
        arrives = (
            destination is None
            or destination.spec.node_name != node
            or self._direction(destination, "Ingress", packet, pods)
        )
        return leaves and arrives

    def _all(self, kind: kinds.Kind) -> list:
        return [stored.object for stored in self.store.list(kind.resource)]

    def _direction(self, pod: Pod, direction: str, packet: Packet, pods: Mapping[str, Pod]) -> bool:
        selecting = [
            each
            for each in self._all(kinds.NETWORK_POLICY)
            if each.metadata.namespace == pod.metadata.namespace
            and direction in each.spec.policy_types
            and selectors.from_labels(each.spec.pod_selector)(pod.metadata.labels)
        ]
        return not selecting or any(self._policy(each, direction, packet, pods) for each in selecting)

    def _policy(self, policy: NetworkPolicy, direction: str, packet: Packet, pods: Mapping[str, Pod]) -> bool:
        rules = policy.spec.ingress if direction == "Ingress" else policy.spec.egress
        for rule in rules:
            peers = rule.from_ if direction == "Ingress" else rule.to
            other = packet.source if direction == "Ingress" else packet.destination
            is_peer = not peers or any(self._peer(policy, each, other, pods.get(other)) for each in peers)
            receiver = pods.get(packet.destination)
            if is_peer and (not rule.ports or any(is_port(each, packet, receiver) for each in rule.ports)):
                return True
        return False

    def _peer(self, policy: NetworkPolicy, peer: NetworkPolicyPeer, address: str, pod: Pod | None) -> bool:
        if peer.ip_block is not None:
            within = ipaddress.ip_address(address)
            excepted = any(within in ipaddress.ip_network(each) for each in peer.ip_block.except_)
            return within in ipaddress.ip_network(peer.ip_block.cidr) and not excepted
        if pod is None:
            return False
        namespace = pod.metadata.namespace
        if peer.namespace_selector is None:
            if namespace != policy.metadata.namespace:
                return False
        else:
            stored = self.store.get(Key(kinds.NAMESPACE.resource, "", namespace))
            labels = stored.object.metadata.labels if stored else {}
            if not selectors.from_labels(peer.namespace_selector)(labels):
                return False
        return selectors.from_labels(peer.pod_selector or LabelSelector())(pod.metadata.labels)


def is_on_network(pod: Pod) -> bool:
    return bool(pod.status.pod_ip) and not pod.spec.host_network and pod.status.phase not in ("Succeeded", "Failed")


def is_port(port: NetworkPolicyPort, packet: Packet, receiver: Pod | None) -> bool:
    if (port.protocol or "TCP") != packet.protocol:
        return False
    if port.port is None:
        return True
    if isinstance(port.port, int):
        return port.port <= packet.port <= (port.end_port or port.port)
    named = [each for container in receiver.spec.containers for each in container.ports] if receiver else []
    return any(
        (each.name, each.protocol, each.container_port) == (port.port, packet.protocol, packet.port) for each in named
    )
