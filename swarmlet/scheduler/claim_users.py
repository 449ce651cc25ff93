"""The Pods that mount each claim, kept in step with the store change by change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from swarmlet.model import kinds, pods, volumes
from swarmlet.model.pod import Pod
from swarmlet.store import following
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

CLAIMS = kinds.PERSISTENT_VOLUME_CLAIM.resource
PODS = kinds.POD.resource


class ClaimUsers:
    """Pods by claim; those that have finished mount nothing any more."""

    def __init__(self) -> None:
        self._users: dict[Key, set[Key]] = {}
        self._claims: dict[Key, tuple[Key, ...]] = {}
        self._revision = -1

    def of(self, view: View, claim: Key) -> Sequence[Pod]:
        """Return the Pods that mount a claim, by name."""
        self.catch_up(view)
        found = (view.get(key) for key in sorted(self._users.get(claim, ())))
        return [cast("Pod", stored.object) for stored in found if stored]

    def catch_up(self, view: View) -> None:
        """Take in what changed since the last call; called often, it never has to read everything."""
        self._revision = following.catch_up(view, PODS, self._revision, note=self._note, rebuild=self._rebuild)

    def _rebuild(self, view: View) -> None:
        self._users.clear()
        self._claims.clear()
        for stored in view.list(PODS):
            self._note(stored.key, stored)

    def _note(self, pod: Key, stored: Stored | None) -> None:
        claims = claims_of(stored) if stored else ()
        before = self._claims.pop(pod, ())
        if claims:
            self._claims[pod] = claims
        for claim in before:
            if claim not in claims:
                self._users[claim].discard(pod)
                if not self._users[claim]:
                    del self._users[claim]
        for claim in claims:
            self._users.setdefault(claim, set()).add(pod)


def claims_of(stored: Stored) -> tuple[Key, ...]:
    """Return the claims that a Pod mounts; none where it has finished."""
    pod = cast("Pod", stored.object)
    if not pod.spec.volumes or pods.is_finished(pod):
        return ()
    return tuple(Key(CLAIMS, stored.key.namespace, name) for name in volumes.claim_names(pod))
