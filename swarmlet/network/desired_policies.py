"""What the cluster's NetworkPolicies ask of this node, kept in step with a View, as parts of a ruleset.

Only policies that select a Pod of this node are rendered. The change of a Pod costs what it means to those policies,
the change of a policy what it means to each Pod: never all of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from swarmlet.model import kinds, pods
from swarmlet.model.network_policy import NetworkPolicy
from swarmlet.model.pod import Pod
from swarmlet.network import policy_rules
from swarmlet.network.policy_rules import Member, Policy
from swarmlet.network.ruleset import NOTHING, Element, Part
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, View

POLICIES = kinds.NETWORK_POLICY.resource
PODS = kinds.POD.resource
NAMESPACES = kinds.NAMESPACE.resource


class DesiredPolicies:
    """One for a node. `listener` is called, in the applying task, when there is something to settle."""

    def __init__(self, view: View, node_name: str, listener: Callable[[], None]) -> None:
        self._view = view
        self._node = node_name
        self._listener = listener
        self._given: dict[str, str] = {}
        self._policies: dict[Key, Policy] = {}
        self._members: dict[Key, Member] = {}
        self._selected: dict[Key, tuple[Key, ...]] = {}
        self._users: dict[Key, set[Key]] = {}
        self._elements: dict[Key, dict[Key, frozenset[Element]]] = {}
        self._dirty_pods: set[Key] = set()
        self._dirty_policies: set[Key] = set()
        self._touch_all()
        self._end = view.subscribe(self._note)

    def close(self) -> None:
        """Follow the store no longer."""
        self._end()

    def give(self, uid: str, address: str) -> None:
        """Learn the address of a Pod of this node before the cluster knows it; it is no other Pod's any more."""
        self._given = {each: other for each, other in self._given.items() if other != address} | {uid: address}
        self._touch_own()

    @property
    def given(self) -> Mapping[str, str]:
        """Return the addresses that Pods of this node were given last, by uid: each is one Pod's."""
        return self._given

    def settle(self) -> dict[Key, Part]:
        """Return the parts that may be other than at the last call, by the keys of Pods and policies."""
        policies, self._dirty_policies = self._dirty_policies, set()
        changed, self._dirty_pods = self._dirty_pods, set()
        namespaces = {key.namespace for key in policies}
        for key in policies:
            self._read_policy(key)
        for key in changed:
            self._read_member(key)
        own = {stored.key for stored in self._view.pods_on(self._node)}
        for key in changed | {each for each in own if each.namespace in namespaces} | (self._selected.keys() - own):
            policies |= self._select(key, is_own=key in own)
            changed.add(key)
        others = self._users.keys() - policies
        for key in changed:
            self._place(key, others)
        for key in policies:
            changed |= self._place_all(key)
        parts = {key: self._policy_part(key) for key in policies}
        return parts | {key: self._pod_part(key) for key in changed}

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
        self._dirty_pods.update(self._members)
        self._dirty_policies.update(stored.key for stored in self._view.list(POLICIES))
        self._dirty_policies.update(self._policies)

    def _touch_own(self) -> None:
        self._dirty_pods.update(stored.key for stored in self._view.pods_on(self._node))
        self._listener()

    # Settling.

    def _read_policy(self, key: Key) -> None:
        stored = self._view.get(key)
        self._policies.pop(key, None)
        if stored is not None:
            self._policies[key] = policy_rules.read(key, cast("NetworkPolicy", stored.object))

    def _read_member(self, key: Key) -> None:
        stored = self._view.get(key)
        self._members.pop(key, None)
        if stored is None:
            return
        pod = cast("Pod", stored.object)
        address = self._address(pod)
        if address:
            namespace = self._view.get(Key(NAMESPACES, "", key.namespace))
            labels: Mapping[str, str] = namespace.object.metadata.labels if namespace else {}
            self._members[key] = policy_rules.member(key, pod, address, labels)

    def _address(self, pod: Pod) -> str:
        """Return a Pod's address on the Pod network, "" where it has none or has left it, or another has it now."""
        if pod.spec.host_network or pods.is_finished(pod):
            return ""
        if pod.spec.node_name != self._node:
            return pod.status.pod_ip
        given = self._given.get(pod.metadata.uid)
        return given or ("" if pod.status.pod_ip in self._given.values() else pod.status.pod_ip)

    def _select(self, key: Key, *, is_own: bool) -> set[Key]:
        """Note which policies select a Pod of this node; return those that have become of use, or of none."""
        member = self._members.get(key) if is_own else None
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
        return (
            key
            for key, policy in self._policies.items()
            if key.namespace == member.key.namespace and policy.selects(member.labels)
        )

    def _place_all(self, policy: Key) -> set[Key]:
        """Put every Pod into a policy's sets or take it out; return those for whom that changed something."""
        changed = {*self._users.get(policy, ())}
        for key in {*self._members, *self._elements}:
            before = self._elements.get(key, {}).get(policy)
            self._place(key, (policy,))
            if self._elements.get(key, {}).get(policy) != before:
                changed.add(key)
        return changed

    def _place(self, key: Key, policies: Iterable[Key]) -> None:
        """Work out in which sets of these policies a Pod is."""
        member = self._members.get(key)
        if member is None:
            self._elements.pop(key, None)
            return
        placed = self._elements.setdefault(key, {})
        for each in policies:
            placed.pop(each, None)
            if each in self._users and (found := policy_rules.as_peer(self._policies[each], member)):
                placed[each] = found
        if not placed:
            del self._elements[key]

    def _policy_part(self, key: Key) -> Part:
        return policy_rules.policy_part(self._policies[key]) if key in self._users else NOTHING

    def _pod_part(self, key: Key) -> Part:
        member = self._members.get(key)
        if member is None:
            return NOTHING
        selecting = [self._policies[each] for each in self._selected.get(key, ())]
        elements = {element for found in self._elements.get(key, {}).values() for element in found}
        elements |= {element for each in selecting for element in policy_rules.as_selected(each, member)}
        return policy_rules.pod_part(member, selecting, elements)
