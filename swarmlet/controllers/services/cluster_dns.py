"""Makes the Service under which the cluster's DNS is found, and so reserves its address."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from swarmlet.config import Network
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.errors import CallerError
from swarmlet.model import cluster_dns, events, kinds, names, service_defaults
from swarmlet.model.base import clock_time
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.services import CLUSTER_IP, Service, ServicePort, ServiceSpec
from swarmlet.store import addresses
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, View

SERVICES = kinds.SERVICE.resource
NAMESPACES = kinds.NAMESPACE.resource
SERVICE = Key(SERVICES, cluster_dns.NAMESPACE, cluster_dns.NAME)
NAMESPACE = Key(NAMESPACES, "", cluster_dns.NAMESPACE)
FAILED = "FailedCreate"
LOOK_AGAIN_SECONDS = 60.0
"""After the address was found taken: whoever has it may give it back."""


class ClusterDns:
    """The reconciler; its one key is the Service. It does nothing unless a leader's `config.dns` asks for it.

    What is there under that name is left as it is: who wants another server makes a Service with a selector.
    """

    name: ClassVar[str] = "cluster-dns"
    watches: ClassVar[frozenset[str]] = frozenset({SERVICES, NAMESPACES})

    def __init__(self, rng: random.Random, config: Network) -> None:
        self._rng = rng
        self._config = config

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the Service, where it or its namespace has changed."""
        return (SERVICE,) if change.key in (SERVICE, NAMESPACE) else ()

    def all_keys(self, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the Service."""
        return (SERVICE,)

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the making of the Service with its address, where there is none."""
        namespace = view.get(NAMESPACE)
        if not self._config.dns or view.get(key) is not None or namespace is None:
            return NOTHING
        drafts = Drafts(view)
        try:
            service, claims = addresses.settled(view, self._service(now), self._rng)
            drafts.create(kinds.SERVICE, service)
        except CallerError as error:  # the address is another's, or the namespace's quota is used up
            note = events.Note(namespace.object, events.WARNING, FAILED, f"cannot make the Service of DNS: {error}")
            return Reconciliation((), (note,), LOOK_AGAIN_SECONDS)
        made = drafts.reconciliation(atomic=True)
        return Reconciliation((*claims, *made.operations), atomic=True)

    def _service(self, now: datetime) -> Service:
        ports = (
            ServicePort(name="dns", protocol="UDP", port=cluster_dns.PORT),
            ServicePort(name="dns-tcp", protocol="TCP", port=cluster_dns.PORT),
        )
        metadata = ObjectMeta(
            name=cluster_dns.NAME,
            namespace=cluster_dns.NAMESPACE,
            uid=names.new_uid(self._rng),
            creation_timestamp=clock_time(now),
            labels={
                "k8s-app": cluster_dns.NAME,
                "kubernetes.io/name": "swarmlet",
                cluster_dns.PROXY_NAME_LABEL: cluster_dns.PROXY,
            },
        )
        spec = ServiceSpec(type=CLUSTER_IP, cluster_ip=cluster_dns.ADDRESS, ports=ports)
        return service_defaults.service(Service(metadata=metadata, spec=spec))
