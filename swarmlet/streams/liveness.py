"""Whether somebody is still at the other end of a connection, though nothing may come from there for hours.

The kernel knows: it probes a connection that is idle (SO_KEEPALIVE), and counts what it has sent and not seen arrive.
TCP_USER_TIMEOUT would not do, for it also ends a connection whose reader is merely slow.
"""

from __future__ import annotations

import select
import socket
import struct

from swarmlet.clock import Clock

CHECK_SECONDS = 1.0
SILENCE_SECONDS_MAX = 6.0
"""For which what was sent may not be seen to arrive; and for which what was sent before the end may stay unread."""
PROBE_IDLE_SECONDS = 3
PROBE_EVERY_SECONDS = 1
PROBES_MAX = 3

_INFO = struct.Struct("@8B13I")
"""The beginning of the kernel's tcp_info: flags, then rto, ato, two segment sizes, unacked, .. and last_ack_recv."""
_UNACKED, _LAST_ACK_RECEIVED = 12, 20


async def until_lost(sock: socket.socket, clock: Clock) -> None:
    """Return once nobody is at the other end any more, or the socket is closed; look now and then.

    A transport that nobody reads from learns of no end by itself.
    """
    if sock.family != socket.AF_UNIX:
        _probe(sock)
    poller = select.poll()
    poller.register(sock.fileno(), select.POLLRDHUP)
    ended_for = 0.0
    while True:
        await clock.sleep(CHECK_SECONDS)
        if sock.fileno() < 0:
            return
        found = poller.poll(0)
        happened = found[0][1] if found else 0
        ended_for = ended_for + CHECK_SECONDS if happened & select.POLLRDHUP else 0.0
        if happened & (select.POLLHUP | select.POLLERR) or ended_for > SILENCE_SECONDS_MAX or _is_unheard(sock):
            return


def _probe(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, PROBE_IDLE_SECONDS),
        (socket.TCP_KEEPINTVL, PROBE_EVERY_SECONDS),
        (socket.TCP_KEEPCNT, PROBES_MAX),
        (socket.TCP_USER_TIMEOUT, 0),
    ):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _is_unheard(sock: socket.socket) -> bool:
    """Whether what was sent has not arrived for too long; a reader that is slow acknowledges, and is waited for."""
    if sock.family == socket.AF_UNIX:
        return False
    info = _INFO.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
    return bool(info[_UNACKED]) and info[_LAST_ACK_RECEIVED] > SILENCE_SECONDS_MAX * 1000
