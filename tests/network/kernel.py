"""A node and its Pods as network namespaces of one kernel, with the real nft.

The node routes between its Pods; each Pod is on a link of its own. Everything ends with the processes that hold it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

CLONE_NEWNET = 0x40000000
Made = TypeVar("Made")
SERVER = textwrap.dedent(
    """
    import socket, sys, threading
    name, port = sys.argv[1].encode(), int(sys.argv[2])
    def talk(peer, address):
        with peer:
            peer.sendall(name + b" " + address[0].encode() + b"\\n")
            while data := peer.recv(4096):
                peer.sendall(data)
    def datagrams(family, every):
        door = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        door.bind((every, port))
        while True:
            _, address = door.recvfrom(4096)
            door.sendto(name + b" " + address[0].encode() + b"\\n", address)
    def connections(door):
        while True:
            threading.Thread(target=talk, args=door.accept(), daemon=True).start()
    for family, every in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        threading.Thread(target=datagrams, args=(family, every), daemon=True).start()
        door = socket.create_server((every, port), family=family, backlog=512)
        threading.Thread(target=connections, args=(door,), daemon=True).start()
    print("serving", flush=True)
    threading.Event().wait()
    """
)
CLIENT = textwrap.dedent(
    """
    import collections, socket, sys
    kind, address, port, times, sender = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    found = collections.Counter()
    for _ in range(times):
        try:
            if kind == "tcp":
                with socket.create_connection((address, port), 1) as peer:
                    said = peer.makefile().readline().strip()
            else:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                with socket.socket(family, socket.SOCK_DGRAM) as peer:
                    peer.settimeout(1)
                    peer.bind(("", sender))
                    peer.connect((address, port))
                    peer.send(b"?")
                    said = peer.recv(4096).decode().strip()
        except TimeoutError:
            said = "silence"
        except ConnectionRefusedError:
            said = "refused"
        except OSError as error:
            said = str(error)
        found[said] += 1
    for said, number in found.items():
        print(number, said)
    """
)


def usable() -> bool:
    return os.geteuid() == 0 and all(map(shutil.which, ("nft", "ip", "unshare", "nsenter")))


needs_kernel = pytest.mark.skipif(not usable(), reason="needs root, nft and network namespaces")


TALK = textwrap.dedent(
    """
    import socket, sys
    peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
    answers = peer.makefile()
    print(answers.readline().strip(), flush=True)
    for line in sys.stdin:
        try:
            peer.sendall(line.encode())
            print(answers.readline().strip() or "ended", flush=True)
        except TimeoutError:
            print("silence", flush=True)
        except ConnectionResetError:
            print("reset", flush=True)
    """
)


class Talk:
    """One TCP connection that stays. `peer` is what the server said of itself first."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout
        self.peer = process.stdout.readline().strip()

    def say(self, words: str) -> str:
        """Return the server's echo, "silence", "ended" or "reset"."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


class Namespace:
    """One network namespace, held by a process that sleeps."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []
        holder = self._start(["unshare", "--net", "sh", "-c", "echo held; exec sleep 600"])
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        self.pid = holder.pid
        self.run("ip link set lo up && sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")

    def enter(self, *words: str) -> list[str]:
        return ["nsenter", "-t", str(self.pid), "-n", *words]

    def run(self, command: str, stdin: str = "") -> str:
        done = subprocess.run(
            self.enter("sh", "-ec", command), input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        return self._start(self.enter(*words))

    def inside(self, make: Callable[[], Made]) -> Made:
        """Call a function within the namespace: sockets that it opens stay there."""
        with ThreadPoolExecutor(1, initializer=self._join) as thread:
            return thread.submit(make).result()

    def _join(self) -> None:
        with Path(f"/proc/{self.pid}/ns/net").open("rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

    def serve(self, name: str, port: int = 8080) -> subprocess.Popen[str]:
        server = self.start(sys.executable, "-c", SERVER, name, str(port))
        assert server.stdout
        assert server.stdout.readline() == "serving\n"
        return server

    def ask(
        self, address: str, port: int = 80, *, kind: str = "tcp", times: int = 1, sender: int = 0
    ) -> dict[str, int]:
        """Connect some times; return how often each answer came: "NAME CLIENT-ADDRESS", "refused" or "silence".

        `sender`: the port that datagrams come from, 0 for any.
        """
        told = self.run(f"exec {sys.executable} - {kind} {address} {port} {times} {sender}", CLIENT)
        return {said: int(number) for number, said in (line.split(" ", 1) for line in told.splitlines())}

    def talk(self, address: str, port: int = 80) -> Talk:
        return Talk(self._start(self.enter(sys.executable, "-c", TALK, address, str(port)), stdin=subprocess.PIPE))

    def names(self, *args: object, **kwargs: object) -> set[str]:
        return {said.split(" ", maxsplit=1)[0] for said in self.ask(*args, **kwargs)}  # type: ignore[arg-type]

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.communicate()

    def _start(self, words: list[str], stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=stdin, text=True)
        self._processes.append(process)
        return process


class Machine:
    """A node at 192.0.2.1 with Pods at 10.42.N.2, and an outside client at 192.0.2.99.

    Each has an address of IPv6, too: 2001:db8::1, fd00:10:42:N::2 and 2001:db8::99.
    """

    def __init__(self) -> None:
        self.node = Namespace()
        self.node.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        self.pods: dict[str, Namespace] = {}
        self._has_bridge = False
        self.outside = self._attach("out", "192.0.2.1/24", "192.0.2.99/24", "192.0.2.1")
        self._address("out", self.outside, "2001:db8::1", "2001:db8::99", "2001:db8::1")
        self.node.run("ip route add default via 192.0.2.99")

    def pod(self, number: int) -> Namespace:
        gateway = f"10.42.{number}.1"
        pod = self._attach(f"p{number}", f"{gateway}/24", f"10.42.{number}.2/24", gateway)
        self._address(f"p{number}", pod, *(f"fd00:10:42:{number}::{last}" for last in (1, 2, 1)))
        self.pods[f"10.42.{number}.2"] = pod
        return pod

    def backend(self, number: int, port: int = 8080) -> Namespace:
        """Make a Pod that says "pN"."""
        pod = self.pod(number)
        pod.serve(f"p{number}", port)
        return pod

    def bridged(self, number: int) -> Namespace:
        """Make a Pod that says "pN", at 10.42.200.N on the bridge that all Pods of this kind share."""
        if not self._has_bridge:
            self.node.run("ip link add swl0 type bridge && ip addr add 10.42.200.1/24 dev swl0 && ip link set swl0 up")
            self.node.run("ip addr add fd00:10:42:200::ff/64 dev swl0 nodad")
            self._has_bridge = True
        pod = self.pods[f"10.42.200.{number}"] = Namespace()
        link = f"b{number}"
        self.node.run(
            f"ip link add {link} type veth peer name eth0 netns {pod.pid} && ip link set {link} master swl0 up"
        )
        pod.run(
            f"ip addr add 10.42.200.{number}/24 dev eth0 && ip link set eth0 up && ip route add default via 10.42.200.1"
        )
        pod.run(f"ip addr add fd00:10:42:200::{number}/64 dev eth0 nodad")
        pod.run("ip route add default via fd00:10:42:200::ff")
        pod.serve(f"p{number}")
        return pod

    def nft(self, script: str) -> None:
        self.node.run("nft -f -", script)

    def close(self) -> None:
        for each in (*self.pods.values(), self.outside, self.node):
            each.close()

    def _address(self, link: str, there: Namespace, own: str, other: str, gateway: str) -> None:
        """Give both ends of a link an address of IPv6, that counts at once."""
        self.node.run(f"ip addr add {own}/64 dev {link} nodad")
        there.run(f"ip addr add {other}/64 dev eth0 nodad && ip route add default via {gateway}")

    def _attach(self, link: str, own: str, other: str, gateway: str) -> Namespace:
        made = Namespace()
        self.node.run(f"ip link add {link} type veth peer name eth0 netns {made.pid}")
        self.node.run(f"ip addr add {own} dev {link} && ip link set {link} up")
        made.run(f"ip addr add {other} dev eth0 && ip link set eth0 up && ip route add default via {gateway}")
        return made


@contextmanager
def machine() -> Iterator[Machine]:
    made = Machine()
    try:
        yield made
    finally:
        made.close()
