"""Asks a container: a command beside it, a GET, a connection, a question of the gRPC health protocol.

Source: kubernetes pkg/probe (exec, http, tcp, grpc), for the words too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from swarmlet.agent.containers import environment
from swarmlet.agent.life.probing import Target
from swarmlet.agent.probes import http_calls
from swarmlet.agent.probes.http_calls import HttpCalls
from swarmlet.errors import SwarmletError
from swarmlet.model.container import Container
from swarmlet.model.probes import ExecAction, GRPCAction, HTTPGetAction, TCPSocketAction
from swarmlet.runtime import runtime

OUTPUT_BYTES_MAX = 10 * 1024
EXEC_MARGIN_SECONDS = 5.0
"""How much later than the probe's own time is up the runtime would give up on a command."""


@dataclass(frozen=True, slots=True)
class Result:
    """`passed` None: it could not be asked, which says nothing of it."""

    passed: bool | None
    message: str = ""


def exec_words(command: Sequence[str], container: Container) -> list[str]:
    """Return a command's words with `$(NAME)` expanded by the variables that the container itself spells out."""
    env = {each.name: each.value for each in container.env if each.value}
    return [environment.expand(word, env) for word in command]


class ProbeActions:
    """Performs single probes; each ends within its timeout."""

    def __init__(self, runtime_: runtime.Runtime, http: HttpCalls) -> None:
        self._runtime = runtime_
        self._http = http

    async def run(self, target: Target) -> Result:
        """Ask once."""
        probe, seconds = target.probe, target.probe.timeout_seconds
        try:
            if probe.exec is not None:
                return await self._exec(probe.exec, target, seconds)
            if probe.http_get is not None:
                return await self._get(probe.http_get, target, seconds)
            if probe.tcp_socket is not None:
                return await _connect(probe.tcp_socket, target, seconds)
            if probe.grpc is not None:
                return await _health(probe.grpc, target, seconds)
        except (SwarmletError, ValueError) as error:  # no such container, port or URL
            return Result(passed=None, message=str(error))
        return Result(passed=None, message=f"missing probe handler for {target.container.name}")

    async def _exec(self, action: ExecAction, target: Target, seconds: float) -> Result:
        words = exec_words(action.command, target.container)
        try:
            async with asyncio.timeout(seconds):
                done = await self._runtime.exec(
                    target.container_id, words, timeout_seconds=seconds + EXEC_MARGIN_SECONDS
                )
        except TimeoutError:
            return Result(passed=False, message=f'command timed out: "{" ".join(words)}" timed out after {seconds:g}s')
        return Result(done.exit_code == 0, done.output[:OUTPUT_BYTES_MAX].decode(errors="replace"))

    async def _get(self, action: HTTPGetAction, target: Target, seconds: float) -> Result:
        what = f'Get "{http_calls.url_of(action, target.container, target.pod_ip)}"'
        try:
            async with asyncio.timeout(seconds):
                status = await self._http.get(action, target.container, target.pod_ip)
        except TimeoutError:
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return Result(passed=False, message=f"{what}: {why}")
        except (OSError, aiohttp.ClientError, ValueError) as error:
            return Result(passed=False, message=f"{what}: {_told(error)}")
        if 200 <= status < 400:
            return Result(passed=True)
        return Result(passed=False, message=f"HTTP probe failed with statuscode: {status}")


async def _connect(action: TCPSocketAction, target: Target, seconds: float) -> Result:
    host, port = action.host or target.pod_ip, http_calls.port_number(action.port, target.container)
    what = f"dial tcp {http_calls.address(host, port)}"
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Result(passed=False, message=f"{what}: i/o timeout")
    except OSError as error:
        return Result(passed=False, message=f"{what}: {_told(error)}")
    writer.transport.abort()  # nothing was said, nothing is to be waited for
    return Result(passed=True)


async def _health(action: GRPCAction, target: Target, seconds: float) -> Result:
    from swarmlet.agent.probes import grpc_health  # noqa: PLC0415  grpclib is large, and few Pods have such a probe

    where = http_calls.address(target.pod_ip, action.port)
    late = f'timeout: failed to connect service "{where}" within {seconds:g}s: context deadline exceeded'
    try:
        async with asyncio.timeout(seconds):
            status = await grpc_health.check(target.pod_ip, action.port, action.service, timeout_seconds=seconds)
    except TimeoutError:
        return Result(passed=False, message=late)
    except grpc_health.RefusedError as error:
        if error.status == "UNIMPLEMENTED":
            told = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
            return Result(passed=False, message=f"error: {told}: {error}")
        return Result(passed=False, message=f"error: health rpc probe failed: {error.status}: {error}")
    except (OSError, ValueError) as error:
        return Result(passed=False, message=f'error: failed to connect service at "{where}": {_told(error)}')
    if status is grpc_health.Status.SERVING:
        return Result(passed=True)
    return Result(passed=False, message=f'service unhealthy (responded with "{status.name}")')


def _told(error: BaseException) -> str:
    """Return why a connection failed, as short as Kubernetes says it."""
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, OSError) and inner.errno:
        return f"connect: {os.strerror(inner.errno).lower()}"
    return str(error) or type(error).__name__
