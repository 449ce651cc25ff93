"""What the benchmark of the network stands on: machines and rules that lead where they are said to; how it reads."""

from __future__ import annotations

import asyncio

import pytest

from tests.network.kernel import needs_kernel
from tools.bench import network, network_peers, network_rules, wrk
from tools.bench.network_ground import LOCAL, PUBLISHED, REMOTE, ground
from tools.bench.network_peers import our_proxy
from tools.bench.wrk import Load, LoadError

TOLD = """
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.90ms    4.24ms  42.72ms   95.55%
  Latency Distribution
     50%  711.00us
     99%   23.25ms
  39938 requests in 1.00s, 26.47MB read
Requests/sec:  39746.37
Transfer/sec:     26.34MB
"""


def serve() -> None:
    """Say at port 80 which address was asked."""

    async def page(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.0 200 OK\r\n\r\n{writer.get_extra_info('sockname')[0]}".encode())
        writer.close()

    async def run() -> None:
        await (await asyncio.start_server(page, "0.0.0.0", 80)).serve_forever()

    asyncio.run(run())


@needs_kernel
@pytest.mark.slow
def test_every_way_leads_to_its_page() -> None:
    there = (LOCAL, network_rules.PAGE_PORT)
    with (
        ground() as made,
        made.local.process(serve),
        made.remote.process(serve),
        our_proxy(made.one, (PUBLISHED, network.PROXY_PORT), there),
    ):
        change = network.rules(made)
        for way in network.ways(made):
            change[way.rules]()
            if way.name not in (network.HAPROXY, network.DOCKER_PROXY):
                expected = REMOTE if way.name in (network.REMOTE_DIRECT, network.REMOTE_SERVICE) else LOCAL
                assert network_peers.fetch(way.where, way.url) == expected, way.name


def test_what_wrk_tells_is_read() -> None:
    assert wrk.read(TOLD, "url") == Load(39746.37, 23.25)
    failed = "  Socket errors: connect 0, read 3, write 0, timeout 2\n  Non-2xx or 3xx responses: 7\n"
    assert wrk.read(TOLD.replace("23.25ms", "1.50s") + failed, "url") == Load(39746.37, 1500.0, 12)
    with pytest.raises(LoadError):
        wrk.read("unable to connect", "url")
