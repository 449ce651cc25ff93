"""Secrets of the type `kubernetes.io/service-account-token`: fills them with a token, and ends them with their account.

Source: kubernetes pkg/controller/serviceaccount/tokens_controller.go.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.identity import account_tokens
from swarmlet.model import cluster, kinds, objects, service_accounts
from swarmlet.model.core import Secret
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object
from swarmlet.model.service_accounts import NAME_ANNOTATION, UID_ANNOTATION, ServiceAccount
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

SECRETS = kinds.SECRET.resource
ACCOUNTS = kinds.SERVICE_ACCOUNT.resource
CLUSTER = Key(kinds.CLUSTER_IDENTITY.resource, "", cluster.THE_CLUSTER)


class AccountSecrets:
    """The reconciler; a key names a Secret. What its user has put into it stays."""

    name: ClassVar[str] = "account-secrets"
    watches: ClassVar[frozenset[str]] = frozenset({SECRETS, ACCOUNTS, CLUSTER.resource})

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the Secret, or those of an account; all of them where the authority has changed."""
        if change.key.resource == SECRETS:
            return (change.key,) if any(each and _is_token(each) for each in (change.old, change.new)) else ()
        if change.key == CLUSTER:
            return self.all_keys(view)
        of_namespace = _tokens(view, change.key.namespace)
        return [stored.key for stored in of_namespace if _account_name(stored) == change.key.name]

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every Secret of the type."""
        return [stored.key for stored in _tokens(view)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return what the Secret lacks, or its end where its account is gone or another one by the same name."""
        stored = view.get(key)
        if stored is None or not _is_token(stored) or objects.is_terminating(stored.object):
            return NOTHING
        drafts, secret = Drafts(), cast("Secret", stored.object)
        found = view.get(Key(ACCOUNTS, key.namespace, _account_name(stored)))
        whose = secret.metadata.annotations.get(UID_ANNOTATION, "")
        if found is None or whose not in ("", found.object.metadata.uid):
            drafts.remove(stored, now)
        elif view.get(CLUSTER) is not None:
            drafts.update(stored, _filled(view, secret, cast("ServiceAccount", found.object)))
        return drafts.reconciliation()


def _filled(view: View, secret: Secret, account: ServiceAccount) -> Secret:
    def find(kind: Kind, namespace: str, name: str) -> Object | None:
        stored = view.get(Key(kind.resource, namespace, name))
        return stored.object if stored else None

    identity = cast("cluster.ClusterIdentity", find(kinds.CLUSTER_IDENTITY, "", cluster.THE_CLUSTER))
    data = {
        service_accounts.NAMESPACE_KEY: _encoded(account.metadata.namespace),
        **secret.data,
        service_accounts.ROOT_CA_KEY: _encoded(identity.ca_certificate),
    }
    if not data.get(service_accounts.TOKEN_KEY):
        data[service_accounts.TOKEN_KEY] = _encoded(account_tokens.lasting(account, secret, find))
    annotations = secret.metadata.annotations | {UID_ANNOTATION: account.metadata.uid}
    return objects.with_metadata(msgspec.structs.replace(secret, data=data), annotations=annotations)


def _tokens(view: View, namespace: str = "") -> list[Stored]:
    return [stored for stored in view.list(SECRETS, namespace) if _is_token(stored)]


def _is_token(stored: Stored) -> bool:
    return cast("Secret", stored.object).type == service_accounts.TOKEN_SECRET


def _account_name(stored: Stored) -> str:
    return stored.object.metadata.annotations.get(NAME_ANNOTATION, "")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
