"""The informer of the library `kubernetes`: a cache that a thread keeps as the cluster is, and what it hears."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Any

import with_kubernetes  # type: ignore[import-not-found]  # beside this file, where it is run
from kubernetes import client, informer


class Client(with_kubernetes.Client):  # type: ignore[misc]
    library = "kubernetes-informer"

    def events(self, again: Callable[[str], None]) -> Iterator[tuple[str, str, str]]:
        heard: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        kept = informer.SharedInformer(client.CoreV1Api().list_namespaced_config_map, namespace=self._namespace)
        for kind in (informer.ADDED, informer.MODIFIED, informer.DELETED):
            kept.add_event_handler(kind, lambda found, kind=kind: heard.put((kind, found)))
        kept.add_event_handler(informer.ERROR, lambda error: again(str(getattr(error, "status", None) or error)))
        kept.start()
        while True:
            kind, found = heard.get()
            yield kind, found.metadata.name, found.metadata.resource_version
