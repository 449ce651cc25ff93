"""The channels of a websocket to a Pod: each binary message begins with the number of its channel.

Source: k8s.io/apimachinery/pkg/util/remotecommand (v4, v5), k8s.io/kubelet/pkg/cri/streaming/portforward.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE = 255
"""In v5: the channel whose number follows sends nothing any more."""

V4 = "v4.channel.k8s.io"
V5 = "v5.channel.k8s.io"
"""As v4, and a channel can be closed."""
EXEC_PROTOCOLS = (V5, V4)
SPDY_EXEC_PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io")
"""What is asked for in `X-Stream-Protocol-Version`; v2 knows no resizing, and before v4 an error is plain text."""
PORT_FORWARD = "portforward.k8s.io"
TUNNEL = "SPDY/3.1+portforward.k8s.io"
"""SPDY within the messages of a websocket."""
SPDY = "SPDY/3.1"
PROTOCOL_HEADER = "X-Stream-Protocol-Version"

_PORT = struct.Struct("<H")


class Size(msgspec.Struct, frozen=True):
    """Of a terminal, in characters."""

    width: int = msgspec.field(name="Width", default=0)
    height: int = msgspec.field(name="Height", default=0)


SIDE_MAX = 65_535
RESIZE_BYTES_MAX = 1_024


def message(channel: int, data: bytes) -> bytes:
    """Return the message that carries `data` on a channel."""
    return bytes((channel,)) + data


def split(text: bytes) -> tuple[int, bytes]:
    """Take a message apart into channel and data; an empty one belongs to none (-1)."""
    return (text[0], text[1:]) if text else (-1, b"")


def size(text: bytes) -> Size | None:
    """Read a resize; None for what is none."""
    try:
        found = msgspec.json.decode(text, type=Size)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if 0 < found.width <= SIDE_MAX and 0 < found.height <= SIDE_MAX else None


def port_greeting(port: int) -> bytes:
    """Return what a port's two channels begin with in the v4 protocol of port-forward."""
    return _PORT.pack(port)


def chosen(supported: Sequence[str], asked: Sequence[str]) -> str:
    """Return the first of `supported` that is asked for, "" where none is."""
    return next((each for each in supported if each in asked), "")
