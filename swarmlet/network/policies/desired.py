"""What the cluster's NetworkPolicies ask of this node, kept in step with a View, as parts of a ruleset.

Only policies that select a Pod of this node are rendered. The change of a Pod costs what it means to those policies,
the change of a policy what it means to each shape of Pods: never all of both. Where everything is new, that is long
work all the same, so it is done in steps between which others may have the loop; what changes meanwhile is for the
next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from swarmlet.model import kinds, pods
from swarmlet.model.ip_families import IPV4
from swarmlet.model.network_policy import NetworkPolicy
from swarmlet.model.pod import Pod
from swarmlet.network.policies import rules as policy_rules
from swarmlet.network.policies.peers import Peers
from swarmlet.network.policies.rules import Member, Policy
from swarmlet.network.ruleset import NOTHING, Part
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, View

POLICIES = kinds.NETWORK_POLICY.resource
PODS = kinds.POD.resource
NAMESPACES = kinds.NAMESPACE.resource


class DesiredPolicies:
    """One for a node and a family of addresses. `listener` is called, in the applying task, when there is work."""

    def __init__(self, view: View, node_name: str, listener: Callable[[], None], family: str = IPV4) -> None:
        self._family = family
        self._view = view
        self._node = node_name
        self._listener = listener
        self._given: dict[str, str] = {}
        self._policies: dict[Key, Policy] = {}
        self._by_namespace: dict[str, set[Key]] = {}
        self._selected: dict[Key, tuple[Key, ...]] = {}
        self._users: dict[Key, set[Key]] = {}
        self._peers = Peers()
        self._dirty_pods: set[Key] = set()
        self._dirty_policies: set[Key] = set()
        self._touch_all()
        self._end = view.subscribe(self._note)

    def close(self) -> None:
        """Follow the store no longer."""
        self._end()

    def give(self, uid: str, address: str) -> None:
        """Learn the address of a Pod of this node before the cluster knows it; it is no other Pod's any more."""
        left = self._given.get(uid, address)
        others = {each for each, other in self._given.items() if other == address}
        self._given = {each: other for each, other in self._given.items() if other != address} | {uid: address}
        for stored in self._view.pods_on(self._node):
            pod = cast("Pod", stored.object)
            if pod.metadata.uid in {uid, *others} or pods.address(pod, self._family) in {address, left}:
                self._dirty_pods.add(stored.key)
        self._listener()

    @property
    def given(self) -> Mapping[str, str]:
        """Return the addresses that Pods of this node were given last, by uid: each is one Pod's."""
        return self._given

    def settle(self, parts: dict[Key, Part]) -> Iterator[None]:
        """Put what may be other than at the last call into `parts`, by the keys of Pods and policies, step by step.

        All steps are to be taken, and nothing be done with the parts before.
        """
        policies, self._dirty_policies = self._dirty_policies, set()
        dirty, self._dirty_pods = self._dirty_pods, set()
        namespaces = {key.namespace for key in policies}
        for key in policies:
            self._read_policy(key)
            yield
        changed = set()
        for key in dirty:
            if self._read_member(key):
                changed.add(key)
            yield
        own = {stored.key for stored in self._view.pods_on(self._node)}
        selected = dirty & own | {each for each in own if each.namespace in namespaces} | (self._selected.keys() - own)
        for key in selected:
            policies |= self._select(key, is_own=key in own)
            yield
        others = {key: self._policies[key] for key in self._users.keys() - policies}
        for key in changed:
            self._peers.place(key, others)
            yield
        changed |= selected
        for key in policies:
            changed |= yield from self._peers.place_all(key, self._policies[key] if key in self._users else None)
            changed |= self._users.get(key, set())
            parts[key] = policy_rules.policy_part(self._policies[key]) if key in self._users else NOTHING
            yield
        for key in changed:
            parts[key] = self._pod_part(key)
            yield

    # Following the store.

    def _note(self, changes: Sequence[Change]) -> None:
        if not changes:
            self._touch_all()
        for change in changes:
            if change.key.resource == PODS:
                self._dirty_pods.add(change.key)
            elif change.key.resource == POLICIES:
                self._dirty_policies.add(change.key)
            elif change.key.resource == NAMESPACES:
                self._dirty_pods.update(stored.key for stored in self._view.list(PODS, change.key.name))
        if self._dirty_pods or self._dirty_policies:
            self._listener()

    def _touch_all(self) -> None:
        self._dirty_pods.update(stored.key for stored in self._view.list(PODS))
        self._dirty_pods.update(self._peers.keys())
        self._dirty_policies.update(stored.key for stored in self._view.list(POLICIES))
        self._dirty_policies.update(self._policies)

    # Settling.

    def _read_policy(self, key: Key) -> None:
        stored = self._view.get(key)
        among = self._by_namespace.setdefault(key.namespace, set())
        if stored is not None:
            self._policies[key] = policy_rules.read(key, cast("NetworkPolicy", stored.object), self._family)
            among.add(key)
            return
        self._policies.pop(key, None)
        among.discard(key)
        if not among:
            del self._by_namespace[key.namespace]

    def _read_member(self, key: Key) -> bool:
        """Know a Pod as it is stored now; return whether that is news to any policy."""
        stored = self._view.get(key)
        address = self._address(cast("Pod", stored.object)) if stored else ""
        if stored is None or not address:
            return self._peers.put(key, None)
        namespace = self._view.get(Key(NAMESPACES, "", key.namespace))
        labels: Mapping[str, str] = namespace.object.metadata.labels if namespace else {}
        return self._peers.put(key, policy_rules.member(key, cast("Pod", stored.object), address, labels))

    def _address(self, pod: Pod) -> str:
        """Return a Pod's address on the Pod network, "" where it has none or has left it, or another has it now."""
        if pod.spec.host_network or pods.is_finished(pod):
            return ""
        stored = pods.address(pod, self._family)
        if pod.spec.node_name != self._node:
            return stored
        given = self._given.get(pod.metadata.uid)
        return given or ("" if stored in self._given.values() else stored)

    def _select(self, key: Key, *, is_own: bool) -> set[Key]:
        """Note which policies select a Pod of this node; return those that have become of use, or of none."""
        member = self._peers.member(key) if is_own else None
        now = tuple(sorted(self._selecting(member))) if member else ()
        before = self._selected.pop(key, ())
        if now:
            self._selected[key] = now
        turned = set()
        for policy in {*before} - {*now}:
            self._users[policy].discard(key)
            if not self._users[policy]:
                del self._users[policy]
                turned.add(policy)
        for policy in {*now} - {*before}:
            if policy not in self._users:
                turned.add(policy)
            self._users.setdefault(policy, set()).add(key)
        return turned

    def _selecting(self, member: Member) -> Iterable[Key]:
        keys = self._by_namespace.get(member.key.namespace, ())
        return (key for key in keys if self._policies[key].selects(member.labels))

    def _pod_part(self, key: Key) -> Part:
        member = self._peers.member(key)
        if member is None:
            return NOTHING
        selecting = [self._policies[each] for each in self._selected.get(key, ())]
        elements = self._peers.elements(key)
        elements |= {element for each in selecting for element in policy_rules.as_selected(each, member)}
        return policy_rules.pod_part(member, selecting, elements)
