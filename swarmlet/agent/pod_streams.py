"""What others see and do inside the Pods of this node: logs, commands, the containers' own streams, ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from swarmlet.agent.life.pod_machine import PodMachine
from swarmlet.errors import CallerError, NotFoundError
from swarmlet.runtime import runtime
from swarmlet.runtime.runtime import Container, State
from swarmlet.runtime.sessions import Pipe, Session

Find = Callable[[str, str], PodMachine]
"""Returns what runs a Pod (namespace, name); raises `NotFoundError` where this node does not."""


class PodStreams:
    """Finds the container that is meant, and lets the runtime do the rest. Errors are in kubectl's words."""

    def __init__(self, engine: runtime.Runtime, find: Find) -> None:
        self._engine = engine
        self._find = find

    async def logs(
        self, namespace: str, name: str, container: str, options: runtime.LogOptions, *, previous: bool = False
    ) -> AsyncIterator[bytes]:
        """Yield the log of a container of a Pod of this node ("": its only one).

        Raises `NotFoundError` or `CallerError` in the words that kubectl shows, before the first byte.
        """
        found = self._with_log(namespace, name, container, previous=previous)
        async for data in self._engine.logs(found.id, options):
            yield data

    def check(self, namespace: str, name: str, container: str) -> None:
        """Raise `NotFoundError` where the container does not run; "" stands for any of the Pod's."""
        if container:
            self._running(namespace, name, container)
        else:
            self._any(namespace, name)

    async def exec(
        self, namespace: str, name: str, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> Session:
        """Run a command in a container."""
        found = self._running(namespace, name, container)
        return await self._engine.open_exec(found.id, command, stdin=stdin, tty=tty)

    async def attach(self, namespace: str, name: str, container: str, *, stdin: bool) -> Session:
        """Join the streams of a container."""
        return await self._engine.attach(self._running(namespace, name, container).id, stdin=stdin)

    async def dial(self, namespace: str, name: str, port: int) -> Pipe:
        """Connect to a port of a Pod."""
        return await self._engine.dial(self._any(namespace, name).id, port)

    def _running(self, namespace: str, name: str, container: str) -> Container:
        found = self._find(namespace, name).container(container)
        if found is None or found.state is not State.RUNNING:
            raise NotFoundError(f'container not found ("{container}")')
        return found

    def _any(self, namespace: str, name: str) -> Container:
        """Return the container that holds the Pod's network: its sandbox, or its only one."""
        running = [each for each in self._find(namespace, name).running() if each.state is State.RUNNING]
        with_address = [each for each in running if each.address]
        if not running:
            raise NotFoundError(f'pod "{name}" is not running')
        return (with_address or running)[0]

    def _with_log(self, namespace: str, name: str, container: str, *, previous: bool) -> Container:
        machine = self._find(namespace, name)
        spec = machine.pod.spec
        names = [each.name for each in (*spec.init_containers, *spec.containers)]
        if not container and len(spec.containers) > 1:
            raise CallerError(f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")
        wanted = container or spec.containers[0].name
        if wanted not in names:
            raise CallerError(f"container {wanted} is not valid for pod {name}")
        found = machine.container(wanted, previous=previous)
        if found is None:
            if previous:
                raise CallerError(f'previous terminated container "{wanted}" in pod "{name}" not found')
            raise CallerError(f'container "{wanted}" in pod "{name}" is waiting to start')
        return found
