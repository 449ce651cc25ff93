"""Two machines and a client, as network namespaces of one kernel, with our own fabric and rules between them.

    with ground() as made:
        made.rules(Rules.OURS)
        made.pods["client"].run("busybox", "wget", ...)

Machines `one` and `two` are joined by VXLAN as the fabric renders and applies it; on each is a Pod that serves, and on
`one` another that asks. `outside` is a machine that is no member. Everything ends with the processes that hold it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from swarmlet.network.fabric import plan as fabric
from swarmlet.network.fabric.links import FabricLinks
from swarmlet.network.fabric.plan import Member

RUN_SECONDS_MAX = 60.0
ERROR_LENGTH_MAX = 500
NEW_NETWORK_NAMESPACE = 0x40000000
ONE = Member("bench-one", "192.0.2.1", "10.42.1.0/24")
TWO = Member("bench-two", "192.0.2.2", "10.42.2.0/24")
OUTSIDE = "198.51.100.9"
PUBLISHED = "198.51.100.1"
"""Where machine one is found from outside."""
CLIENT, LOCAL, REMOTE = "10.42.1.9", "10.42.1.10", "10.42.2.10"
"""The Pods' addresses."""
SYSCTLS = ("net.ipv4.ip_forward=1", "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1")


class GroundError(Exception):
    """The machines cannot be made, or not be changed; in words for whom it may concern."""


class Namespace:
    """One network namespace, held by a process that sleeps."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo held; exec sleep infinity"], stdout=-1)
        stack.callback(holder.wait)
        stack.callback(holder.kill)
        assert holder.stdout
        stack.enter_context(holder.stdout)
        holder.stdout.readline()
        self.pid = holder.pid
        for each in SYSCTLS:
            self.run("sysctl", "-qw", each)
        self.ip("link set lo up")

    @property
    def enter(self) -> list[str]:
        """What stands before a command that is to run in it."""
        return ["nsenter", "-t", str(self.pid), "-n"]

    def run(self, *argv: str, text: str = "") -> str:
        """Run a command to its end and return what it printed; raise `GroundError` where it fails."""
        done = subprocess.run(
            [*self.enter, *argv], input=text, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=False
        )
        if done.returncode:
            raise GroundError(f"{' '.join(argv)}: {done.stderr.strip()[:ERROR_LENGTH_MAX]}")
        return done.stdout

    def ip(self, *commands: str) -> None:
        """Run commands of iproute2."""
        self.run("ip", "-batch", "-", text="".join(f"{each}\n" for each in commands))

    def nft(self, script: str) -> None:
        """Carry out a script of rules."""
        self.run("nft", "-f", "-", text=script)

    @contextlib.contextmanager
    def process(self, target: Callable[..., None], *arguments: object) -> Iterator[None]:
        """Run a function of a module in it, in a process of its own, until left."""
        process = multiprocessing.get_context("spawn").Process(
            target=_inside, args=(self.pid, target, *arguments), daemon=True
        )
        process.start()
        try:
            yield
        finally:
            process.terminate()
            process.join()


def _inside(pid: int, target: Callable[..., None], *arguments: object) -> None:
    handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(handle, NEW_NETWORK_NAMESPACE):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(handle)
    target(*arguments)


@dataclass(frozen=True)
class Ground:
    """All of it."""

    one: Namespace
    two: Namespace
    outside: Namespace
    client: Namespace
    local: Namespace
    remote: Namespace


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    """Make it, and let it go. Needs root, iproute2 and nft; raises `GroundError` where they do not do it."""
    with contextlib.ExitStack() as stack:
        one, two, outside = (Namespace(stack) for _ in range(3))
        _join(one, f"{ONE.address}/24", two, f"{TWO.address}/24")
        _join(one, f"{PUBLISHED}/24", outside, f"{OUTSIDE}/24")
        outside.ip(f"route add default via {PUBLISHED}")
        for node, own, other in ((one, ONE, TWO), (two, TWO, ONE)):
            _weave(node, own, other)
        pods = [_pod(stack, node, address) for node, address in ((one, CLIENT), (one, LOCAL), (two, REMOTE))]
        yield Ground(one, two, outside, *pods)


def _join(one: Namespace, address: str, other: Namespace, others: str) -> None:
    name = f"to{other.pid}"
    one.ip(
        f"link add {name} type veth peer name eth0 netns {other.pid}",
        f"addr add {address} dev {name}",
        f"link set {name} up",
    )
    other.ip(f"addr add {others} dev eth0", "link set eth0 up")


def _weave(node: Namespace, own: Member, other: Member) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_inside, args=(node.pid, weave, own, other))
    process.start()
    process.join()
    if process.exitcode:
        raise GroundError("no fabric could be made")


def weave(own: Member, other: Member) -> None:
    """Make the fabric of the machine that this process is in, as a daemon does."""

    async def apply() -> None:
        links = FabricLinks()
        underlay = await links.underlay(own.address)
        await links.apply(fabric.render("vxlan", own, [other], underlay_mtu=underlay.mtu), underlay)

    asyncio.run(apply())


def _pod(stack: contextlib.ExitStack, node: Namespace, address: str) -> Namespace:
    made = Namespace(stack)
    gateway = f"{address.rpartition('.')[0]}.1"
    name = f"pod{made.pid}"
    node.ip(
        f"link add {name} type veth peer name eth0 netns {made.pid}",
        f"link set {name} mtu 1450 master {fabric.BRIDGE} up",
    )
    made.ip(f"addr add {address}/24 dev eth0", "link set eth0 mtu 1450 up", f"route add default via {gateway}")
    return made
