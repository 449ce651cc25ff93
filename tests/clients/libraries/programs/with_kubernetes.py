"""The library `kubernetes`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import urllib3
from kubernetes import client, config, watch
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
from kubernetes.stream import portforward, stream

TIMEOUTS = (2, 5)
"""Seconds to connect, and without a byte: a machine that has lost its power says nothing."""
PAUSE_SECONDS = 0.2
NOT_FOUND, EXPIRED = 404, 410
APPLY = "application/apply-patch+yaml"


class Client:
    library = "kubernetes"
    patches = ("merge", "strategic", "json")

    def __init__(self, namespace: str, kubeconfig: str = "") -> None:
        if kubeconfig:
            config.load_kube_config(kubeconfig)
        else:
            config.load_incluster_config()
        self._namespace = namespace
        self._core = client.CoreV1Api()

    def create(self, name: str, data: dict[str, str]) -> None:
        self._core.create_namespaced_config_map(self._namespace, {"metadata": {"name": name}, "data": data})

    def read(self, name: str) -> Any:
        try:
            return self._core.read_namespaced_config_map(name, self._namespace).data
        except client.ApiException as error:
            return None if error.status == NOT_FOUND else error.status

    def patch(self, name: str, kind: str, body: Any) -> None:
        suffix = {"json": "json-patch", "merge": "merge-patch", "strategic": "strategic-merge-patch"}[kind]
        self._core.patch_namespaced_config_map(name, self._namespace, body, _content_type=f"application/{suffix}+json")

    def replace(self, name: str, data: dict[str, str]) -> Any:
        """Replace it, and find that what was read before is of another revision then."""
        found = self._core.read_namespaced_config_map(name, self._namespace)
        found.data = data
        done = self._core.replace_namespaced_config_map(name, self._namespace, found)
        try:
            self._core.replace_namespaced_config_map(name, self._namespace, found)
        except client.ApiException as error:
            return [done.data, error.status]
        return [done.data, "no conflict"]

    def apply(self, name: str, data: dict[str, str], *, manager: str, force: bool) -> Any:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        try:
            return self._core.patch_namespaced_config_map(
                name, self._namespace, body, field_manager=manager, force=force, _content_type=APPLY
            ).data
        except client.ApiException as error:
            return error.status

    def names(self, limit: int) -> list[str]:
        found, further = [], ""
        while True:
            page = self._core.list_namespaced_config_map(self._namespace, limit=limit, _continue=further)
            assert len(page.items) <= limit
            found += [each.metadata.name for each in page.items]
            further = page.metadata._continue
            if not further:
                return found

    def delete(self, name: str) -> None:
        self._core.delete_namespaced_config_map(name, self._namespace)

    def refused(self) -> Any:
        try:
            self._core.list_namespaced_secret(self._namespace)
        except client.ApiException as error:
            return error.status
        return "allowed"

    def log(self, pod: str) -> str:
        return str(self._core.read_namespaced_pod_log(pod, self._namespace))

    def exec(self, pod: str, command: list[str]) -> str:
        return str(
            stream(
                self._core.connect_get_namespaced_pod_exec,
                pod,
                self._namespace,
                command=command,
                stdout=True,
                stderr=True,
                stdin=False,
                tty=False,
            )
        )

    def forward(self, pod: str, port: int) -> str:
        forwarded = portforward(
            self._core.connect_get_namespaced_pod_portforward, pod, self._namespace, ports=str(port)
        )
        with contextlib.closing(forwarded.socket(port)) as connection:
            connection.settimeout(10)
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
        return answer.decode().splitlines()[-1]

    def events(self, again: Callable[[str], None]) -> Iterator[tuple[str, str, str]]:
        version = ""
        listing = self._core.list_namespaced_config_map
        while True:
            try:
                if not version:
                    listed = listing(self._namespace, _request_timeout=TIMEOUTS)
                    for each in listed.items:
                        yield "LISTED", each.metadata.name, each.metadata.resource_version
                    version = listed.metadata.resource_version
                for event in watch.Watch().stream(
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
            except (urllib3.exceptions.HTTPError, OSError) as error:
                again(type(error).__name__)
            time.sleep(PAUSE_SECONDS)

    def elect(self, identity: str, leads: Callable[[], None]) -> None:
        def lead() -> None:
            leads()
            while True:
                time.sleep(PAUSE_SECONDS)

        leaderelection.LeaderElection(
            electionconfig.Config(
                LeaseLock("leader", self._namespace, identity),
                lease_duration=4,
                renew_deadline=3,
                retry_period=1,
                onstarted_leading=lead,
                onstopped_leading=None,
            )
        ).run()
