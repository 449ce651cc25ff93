"""Frames as a Pod with raw sockets can make them, and what of them reaches a bridge."""

from __future__ import annotations

import subprocess
import sys
import textwrap

from tests.network.kernel import Namespace

NOBODY = "10.42.7.250"
SPEAK = textwrap.dedent(
    f"""
    import socket, sys
    source, mac, sender, kind = sys.argv[1:]
    octets = lambda mac: bytes.fromhex(mac.replace(":", ""))
    nobody = socket.inet_aton("{NOBODY}")
    sender = socket.inet_aton(sender) if kind != "nd" else b""
    if kind == "arp":
        body = bytes.fromhex("0806 0001 0800 0604 0002") + octets(mac) + sender + bytes(6) + nobody
    elif kind == "nd":
        own, target = (socket.inet_pton(socket.AF_INET6, each) for each in sys.argv[3].split(","))
        told = bytes.fromhex("8800 0000 2000 0000") + target + b"\\2\\1" + octets(mac)
        everybody = socket.inet_pton(socket.AF_INET6, "ff02::1")
        body = bytes.fromhex("86dd 6000 0000 0020 3aff") + own + everybody + told
    else:
        head = bytes.fromhex("4500 001c 0000 0000 4011")
        total = sum(int.from_bytes((head + sender + nobody)[at : at + 2], "big") for at in range(0, 18, 2))
        checksum = 0xFFFF ^ ((total & 0xFFFF) + (total >> 16))
        datagram = bytes.fromhex("270f 270f 0008 0000")
        body = bytes.fromhex("0800") + head + checksum.to_bytes(2, "big") + sender + nobody + datagram
    door = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    door.bind(("eth0", 0))
    door.send(bytes.fromhex("ffffffffffff") + octets(source) + body)
    """
)
HEAR = textwrap.dedent(
    f"""
    import socket, sys
    text = lambda mac: ":".join(f"{{byte:02x}}" for byte in mac)
    nobody, outgoing = socket.inet_aton("{NOBODY}"), 4
    door = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    door.bind((sys.argv[1], 3))
    door.settimeout(20)
    print("listening", flush=True)
    while True:
        data, (_, kind, way, *_) = door.recvfrom(2048)
        if way == outgoing or data[:6] != bytes([255] * 6):
            continue
        if kind == 0x0806 and data[38:42] == nobody:
            print(text(data[6:12]), text(data[22:28]), socket.inet_ntoa(data[28:32]), "arp", flush=True)
        if kind == 0x86DD and data[54] == 136:
            print(text(data[6:12]), text(data[80:86]), "nd", *[
                socket.inet_ntop(socket.AF_INET6, each) for each in (data[22:38], data[62:78])
            ], flush=True)
        if kind == 0x0800 and data[30:34] == nobody:
            print(text(data[6:12]), socket.inet_ntoa(data[26:30]), "ip", flush=True)
    """
)


class Ear:
    """Hears at a machine's bridge what `speak` sends."""

    def __init__(self, node: Namespace, bridge: str) -> None:
        self._process = node.start(sys.executable, "-c", HEAR, bridge)
        assert self.heard() == ["listening"]

    def heard(self) -> list[str]:
        """Return the next frame that came, as `speak` returns it; nothing where none came for long."""
        assert self._process.stdout
        return self._process.stdout.readline().split()


def speak(pod: Namespace, source: str, mac: str, sender: str, kind: str) -> list[str]:
    """Send one frame to all of the bridge: from which MAC, and as whom.

    `kind`: an "arp" answer, a datagram ("ip"), or a neighbour advertisement ("nd"; sender: from whom, and for whom).
    """
    subprocess.run(pod.enter(sys.executable, "-c", SPEAK, source, mac, sender, kind), check=True, timeout=20)
    if kind == "nd":
        return [source, mac, kind, *sender.split(",")]
    return [source, *([mac] if kind == "arp" else []), sender, kind]
