"""Which Pods of the cluster are in which sets of the policies in use. Pure.

Most Pods of a cluster are alike but for name and address, and most policies mean few of them. So Pods are kept by
shape, and where a policy means nothing to one Pod of a shape, it is asked about no other of it: a look at all Pods
costs what there are shapes, and the Pods that are meant.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass

from swarmlet.network.policies import rules as policy_rules
from swarmlet.network.policies.rules import Member, Policy
from swarmlet.network.ruleset import Element
from swarmlet.store.commands import Key

Elements = frozenset[Element]


@dataclass(frozen=True, slots=True)
class _Shape:
    """All by which policies tell Pods apart."""

    namespace: str
    labels: frozenset[tuple[str, str]]
    namespace_labels: frozenset[tuple[str, str]]
    ports: frozenset[tuple[str, str, int]]


class Peers:
    """The members there are, and in which sets each is, by policy."""

    def __init__(self) -> None:
        self._members: dict[Key, Member] = {}
        self._shapes: dict[_Shape, dict[Key, Member]] = {}
        self._by_policy: dict[Key, dict[Key, Elements]] = {}
        self._by_pod: dict[Key, set[Key]] = {}

    def member(self, key: Key) -> Member | None:
        """Return a Pod; None where it has no address on the Pod network."""
        return self._members.get(key)

    def keys(self) -> Iterable[Key]:
        """Return the keys of all members."""
        return self._members.keys()

    def put(self, key: Key, new: Member | None) -> bool:
        """Know a Pod as it is now, and return whether that is news. Its sets are those it had until it is placed."""
        old = self._members.pop(key, None)
        if new is not None:
            self._members[key] = new
        if new == old:
            return False
        if old is not None:
            alike = self._shapes[_shape(old)]
            del alike[key]
            if not alike:
                del self._shapes[_shape(old)]
        if new is not None:
            self._shapes.setdefault(_shape(new), {})[key] = new
        return True

    def place(self, key: Key, policies: Mapping[Key, Policy]) -> None:
        """Work out in which sets of all `policies` a Pod is."""
        for each in self._by_pod.pop(key, ()):
            del self._by_policy[each][key]
        member = self._members.get(key)
        if member is not None:
            for name, policy in policies.items():
                if found := policy_rules.as_peer(policy, member):
                    self._note(name, key, found)

    def place_all(self, name: Key, policy: Policy | None) -> Generator[None, None, set[Key]]:
        """Put every Pod into a policy's sets, None: take it out; return those for whom that changed something.

        Each shape of Pods is a step: to ask a policy of thousands of peers about one takes milliseconds.
        """
        before = self._by_policy.pop(name, {})
        for key in before:
            self._by_pod[key].discard(name)
        for alike in self._shapes.values() if policy else ():
            if policy and policy_rules.as_peer(policy, next(iter(alike.values()))):
                for key, member in alike.items():
                    self._note(name, key, policy_rules.as_peer(policy, member))
            yield
        now = self._by_policy.get(name, {})
        return {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}

    def elements(self, key: Key) -> set[Element]:
        """Return all sets that a Pod is in, and as what."""
        return {each for policy in self._by_pod.get(key, ()) for each in self._by_policy[policy][key]}

    def _note(self, policy: Key, pod: Key, found: Elements) -> None:
        self._by_policy.setdefault(policy, {})[pod] = found
        self._by_pod.setdefault(pod, set()).add(policy)


def _shape(member: Member) -> _Shape:
    return _Shape(
        member.key.namespace,
        frozenset(member.labels.items()),
        frozenset(member.namespace_labels.items()),
        member.ports,
    )
