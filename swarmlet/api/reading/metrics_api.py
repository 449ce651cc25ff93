"""metrics.k8s.io: what nodes and Pods use, as `kubectl top` asks for it.

The leader's memory has the samples (`UsageSource`); names and labels are the local replica's. A Pod that was not
sampled yet, or whose node has fallen silent, is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from aiohttp import web

from swarmlet import slices
from swarmlet.api import answers, queries
from swarmlet.api.reading import documents, selection
from swarmlet.api.reading.media import Form, accepted
from swarmlet.api.reading.reads import Reader
from swarmlet.api.targets import Target
from swarmlet.clock import Clock
from swarmlet.errors import NotFoundError
from swarmlet.model import kinds, metrics, objects
from swarmlet.model.meta import Object
from swarmlet.model.samples import NodeSample, PodSample
from swarmlet.store.commands import Key
from swarmlet.store.replica import Replica, Stored, View

NODES = kinds.NODE.resource
PODS = kinds.POD.resource


class UsageSource(Protocol):
    """Knows the newest samples. Only the leader was told, so another daemon asks it."""

    async def node_usage(self) -> Sequence[NodeSample]:
        """Return the samples of all nodes; raise `UnavailableError` where nobody knows."""

    async def pod_usage(self, namespace: str, name: str) -> Sequence[PodSample]:
        """Return the samples of the Pods of a namespace ("": of all), or of those of one name; raise as above."""


class MetricsApi:
    """Answers `get` and `list` of NodeMetrics and PodMetrics."""

    def __init__(self, *, replica: Replica, reader: Reader, source: UsageSource, clock: Clock) -> None:
        self._replica = replica
        self._reader = reader
        self._source = source
        self._clock = clock

    async def get(self, request: web.Request, target: Target) -> web.Response:
        """Answer a GET of one node's or Pod's metrics."""
        found = next((each for each in await self._metrics(target) if each.key == target.key), None)
        if found is None:
            what = f"{target.kind.kind.lower()}.{target.kind.group}"
            name = f"{target.namespace}/{target.name}" if target.namespace else target.name
            raise NotFoundError(f'{what} "{name}" not found')
        if accepted(request.headers.get("Accept", "")).form is Form.TABLE:
            return self._table(request, target, [found])
        return answers.json(found.json)

    async def list(self, request: web.Request, target: Target) -> web.Response:
        """Answer a GET of the metrics of many."""
        chosen = selection.of(target, queries.list_options(request.query))
        found: list[Stored] = []

        def look(metrics: Iterable[Stored]) -> Iterator[None]:
            for each in metrics:
                if chosen.matches(each):
                    found.append(each)
                yield

        await slices.work_through(look(await self._metrics(target)), self._clock)
        found.sort(key=lambda it: it.key)
        if accepted(request.headers.get("Accept", "")).form is Form.TABLE:
            return self._table(request, target, found)
        return answers.joined(documents.object_list(target.kind, self._list_metadata(), found), self._clock)

    async def _metrics(self, target: Target) -> Iterable[Stored]:
        now = self._clock.now()
        if target.kind is kinds.NODE_METRICS:
            return of_nodes(self._replica.view, await self._source.node_usage(), now)
        return of_pods(self._replica.view, await self._source.pod_usage(target.namespace, target.name), now)

    def _table(self, request: web.Request, target: Target, found: Sequence[Stored]) -> web.Response:
        wanted = accepted(request.headers.get("Accept", ""))
        renderer = self._reader.renderer(request, target, wanted)
        return answers.joined(renderer.document(self._list_metadata(), found), self._clock)

    def _list_metadata(self) -> bytes:
        return documents.list_metadata(self._replica.view.revision)


def of_nodes(view: View, samples: Iterable[NodeSample], now: datetime) -> Iterator[Stored]:
    """Yield the metrics of the nodes that there still are."""
    for sample in samples:
        node = view.get(Key(NODES, "", sample.node_name))
        if node is not None:
            value = metrics.of_node(sample, node.object.metadata.labels, now)
            yield _as_stored(kinds.NODE_METRICS, value)


def of_pods(view: View, samples: Iterable[PodSample], now: datetime) -> Iterator[Stored]:
    """Yield the metrics of the Pods that there still are, and are the same that were sampled."""
    for sample in samples:
        pod = view.get(Key(PODS, sample.namespace, sample.name))
        if pod is not None and pod.object.metadata.uid == sample.uid:
            value = metrics.of_pod(sample, pod.object.metadata.labels, now)
            yield _as_stored(kinds.POD_METRICS, value)


def _as_stored(kind: kinds.Kind, value: Object) -> Stored:
    """Return metrics in the form of what is stored; their revision is of no list."""
    key = Key(kind.resource, value.metadata.namespace, value.metadata.name)
    return Stored(key, 0, objects.to_json(value), value)
