"""The network's speed: through Services, published ports and proxies, beside the same path without; rules; names.

Two machines and a client are network namespaces, joined by our own fabric. `wrk` asks an nginx of one process: first
at its own address, then at a Service's, whose rules lie among those of 1,000 others, and through whatever else leads
there. All ways take their turn in each round, so that what disturbs the machine disturbs all; the median counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.bench import dns, network_peers, network_rules, policies, services, wrk
from tools.bench.network_ground import CLIENT, LOCAL, ONE, PUBLISHED, REMOTE, TWO, Ground, Namespace, ground
from tools.bench.report import Report
from tools.bench.wrk import Load

ROUNDS = 5
SECONDS = 1
KEPT_SHARE_MIN, NEW_SHARE_MIN = 0.9, 0.75
"""Of what is reached directly on the same path."""
PROXY_SHARE_MIN = 0.3
ENDPOINTS = 10
ASKED = 1_000
UNEVEN_MAX = 0.1
AT_LOCAL, AT_REMOTE, AT_TEN = 1, 2, 3
"""Which Service leads where."""
HAPROXY_PORT, DOCKER_PROXY_PORT, PROXY_PORT = 8001, 8002, 8003

BARE, DIRECT, ONE_RULE = "direct, without rules", "direct", "one rule that does the same"
SERVICE, REMOTE_DIRECT, REMOTE_SERVICE = "Service, endpoint here", "direct, there", "Service, endpoint there"
OUTSIDE_BARE, OUTSIDE_DIRECT, NODE_PORT = "direct, from outside, without rules", "direct, from outside", "node port"
DOCKERS, HAPROXY, DOCKER_PROXY, PROXY = "Docker's published port", "HAProxy", "docker-proxy", "userspace proxy"
"""The ways that a page is reached."""

Change = Callable[[], None]


@dataclass(frozen=True)
class Way:
    """From where a URL is asked for; `rules` are those that the machine has then."""

    name: str
    rules: str
    where: Namespace
    url: str


async def measure(report: Report) -> None:
    """Measure all of it: requests, how evenly they are shared out, rules, policies, names."""
    await asyncio.to_thread(_requests, report)
    await services.measure(report)
    await policies.measure(report)
    await dns.measure(report)


def _requests(report: Report, rounds: int = ROUNDS, seconds: int = SECONDS) -> None:
    if missing := network_peers.missing():
        report.add("requests through Services", "not measured", beside=f"needs {', '.join(missing)}")
        return
    with ground() as made, _peers(made):
        changes = rules(made)
        for kept in (True, False):
            _compare(report, _rounds(ways(made), changes, rounds, seconds, kept=kept), kept=kept)
        changes["ours"]()
        _distribution(report, made)


@contextlib.contextmanager
def _peers(made: Ground) -> Iterator[None]:
    here, there = (lambda port: (PUBLISHED, port)), (LOCAL, network_rules.PAGE_PORT)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swarmlet-bench-")))
        stack.enter_context(network_peers.nginx(made.local, folder, "local"))
        stack.enter_context(network_peers.nginx(made.remote, folder, "remote"))
        stack.enter_context(network_peers.haproxy(made.one, folder, here(HAPROXY_PORT), there))
        stack.enter_context(network_peers.docker_proxy(made.one, here(DOCKER_PROXY_PORT), there))
        stack.enter_context(network_peers.our_proxy(made.one, here(PROXY_PORT), there))
        yield


def rules(made: Ground) -> Mapping[str, Change]:
    """Return what gives machine one, and two, their rules, by name."""
    ten = [f"10.42.1.{number}" for number in range(100, 100 + ENDPOINTS)]
    made.local.ip(*(f"addr add {each}/24 dev eth0" for each in ten))
    wanted = [
        network_rules.service(AT_LOCAL, LOCAL, node_port=network_rules.NODE_PORT),
        network_rules.service(AT_REMOTE, REMOTE),
        network_rules.service(AT_TEN, *ten),
    ]
    first = network_rules.ours(ONE, (ONE, TWO), (CLIENT, LOCAL, *ten), wanted)
    second = network_rules.ours(TWO, (ONE, TWO), (REMOTE,), wanted)
    floor = network_rules.one_rule(network_rules.cluster_ip(AT_LOCAL), PUBLISHED, LOCAL)
    dockers = network_rules.dockers(LOCAL, ONE.subnet)

    def change(one: str, two: str = network_rules.NONE, *, iptables: str = "") -> Change:
        def carry_out() -> None:
            made.one.nft(one)
            made.two.nft(two)
            if iptables:
                made.one.run("iptables-restore", text=iptables)

        return carry_out

    return {
        "none": change(network_rules.NONE),
        "one rule": change(floor),
        "Docker's": change(network_rules.NONE, iptables=dockers),
        "ours": change(first, second),
    }


def ways(made: Ground) -> list[Way]:
    client, outside = made.client, made.outside
    local, remote = (f"http://{network_rules.cluster_ip(each)}/" for each in (AT_LOCAL, AT_REMOTE))
    published = f"http://{PUBLISHED}:{network_rules.NODE_PORT}/"
    return [
        Way(BARE, "none", client, f"http://{LOCAL}/"),
        Way(OUTSIDE_BARE, "none", outside, f"http://{LOCAL}/"),
        Way(HAPROXY, "none", outside, f"http://{PUBLISHED}:{HAPROXY_PORT}/"),
        Way(DOCKER_PROXY, "none", outside, f"http://{PUBLISHED}:{DOCKER_PROXY_PORT}/"),
        Way(PROXY, "none", outside, f"http://{PUBLISHED}:{PROXY_PORT}/"),
        Way(ONE_RULE, "one rule", client, local),
        Way(DOCKERS, "Docker's", outside, published),
        Way(DIRECT, "ours", client, f"http://{LOCAL}/"),
        Way(SERVICE, "ours", client, local),
        Way(REMOTE_DIRECT, "ours", client, f"http://{REMOTE}/"),
        Way(REMOTE_SERVICE, "ours", client, remote),
        Way(OUTSIDE_DIRECT, "ours", outside, f"http://{LOCAL}/"),
        Way(NODE_PORT, "ours", outside, published),
    ]


def _rounds(
    every: list[Way], changes: Mapping[str, Change], rounds: int, seconds: int, *, kept: bool
) -> dict[str, list[Load]]:
    found: dict[str, list[Load]] = {way.name: [] for way in every}
    for _ in range(rounds):
        now = ""
        for way in every:
            if way.rules != now:
                changes[way.rules]()
                network_peers.fetch(way.where, way.url)
                now = way.rules
            found[way.name].append(wrk.ask(way.where.enter, way.url, kept=kept, seconds=seconds))
    return found


def _compare(report: Report, found: Mapping[str, list[Load]], *, kept: bool) -> None:
    how = "kept connections" if kept else "a connection each"

    def row(ours: str, beside: str, *, at_least: float = 0) -> None:
        pairs = zip(found[ours], found[beside], strict=True)
        ratio = statistics.median(one.per_second / other.per_second for one, other in pairs)
        name, peer = f"{ours}, {how}", f"{beside}: {said(found[beside])}"
        if at_least:
            report.judge(name, said(found[ours]), value=ratio, at_least=at_least, beside=peer)
        else:
            report.add(name, said(found[ours]), ratio=ratio, beside=peer)

    share = KEPT_SHARE_MIN if kept else NEW_SHARE_MIN
    row(SERVICE, DIRECT, at_least=share)
    row(REMOTE_SERVICE, REMOTE_DIRECT, at_least=share)
    row(SERVICE, ONE_RULE)
    row(DIRECT, BARE)
    row(NODE_PORT, OUTSIDE_DIRECT)
    row(NODE_PORT, DOCKERS)
    row(PROXY, OUTSIDE_BARE, at_least=PROXY_SHARE_MIN if kept else 0)
    row(PROXY, HAPROXY)
    row(PROXY, DOCKER_PROXY)


def said(loads: list[Load]) -> str:
    """Return the median of several rounds, how far the others are from it, the median of their p99, and what failed."""
    rates = [each.per_second for each in loads]
    median = statistics.median(rates)
    spread = max(abs(each - median) for each in rates) / median
    p99 = statistics.median(each.p99_ms for each in loads)
    failed = sum(each.failed for each in loads)
    return f"{median:,.0f}/s ± {spread:.0%}, p99 {p99:.1f} ms" + (f", {failed} failed" if failed else "")


def _distribution(report: Report, made: Ground) -> None:
    url = f"http://{network_rules.cluster_ip(AT_TEN)}/who"
    script = f"i=0; while [ $i -lt {ASKED} ]; do busybox wget -q -O - {url}; echo; i=$((i+1)); done"
    had = Counter(made.client.run("sh", "-ec", script).split())
    even = ASKED / ENDPOINTS
    uneven = max(abs(each - even) / even for each in had.values()) if len(had) == ENDPOINTS else 1.0
    said = f"{min(had.values())} to {max(had.values())} each"
    report.judge(f"{ASKED} connections to {ENDPOINTS} endpoints", said, value=uneven, at_most=UNEVEN_MAX)
