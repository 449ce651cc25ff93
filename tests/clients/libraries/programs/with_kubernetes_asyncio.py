"""The library `kubernetes_asyncio`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import aiohttp
from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.leaderelection import electionconfig, leaderelection
from kubernetes_asyncio.leaderelection.resourcelock.leaselock import LeaseLock
from kubernetes_asyncio.stream import WsApiClient

TIMEOUTS = (2, 5)
PAUSE_SECONDS = 0.2
NOT_FOUND, EXPIRED = 404, 410
APPLY = "application/apply-patch+yaml"


class Client:
    library = "kubernetes-asyncio"
    patches = ("merge", "strategic", "json")

    def __init__(self, namespace: str, kubeconfig: str = "") -> None:
        self._runner = asyncio.Runner()
        self._namespace = namespace
        self._core: Any = self._do(self._connected(kubeconfig))

    async def _connected(self, kubeconfig: str) -> Any:
        if kubeconfig:
            await config.load_kube_config(kubeconfig)
        else:
            config.load_incluster_config()
        self._api = client.ApiClient()
        return client.CoreV1Api(self._api)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def create(self, name: str, data: dict[str, str]) -> None:
        self._do(self._core.create_namespaced_config_map(self._namespace, {"metadata": {"name": name}, "data": data}))

    def read(self, name: str) -> Any:
        try:
            return self._do(self._core.read_namespaced_config_map(name, self._namespace)).data
        except client.ApiException as error:
            return None if error.status == NOT_FOUND else error.status

    def patch(self, name: str, kind: str, body: Any) -> None:
        suffix = {"json": "json-patch", "merge": "merge-patch", "strategic": "strategic-merge-patch"}[kind]
        self._do(
            self._core.patch_namespaced_config_map(
                name, self._namespace, body, _content_type=f"application/{suffix}+json"
            )
        )

    def replace(self, name: str, data: dict[str, str]) -> Any:
        """Replace it, and find that what was read before is of another revision then."""
        found = self._do(self._core.read_namespaced_config_map(name, self._namespace))
        found.data = data
        done = self._do(self._core.replace_namespaced_config_map(name, self._namespace, found))
        try:
            self._do(self._core.replace_namespaced_config_map(name, self._namespace, found))
        except client.ApiException as error:
            return [done.data, error.status]
        return [done.data, "no conflict"]

    def apply(self, name: str, data: dict[str, str], *, manager: str, force: bool) -> Any:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        try:
            return self._do(
                self._core.patch_namespaced_config_map(
                    name, self._namespace, body, field_manager=manager, force=force, _content_type=APPLY
                )
            ).data
        except client.ApiException as error:
            return error.status

    def names(self, limit: int) -> list[str]:
        found, further = [], ""
        while True:
            page = self._do(self._core.list_namespaced_config_map(self._namespace, limit=limit, _continue=further))
            assert len(page.items) <= limit
            found += [each.metadata.name for each in page.items]
            further = page.metadata._continue
            if not further:
                return found

    def delete(self, name: str) -> None:
        self._do(self._core.delete_namespaced_config_map(name, self._namespace))

    def refused(self) -> Any:
        try:
            self._do(self._core.list_namespaced_secret(self._namespace))
        except client.ApiException as error:
            return error.status
        return "allowed"

    def log(self, pod: str) -> str:
        return str(self._do(self._core.read_namespaced_pod_log(pod, self._namespace)))

    def exec(self, pod: str, command: list[str]) -> str:
        return str(self._do(self._exec(pod, command)))

    async def _exec(self, pod: str, command: list[str]) -> Any:
        async with WsApiClient() as api:
            return await client.CoreV1Api(api).connect_get_namespaced_pod_exec(
                pod, self._namespace, command=command, stdout=True, stderr=True, stdin=False, tty=False
            )

    def events(self, again: Callable[[str], None]) -> Iterator[tuple[str, str, str]]:
        found = self._events(again)
        while True:
            yield self._runner.run(_next(found))

    async def _events(self, again: Callable[[str], None]) -> AsyncIterator[tuple[str, str, str]]:
        version = ""
        listing = self._core.list_namespaced_config_map
        while True:
            try:
                if not version:
                    listed = await listing(self._namespace, _request_timeout=TIMEOUTS)
                    for each in listed.items:
                        yield "LISTED", each.metadata.name, each.metadata.resource_version
                    version = listed.metadata.resource_version
                async for event in watch.Watch().stream(
                    listing,
                    self._namespace,
                    resource_version=version,
                    timeout_seconds=60,
                    _request_timeout=TIMEOUTS,
                ):
                    metadata = event["object"].metadata
                    version = metadata.resource_version
                    yield event["type"], metadata.name, version
                again("the watch has ended")
            except client.ApiException as error:
                again(str(error.status))
                version = "" if error.status == EXPIRED else version
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                again(type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)

    def elect(self, identity: str, leads: Callable[[], None]) -> None:
        async def lead() -> None:
            leads()
            await asyncio.Event().wait()

        async def stop() -> None:
            """Tell nobody."""

        self._do(
            leaderelection.LeaderElection(
                electionconfig.Config(
                    LeaseLock("leader", self._namespace, identity, self._api),
                    lease_duration=4,
                    renew_deadline=3,
                    retry_period=1,
                    onstarted_leading=lead,
                    onstopped_leading=stop,
                )
            ).run()
        )


async def _next(found: AsyncIterator[tuple[str, str, str]]) -> tuple[str, str, str]:
    return await anext(found)
