"""The tokens in the volumes of this node's Pods: issued here, kept while they are fresh, and renewed in time.

Any daemon can issue them (`identity.account_tokens`), so nobody has to be asked. Calls block and belong in a thread.
Source: kubernetes pkg/kubelet/token/token_manager.go.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import cast

from swarmlet.agent.containers.downward import Find
from swarmlet.agent.volumes.errors import VolumeError
from swarmlet.clock import Clock
from swarmlet.errors import UnavailableError
from swarmlet.identity import account_tokens
from swarmlet.identity.account_tokens import AccountTokens
from swarmlet.model import kinds
from swarmlet.model.account_tokens import EXPIRATION_SECONDS_DEFAULT, BoundObjectReference, TokenRequestSpec
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.model.pod_volumes import ServiceAccountTokenProjection
from swarmlet.model.service_accounts import ServiceAccount
from swarmlet.store.commands import Key

LOOK_SECONDS = 60.0
"""How often it is looked which tokens are to be renewed: a tenth of the shortest life of one."""
FRESH_SHARE = 0.8
"""Of its life, after which a token is renewed."""
FRESH_MAX = timedelta(hours=24)

_Asked = tuple[str, str, str, int]
"""Uids of Pod and account, audience, seconds."""


class PodTokens:
    """One for a node."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[_Asked, tuple[str, datetime]] = {}

    def token(self, pod: Pod, asked: ServiceAccountTokenProjection, find: Find) -> str:
        """Return a token of the Pod's account that is bound to the Pod; raise `VolumeError` where there is none."""
        namespace, name = pod.metadata.namespace, pod.spec.service_account_name
        account = find(Key(kinds.SERVICE_ACCOUNT.resource, namespace, name))
        if account is None:
            raise VolumeError(f'failed to fetch token: serviceaccounts "{name}" not found')
        seconds = asked.expiration_seconds or EXPIRATION_SECONDS_DEFAULT
        key = (pod.metadata.uid, account.metadata.uid, asked.audience, seconds)
        kept, now = self._kept.get(key), self._clock.now()
        if kept is not None and now < kept[1]:
            return kept[0]
        spec = TokenRequestSpec(
            audiences=(asked.audience,) if asked.audience else (),
            expiration_seconds=seconds,
            bound_object_ref=BoundObjectReference(kind="Pod", name=pod.metadata.name, uid=pod.metadata.uid),
        )
        try:
            told = AccountTokens(clock=self._clock, find=_by_kind(find)).issue(cast("ServiceAccount", account), spec)
        except UnavailableError as error:
            raise VolumeError(f"failed to fetch token: {error}") from error
        fresh = min(timedelta(seconds=seconds * FRESH_SHARE), FRESH_MAX)
        self._kept[key] = (told.token, now + fresh)
        return told.token

    def due(self, pod_uids: Collection[str]) -> set[str]:
        """Return the uids of the Pods with a token that is to be renewed; forget what is not of these Pods."""
        for key in [each for each in self._kept if each[0] not in pod_uids]:
            self._kept.pop(key, None)
        now = self._clock.now()
        return {key[0] for key, (_, renew) in list(self._kept.items()) if renew <= now}


def _by_kind(find: Find) -> account_tokens.Find:
    def found(kind: Kind, namespace: str, name: str) -> Object | None:
        return find(Key(kind.resource, namespace, name))

    return found
