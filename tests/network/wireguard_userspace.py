"""wireguard-go in the kernel's place, on machines whose kernel has no WireGuard: the same device, spoken to in text.

Source: wireguard.com/xplatform (the cross-platform userspace interface).
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from swarmlet.network.wireguard.plan import DEVICE, Peer, Settings
from tests.network.kernel import Namespace, usable

needs_wireguard = pytest.mark.skipif(
    not usable() or shutil.which("wireguard-go") is None, reason="needs root, network namespaces and wireguard-go"
)
START_SECONDS_MAX = 10.0


class UserspaceWireguard:
    """A `WireguardKernel`: the device of a namespace, made of a TUN device and a process."""

    def __init__(self, machine: Namespace) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self._socket = self.folder / f"{DEVICE}.sock"
        script = (
            f"mkdir -p /run/wireguard && mount --bind {self.folder} /run/wireguard && exec wireguard-go -f {DEVICE}"
        )
        self._process = subprocess.Popen(
            machine.enter("unshare", "--mount", "sh", "-ec", script),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LOG_LEVEL": "silent"},
        )
        end = time.monotonic() + START_SECONDS_MAX
        while not self._socket.exists():
            assert time.monotonic() < end
            assert self._process.poll() is None
            time.sleep(0.01)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder)

    async def read(self, device: str) -> Settings:
        private_key, port = "", 0
        peers: list[tuple[str, dict[str, str], list[str]]] = []
        for name, value in self._call("get=1"):
            if name == "private_key":
                private_key = base64.b64encode(bytes.fromhex(value)).decode()
            elif name == "listen_port":
                port = int(value)
            elif name == "public_key":
                peers.append((base64.b64encode(bytes.fromhex(value)).decode(), {}, []))
            elif name == "endpoint":
                peers[-1][1]["address"], _, peers[-1][1]["port"] = value.rpartition(":")
            elif name == "allowed_ip":
                peers[-1][2].append(value)
        found = (
            Peer(key, place.get("address", ""), int(place.get("port", 0)), tuple(sorted(networks)))
            for key, place, networks in peers
        )
        return Settings(private_key, port, frozenset(found))

    async def name(self, device: str, private_key: str, port: int) -> None:
        self._call("set=1", f"private_key={_hexadecimal(private_key)}", f"listen_port={port}")

    async def put(self, device: str, peer: Peer) -> None:
        self._call(
            "set=1",
            f"public_key={_hexadecimal(peer.public_key)}",
            f"endpoint={peer.address}:{peer.port}",
            "replace_allowed_ips=true",
            *(f"allowed_ip={each}" for each in peer.networks),
        )

    async def drop(self, device: str, public_key: str) -> None:
        self._call("set=1", f"public_key={_hexadecimal(public_key)}", "remove=true")

    def _call(self, *lines: str) -> list[tuple[str, str]]:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(START_SECONDS_MAX)
            link.connect(str(self._socket))
            link.sendall("".join(f"{line}\n" for line in (*lines, "")).encode())
            told = b""
            while not told.endswith(b"\n\n"):
                told += link.recv(65536)
        found = [(name, value) for name, _, value in (line.partition("=") for line in told.decode().split())]
        assert found[-1] == ("errno", "0")
        return found


def _hexadecimal(key: str) -> str:
    return base64.b64decode(key).hex()
