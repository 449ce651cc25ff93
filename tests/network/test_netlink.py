"""Questions to the kernel, and which answer is to which."""

from __future__ import annotations

import contextlib
import struct

from swarmlet.network.netlink import DUMP, NETLINK_ROUTE, Netlink

GET_LINK = 18
LOOPBACK = 1


def link(index: int) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, 0, 0)


def test_what_nobody_waited_for_is_no_answer_to_the_next_question() -> None:
    with contextlib.closing(Netlink(NETLINK_ROUTE)) as netlink:
        next(netlink.request(GET_LINK, link(0), flags=DUMP))
        answer = next(netlink.request(GET_LINK, link(LOOPBACK), flags=0))
        assert struct.unpack_from("=BxHi", answer)[2] == LOOPBACK
