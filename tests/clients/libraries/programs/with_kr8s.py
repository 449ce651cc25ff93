"""The library `kr8s`."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import httpx
import kr8s
import kr8s.asyncio
from kr8s.asyncio.objects import ConfigMap, Pod

PAUSE_SECONDS = 0.2


class Client:
    library = "kr8s"
    patches = ("merge", "json")

    def __init__(self, namespace: str, kubeconfig: str = "") -> None:
        self._runner = asyncio.Runner()
        self._namespace = namespace
        chosen = {"kubeconfig": kubeconfig} if kubeconfig else {}
        self._api: Any = self._do(_connected(namespace, chosen))

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def create(self, name: str, data: dict[str, str]) -> None:
        self._do(self._create(name, data))

    async def _create(self, name: str, data: dict[str, str]) -> None:
        metadata = {"name": name, "namespace": self._namespace}
        await (await ConfigMap({"metadata": metadata, "data": data}, api=self._api)).create()

    def read(self, name: str) -> Any:
        try:
            found = self._do(ConfigMap.get(name, namespace=self._namespace, api=self._api))
        except kr8s.NotFoundError:
            return None
        return dict(found.raw.get("data", {}))

    def patch(self, name: str, kind: str, body: Any) -> None:
        self._do(self._patch(name, kind, body))

    async def _patch(self, name: str, kind: str, body: Any) -> None:
        found = await ConfigMap.get(name, namespace=self._namespace, api=self._api)
        await found.patch(body, type=kind if kind == "json" else None)

    def names(self, _limit: int) -> list[str]:
        """List; the library asks for pages of 100 by itself."""
        return [str(each.name) for each in self._do(self._listed())]

    async def _listed(self) -> list[Any]:
        return [each async for each in self._api.get("configmaps", namespace=self._namespace)]

    def delete(self, name: str) -> None:
        self._do(self._delete(name))

    async def _delete(self, name: str) -> None:
        await (await ConfigMap.get(name, namespace=self._namespace, api=self._api)).delete()

    def refused(self) -> Any:
        async def ask() -> Any:
            return [each async for each in self._api.get("secrets", namespace=self._namespace)]

        try:
            self._do(ask())
        except kr8s.ServerError as error:
            return error.response.status_code
        return "allowed"

    def log(self, pod: str) -> str:
        async def read() -> str:
            found = await Pod.get(pod, namespace=self._namespace, api=self._api)
            return "".join([line + "\n" async for line in found.logs()])

        return str(self._do(read()))

    def exec(self, pod: str, command: list[str]) -> str:
        async def run() -> bytes:
            found = await Pod.get(pod, namespace=self._namespace, api=self._api)
            out = io.BytesIO()
            await found.exec(command, stdout=out, capture_output=False)
            return out.getvalue()

        return self._do(run()).decode()  # type: ignore[no-any-return]

    def forward(self, pod: str, port: int) -> str:
        async def ask() -> str:
            found = await Pod.get(pod, namespace=self._namespace, api=self._api)
            async with found.portforward(remote_port=port) as local, httpx.AsyncClient() as http:
                return (await http.get(f"http://127.0.0.1:{local}/")).text.strip()

        return str(self._do(ask()))

    def events(self, again: Callable[[str], None]) -> Iterator[tuple[str, str, str]]:
        found = self._events(again)
        while True:
            yield self._runner.run(_next(found))

    async def _events(self, again: Callable[[str], None]) -> AsyncIterator[tuple[str, str, str]]:
        """Watch from the beginning each time, as the library's users do: what is there comes as ADDED."""
        while True:
            try:
                async for kind, each in self._api.watch("configmaps", namespace=self._namespace):
                    yield kind, each.name, each.metadata.resourceVersion
                again("the watch has ended")
            except (kr8s.ServerError, kr8s.APITimeoutError, httpx.HTTPError, OSError) as error:
                again(type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)


async def _connected(namespace: str, chosen: dict[str, str]) -> Any:
    return await kr8s.asyncio.api(namespace=namespace, **chosen)


async def _next(found: AsyncIterator[tuple[str, str, str]]) -> tuple[str, str, str]:
    return await anext(found)
