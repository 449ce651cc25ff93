"""The library `lightkube`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import lightkube
from lightkube import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Secret
from lightkube.types import OnErrorAction, OnErrorResult, PatchType

PAUSE_SECONDS = 0.2
NOT_FOUND = 404
KINDS = {"json": PatchType.JSON, "merge": PatchType.MERGE, "strategic": PatchType.STRATEGIC}


class Client:
    library = "lightkube"
    patches = ("merge", "strategic", "json")

    def __init__(self, namespace: str, kubeconfig: str = "") -> None:
        loaded = (
            lightkube.KubeConfig.from_file(kubeconfig) if kubeconfig else lightkube.KubeConfig.from_service_account()
        )
        self._client = lightkube.Client(config=loaded, namespace=namespace, field_manager="lightkube")
        self._namespace = namespace

    def create(self, name: str, data: dict[str, str]) -> None:
        self._client.create(self._map(name, data))

    def read(self, name: str) -> Any:
        try:
            return self._client.get(ConfigMap, name).data
        except ApiError as error:
            return None if error.status.code == NOT_FOUND else error.status.code

    def patch(self, name: str, kind: str, body: Any) -> None:
        self._client.patch(ConfigMap, name, body, patch_type=KINDS[kind])

    def replace(self, name: str, data: dict[str, str]) -> Any:
        """Replace it, and find that what was read before is of another revision then."""
        found = self._client.get(ConfigMap, name)
        found.data = data
        done = self._client.replace(found)
        try:
            self._client.replace(found)
        except ApiError as error:
            return [done.data, error.status.code]
        return [done.data, "no conflict"]

    def apply(self, name: str, data: dict[str, str], *, manager: str, force: bool) -> Any:
        try:
            return self._client.apply(self._map(name, data), field_manager=manager, force=force).data
        except ApiError as error:
            return error.status.code

    def names(self, limit: int) -> list[str]:
        return [str(each.metadata.name) for each in self._client.list(ConfigMap, chunk_size=limit)]

    def delete(self, name: str) -> None:
        self._client.delete(ConfigMap, name)

    def refused(self) -> Any:
        try:
            list(self._client.list(Secret))
        except ApiError as error:
            return error.status.code
        return "allowed"

    def log(self, pod: str) -> str:
        return "".join(self._client.log(pod))

    def exec(self, pod: str, command: list[str]) -> str:
        return str(self._client.exec(pod, command=command, stdout=True).stdout)

    def events(self, again: Callable[[str], None]) -> Iterator[tuple[str, str, str]]:
        """Resume as the library does by itself, from the last event, or anew where that is too old.

        Where nobody listens its watch ends, and its user begins another.
        """

        def retried(error: Exception, _count: int) -> OnErrorResult:
            again(str(error.status.code) if isinstance(error, ApiError) else type(error).__name__)
            return OnErrorResult(OnErrorAction.RETRY, PAUSE_SECONDS)

        listed = self._client.list(ConfigMap)
        for each in listed:
            yield "LISTED", str(each.metadata.name), str(each.metadata.resourceVersion)
        version = listed.resourceVersion
        while True:
            try:
                for kind, each in self._client.watch(
                    ConfigMap, resource_version=version, server_timeout=60, on_error=retried
                ):
                    version = str(each.metadata.resourceVersion)
                    yield kind, str(each.metadata.name), version
            except httpx2.HTTPError as error:
                again(type(error).__name__)
            time.sleep(PAUSE_SECONDS)

    def _map(self, name: str, data: dict[str, str]) -> ConfigMap:
        metadata = ObjectMeta(name=name, namespace=self._namespace)
        return ConfigMap(apiVersion="v1", kind="ConfigMap", metadata=metadata, data=data)
