"""EndpointSlices: where each Service with a selector leads, by the readiness of its Pods.

Source: kubernetes pkg/controller/endpointslice and staging/src/k8s.io/endpointslice.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.services import endpoints
from swarmlet.controllers.work import claims
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.controllers.work.selected_pods import SelectedPods
from swarmlet.model import ip_families, kinds, names, objects, pods, services
from swarmlet.model.base import clock_time
from swarmlet.model.meta import LabelSelector, ObjectMeta
from swarmlet.model.services import Endpoint, EndpointPort, EndpointSlice, Service
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

SERVICES = kinds.SERVICE.resource
SLICES = kinds.ENDPOINT_SLICE.resource
PODS = kinds.POD.resource
ENDPOINTS_PER_SLICE = 100

Ports = tuple[EndpointPort, ...]
Place = tuple[Ports, str]
"""Which endpoint of a family it is: the ports of its slice, and the uid of its Pod."""


NO_ENDPOINTS: tuple[Ports, tuple[Endpoint, ...]] = ((), ())
"""What the slice of a Service without any endpoint of a family holds."""


class EndpointSlices:
    """The reconciler; a key names a Service. `rng` makes the uids and names of slices."""

    name: ClassVar[str] = "endpointslice"
    watches: ClassVar[frozenset[str]] = frozenset({SERVICES, SLICES, PODS})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._pods = SelectedPods()

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the Service itself, that of a slice, or those that lead to a Pod whose part in them has changed."""
        if change.key.resource == SERVICES:
            return [change.key]
        if change.key.resource == SLICES:
            return {key for each in (change.old, change.new) if each and (key := _service_of(each))}
        if not endpoints.has_changed(change):
            return []
        everyone = view.list(SERVICES, change.key.namespace)
        labels = [each.object.metadata.labels for each in (change.old, change.new) if each]
        return [each.key for each in everyone if any(_selects(_service(each), found) for found in labels)]

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every Service."""
        return [stored.key for stored in view.list(SERVICES)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the slices that are to be other than they are; a Service that is gone takes its own with it."""
        stored = view.get(key)
        service = _service(stored) if stored else None
        if stored is None or service is None or not _leads_to_pods(service):
            self._pods.forget(key)
            return NOTHING
        if objects.is_terminating(service) or not claims.accepts_new_objects(view, key.namespace):
            return NOTHING
        selected = self._pods.of(view, key, LabelSelector(match_labels=service.spec.selector))
        able = [pod for pod in selected if endpoints.takes_part(pod)]
        families = service.spec.ip_families or (ip_families.IPV4,)
        work = _Work(view, stored, self._rng, now)
        for family in families:
            wanted = {
                (endpoints.ports(service, pod), pod.metadata.uid): endpoints.endpoint(view, service, pod, family)
                for pod in able
                if pods.address(pod, family)
            }
            work.settle(family, wanted)
        return work.finished(families)


class _Work:
    """One Service and its slices, which are of one family each."""

    def __init__(self, view: View, stored: Stored, rng: random.Random, now: datetime) -> None:
        self._service = _service(stored)
        self._slices = [each for each in claims.owned(view, stored, SLICES) if _is_ours(each)]
        self._drafts = Drafts(view)
        self._rng = rng
        self._now = now

    def settle(self, family: str, wanted: Mapping[Place, Endpoint]) -> None:
        """Let the slices of a family hold these: each endpoint stays where it is, and few slices change."""
        pending = dict(wanted)
        slices = [each for each in self._slices if _slice(each).address_type == family]
        kept = [(stored, _still_in(_slice(stored), pending)) for stored in slices]
        missing: dict[Ports, list[Endpoint]] = {}
        for (ports, _), endpoint in pending.items():
            missing.setdefault(ports, []).append(endpoint)
        for stored, held in kept:
            waiting = missing.get(_slice(stored).ports, [])
            room = ENDPOINTS_PER_SLICE - len(held)
            held.extend(waiting[:room])
            del waiting[:room]
        parts = [
            (ports, tuple(waiting[start : start + ENDPOINTS_PER_SLICE]))
            for ports, waiting in missing.items()
            for start in range(0, len(waiting), ENDPOINTS_PER_SLICE)
        ]
        self._rewrite(kept, left=len(kept) + len(parts))
        for ports, part in parts if parts or kept else [NO_ENDPOINTS]:
            self._drafts.create(kinds.ENDPOINT_SLICE, self._new(family, ports, part))

    def finished(self, families: Sequence[str]) -> Reconciliation:
        """Return the operations; with them go the slices of a family that the Service has no more."""
        for stored in self._slices:
            if _slice(stored).address_type not in families:
                self._drafts.remove(stored, self._now)
        return self._drafts.reconciliation()

    def _rewrite(self, kept: Sequence[tuple[Stored, list[Endpoint]]], *, left: int) -> None:
        """Change the slices that there are; remove the empty ones, unless the last: it says that there are none."""
        for stored, held in kept:
            if not held and left > 1:
                left -= 1
                self._drafts.remove(stored, self._now)
                continue
            told = objects.with_metadata(_slice(stored), labels=self._labels())
            ports = told.ports if held else ()
            self._drafts.update(stored, msgspec.structs.replace(told, endpoints=tuple(held), ports=ports))

    def _new(self, family: str, ports: Ports, held: tuple[Endpoint, ...]) -> EndpointSlice:
        prefix = f"{self._service.metadata.name}-"
        metadata = ObjectMeta(
            name=names.generated(prefix, self._rng),
            generate_name=prefix,
            namespace=self._service.metadata.namespace,
            uid=names.new_uid(self._rng),
            creation_timestamp=clock_time(self._now),
            labels=self._labels(),
            owner_references=(objects.owner_reference(self._service),),
        )
        return EndpointSlice(metadata=metadata, address_type=family, endpoints=held, ports=ports)

    def _labels(self) -> dict[str, str]:
        headless = {services.HEADLESS_LABEL: ""} if self._service.spec.cluster_ip == services.HEADLESS else {}
        own = {services.SERVICE_NAME_LABEL: self._service.metadata.name, services.MANAGED_BY_LABEL: services.MANAGER}
        return {**self._service.metadata.labels, **headless, **own}


def _still_in(slice_: EndpointSlice, pending: dict[Place, Endpoint]) -> list[Endpoint]:
    """Take from `pending` the endpoints, as they are now, that a slice goes on holding."""
    places = [(slice_.ports, _uid(each)) for each in slice_.endpoints]
    found = (pending.pop(place, None) for place in places)
    return [each for each in found if each is not None]


def _leads_to_pods(service: Service) -> bool:
    return bool(service.spec.selector) and service.spec.type != services.EXTERNAL_NAME


def _selects(service: Service, labels: Mapping[str, str]) -> bool:
    return _leads_to_pods(service) and service.spec.selector.items() <= labels.items()


def _service_of(stored: Stored) -> Key | None:
    """Return the Service of a slice that is ours."""
    name = stored.object.metadata.labels.get(services.SERVICE_NAME_LABEL)
    return Key(SERVICES, stored.key.namespace, name) if name and _is_ours(stored) else None


def _is_ours(stored: Stored) -> bool:
    return stored.object.metadata.labels.get(services.MANAGED_BY_LABEL) == services.MANAGER


def _uid(endpoint: Endpoint) -> str:
    return endpoint.target_ref.uid if endpoint.target_ref else ""


def _service(stored: Stored) -> Service:
    return cast("Service", stored.object)


def _slice(stored: Stored) -> EndpointSlice:
    return cast("EndpointSlice", stored.object)
