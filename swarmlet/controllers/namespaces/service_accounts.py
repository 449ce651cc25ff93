"""What each namespace has for its Pods to know and to be known: the account `default`, and the cluster's authority.

Source: kubernetes pkg/controller/serviceaccount, pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.work import claims
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.errors import CallerError
from swarmlet.model import cluster, events, kinds, names, service_accounts
from swarmlet.model.base import clock_time
from swarmlet.model.core import ConfigMap
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.service_accounts import ServiceAccount
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NAMESPACES = kinds.NAMESPACE.resource
ACCOUNTS = kinds.SERVICE_ACCOUNT.resource
CONFIG_MAPS = kinds.CONFIG_MAP.resource
CLUSTER = Key(kinds.CLUSTER_IDENTITY.resource, "", cluster.THE_CLUSTER)
DESCRIPTION = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using "
    "internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed "
    "across distributions of Kubernetes clusters."
}
FAILED = "FailedCreate"
LOOK_AGAIN_SECONDS = 60.0
"""After a quota left no room."""


class ServiceAccounts:
    """The reconciler; a key names a Namespace. `rng` makes uids."""

    name: ClassVar[str] = "service-accounts"
    watches: ClassVar[frozenset[str]] = frozenset({NAMESPACES, ACCOUNTS, CONFIG_MAPS, CLUSTER.resource})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the Namespace, or that of an object which each has; all of them where the authority has changed."""
        if change.key.resource == NAMESPACES:
            return (change.key,)
        if change.key == CLUSTER:
            return self.all_keys(view)
        always = change.key.name in (service_accounts.DEFAULT, service_accounts.ROOT_CA)
        return (Key(NAMESPACES, "", change.key.namespace),) if always else ()

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every Namespace."""
        return [stored.key for stored in view.list(NAMESPACES)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the making of what is missing, and the authority where it is another."""
        namespace = view.get(key)
        if namespace is None or not claims.accepts_new_objects(view, key.name):
            return NOTHING
        drafts = Drafts(view)
        try:
            if view.get(Key(ACCOUNTS, key.name, service_accounts.DEFAULT)) is None:
                metadata = self._metadata(key.name, service_accounts.DEFAULT, now)
                drafts.create(kinds.SERVICE_ACCOUNT, ServiceAccount(metadata=metadata))
            self._publish(view, key.name, drafts, now)
        except CallerError as error:  # the namespace's quota is used up
            note = events.Note(namespace.object, events.WARNING, FAILED, str(error))
            return Reconciliation(drafts.operations(), (note,), LOOK_AGAIN_SECONDS)
        return drafts.reconciliation()

    def _publish(self, view: View, namespace: str, drafts: Drafts, now: datetime) -> None:
        identity = view.get(CLUSTER)
        if identity is None:
            return
        data = {service_accounts.ROOT_CA_KEY: cast("cluster.ClusterIdentity", identity.object).ca_certificate}
        stored = view.get(Key(CONFIG_MAPS, namespace, service_accounts.ROOT_CA))
        if stored is not None:
            drafts.update(stored, msgspec.structs.replace(_config_map(stored), data=data))
            return
        metadata = self._metadata(namespace, service_accounts.ROOT_CA, now)
        described = msgspec.structs.replace(metadata, annotations=DESCRIPTION)
        drafts.create(kinds.CONFIG_MAP, ConfigMap(metadata=described, data=data))

    def _metadata(self, namespace: str, name: str, now: datetime) -> ObjectMeta:
        uid = names.new_uid(self._rng)
        return ObjectMeta(name=name, namespace=namespace, uid=uid, creation_timestamp=clock_time(now))


def _config_map(stored: Stored) -> ConfigMap:
    return cast("ConfigMap", stored.object)
