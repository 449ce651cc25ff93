"""The Runtime protocol: what `agent` asks of an engine, and the plain values that pass between them."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from swarmlet.errors import EngineError
from swarmlet.runtime.credentials import Credentials
from swarmlet.runtime.isolation import AS_THE_IMAGE_SAYS, NO_DEVICES, Devices, Isolation, NameServers
from swarmlet.runtime.sessions import Pipe, Session

POD_NETWORK = "swarmlet"
"""What the engine calls the network of a node's Pods."""
SANDBOX = "POD"
"""The container name of a Pod's sandbox; no user's container can have it, theirs are lower case."""


class ImageMissingError(EngineError):
    """The image is not on this machine: pull it."""


class PullError(EngineError):
    """The image could not be fetched."""


class ImageInUseError(EngineError):
    """A container needs the image, perhaps one of somebody else: it stays."""


class CreateError(EngineError):
    """The engine refused the specification; nothing is left behind."""


class StartError(EngineError):
    """The engine made the container but could not run its command; nothing is left behind."""


class ContainerGoneError(EngineError):
    """There is no such container (any more)."""


class State(enum.Enum):
    RUNNING = "running"
    EXITED = "exited"  # created and never started counts as exited
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class PodIdentity:
    uid: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of this machine seen inside the container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of this machine that leads to the container's."""

    host_port: int
    container_port: int
    protocol: str = "TCP"
    host_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodNetwork:
    """What the first container of a Pod (its sandbox, where it has one) sets up for all of them.

    `hosts` are (name, address) pairs of its /etc/hosts, `sysctls` (name, value); `name_servers` None: the machine's.
    `bridge_network` is the name of the `BridgeNetwork` where it has `address`, "" where the engine gives it one;
    `address_v6` is "" where that network has no IPv6.
    """

    hostname: str = ""
    domain: str = ""
    host_network: bool = False
    host_ports: tuple[HostPort, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    name_servers: NameServers | None = None
    sysctls: tuple[tuple[str, str], ...] = ()
    bridge_network: str = ""
    address: str = ""
    address_v6: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """One container, wholly decided. `sandbox` is the id of the container whose network it joins, "" for its own.

    `attempt` is 0 for the first start and grows with each restart. CPU is in thousandths of a core and memory in bytes,
    0 where unlimited; `cpu_request_millis` is its share when cores are short. `env` is expanded. `handler` names what
    runs it, among what the engine has registered; "" for what it uses else.
    """

    pod: PodIdentity
    name: str
    attempt: int = 0
    spec_hash: str = ""
    image: str = ""
    command: tuple[str, ...] = field(default=(), repr=False)  # in these three there may be secrets
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    sandbox: str = ""
    network: PodNetwork = PodNetwork()
    cpu_limit_millis: int = 0
    cpu_request_millis: int = 0
    memory_limit_bytes: int = 0
    oom_score_adj: int = 0
    handler: str = ""
    isolation: Isolation = AS_THE_IMAGE_SAYS
    devices: Devices = NO_DEVICES
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    strict: bool = False
    """Of a strict singleton: the watchdog ends it when its time has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What a runtime knows of one container. `address` is its Pod's, "" where it joined a sandbox or is not running.

    So is `address_v6`, of IPv6. `message` is what it has left to say about its end; who reads that fills it in.
    """

    id: str
    pod: PodIdentity
    name: str
    attempt: int
    spec_hash: str
    state: State
    image_id: str = ""
    address: str = ""
    address_v6: str = ""
    exit_code: int = 0
    oom_killed: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    message: str = ""
    strict: bool = False
    devices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeInfo:
    """`version` is as Kubernetes writes it: "docker://28.2.2". `scheme` prefixes container ids the same way.

    `confines_with` are those of the kernel's means that it can use: "seccomp", "apparmor", "selinux". `data_root` is
    the folder where it keeps images and what containers write, "" where that is on another machine. Where it is not
    `is_local`, no file of this machine's can be mounted.
    """

    scheme: str
    version: str
    cpus: int
    memory_bytes: int
    os_image: str
    kernel_version: str
    architecture: str
    isolates: bool = True
    is_local: bool = True
    confines_with: frozenset[str] = frozenset()
    data_root: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """`tail_lines` None: all. `since`: only what is younger."""

    follow: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ExecResult:
    """`output` is stdout and stderr as they came, cut at a limit."""

    exit_code: int
    output: bytes


Progress = Callable[[str], None]
"""Told one short line now and then while an image is fetched."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Strict containers may run from `since` to `until`, both in the seconds of `Clock.monotonic`."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu_nanoseconds` used since it began, and `memory_bytes` that it holds and that cannot be taken away at once."""

    cpu_nanoseconds: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Image:
    """An image on this machine. `names` are its tags and digests, none where another image took them over."""

    id: str
    names: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """What all of this machine uses, and each of the containers that could be measured, by id."""

    machine: Usage
    containers: Mapping[str, Usage]


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeNetwork:
    """The network of a node's Pods: `name` is what the engine calls it, `bridge` the kernel. `mtu` is in bytes.

    `subnet_v6` and `gateway_v6` are "" where it has no IPv6.
    """

    name: str
    bridge: str
    subnet: str
    gateway: str
    mtu: int
    subnet_v6: str = ""
    gateway_v6: str = ""

    def ways(self) -> tuple[tuple[str, str], ...]:
        """Return the gateway and the subnet of each family that it has."""
        found = ((self.gateway, self.subnet), (self.gateway_v6, self.subnet_v6))
        return tuple(each for each in found if each[0])


class Networks(Protocol):
    """The networks of an engine, as far as they are this node's."""

    async def ensure(self, network: BridgeNetwork) -> None:
        """See to it that there is such a network.

        Raises `EngineError` where another has one of its name, or where Pods are attached to one that is otherwise;
        an MTU that is to be another waits until none is.
        """

    async def remove(self, name: str) -> None:
        """Remove a network of this node's; fine where it is gone or another's."""


class Watchdog(Protocol):
    """Ends this node's strict containers when their lease is over, though the daemon may have died or be paused.

    It outlives the daemon, and knows no lease until it is told one.
    """

    async def start(self) -> None:
        """See to it that it watches; raise `EngineError` where it cannot."""

    def is_watching(self) -> bool:
        """Whether it has shown a sign of life in the last moments."""

    def renew(self, lease: Lease) -> None:
        """Let strict containers run until the end of this lease, and no longer."""

    def last(self) -> Lease | None:
        """Return what it was told last, by a daemon before this one too."""

    def retire(self) -> None:
        """Let it go: this node runs no Pods any more."""


class Runtime(Protocol):
    """One engine on this machine. Methods raise `EngineError` where it refuses or does not answer in time."""

    async def info(self) -> RuntimeInfo:
        """Ask the engine about itself and its machine; also how to learn whether it answers."""

    async def list(self) -> Sequence[Container]:
        """Return all containers of this node, sandboxes and exited ones too."""

    async def start_sandbox(self, spec: ContainerSpec) -> Container:
        """Create and start what holds a Pod's network; of `spec` only identity and network matter."""

    async def start(self, spec: ContainerSpec) -> Container:
        """Create and start a container.

        Raises `ImageMissingError`, `CreateError` or `StartError`; nothing is left behind then.
        """

    async def stop(self, container_id: str, *, grace_seconds: float) -> Container:
        """Ask it to end (SIGTERM), kill it when the grace is over, and return how it ended.

        Raises `ContainerGoneError` where it was removed.
        """

    async def remove(self, container_id: str) -> None:
        """Remove a container and its logs, killing it where it runs; fine where it is gone."""

    async def inspect(self, container_id: str) -> Container:
        """Return one container; raise `ContainerGoneError` where there is none."""

    def logs(self, container_id: str, options: LogOptions) -> AsyncIterator[bytes]:
        """Yield what it wrote, whole lines or not, until its end (`follow`: until it exits)."""

    async def exec(self, container_id: str, command: Sequence[str], *, timeout_seconds: float) -> ExecResult:
        """Run a command beside the container's own and wait for it."""

    async def open_exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Session:
        """Run a command beside the container's own and stay with it; with `tty` on a terminal.

        A program that is not there may raise `EngineError`, or be told by the command's output and exit code.
        """

    async def attach(self, container_id: str, *, stdin: bool) -> Session:
        """Join the streams of the container's own command, from now on; with `stdin` its input, where it reads any."""

    async def dial(self, container_id: str, port: int) -> Pipe:
        """Connect to a port at which the container's Pod listens, as from within it.

        Raises `EngineError` in the words that port-forward shows.
        """

    async def usage(self, container_ids: Collection[str]) -> Measurement:
        """Measure this machine and those of the containers that run; one that cannot be measured is left out."""

    async def written_bytes(self, container_ids: Collection[str]) -> Mapping[str, int]:
        """Measure what containers, alive or not, have written on the engine's disk: files of their own, and logs.

        It may take long: the engine looks at every file. One that cannot be measured is left out.
        """

    async def images(self) -> Sequence[Image]:
        """Return all images on this machine."""

    async def remove_image(self, name: str) -> None:
        """Remove a name of an image, and with its last name the image; fine where it is gone.

        Raises `ImageInUseError` where a container was made from it.
        """

    async def image_id(self, image: str) -> str:
        """Return the id of an image that is on this machine; raise `ImageMissingError` otherwise."""

    async def image_user(self, image: str) -> str:
        """Return whom an image that is here runs as: "", "1000", "1000:1000", "nobody"; "" is root."""

    async def pull(self, image: str, progress: Progress, credentials: Credentials | None = None) -> str:
        """Fetch an image and return its id; raise `PullError` in the engine's words."""

    def watch(self) -> AsyncIterator[Container | None]:
        """Yield each container that exited or was removed, without end, reconnecting as often as it takes.

        None comes first and after each reconnect: changes may have been missed, `list` anew.
        """

    def networks(self) -> Networks | None:
        """Return where Pods can be given a network of their own, None where the engine knows no such thing."""

    def watchdog(self) -> Watchdog:
        """Return this node's watchdog over its strict containers; it is not started yet."""

    async def close(self) -> None:
        """Let go of the engine. Containers run on."""
