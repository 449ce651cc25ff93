"""What DNS counts, and how Prometheus gets it."""

from __future__ import annotations

import asyncio

import dns.message

from swarmlet.clock import SystemClock
from swarmlet.network.dns import server
from swarmlet.network.dns.budget import Budget
from swarmlet.network.dns.metrics import DnsCounts, DnsMetrics
from tests.network.dns.test_dns_server import WEB, Bench, elsewhere, says


def told(counts: DnsCounts, *, listening: bool = True) -> dict[str, float]:
    """Return the samples that are not 0, by their names and labels."""
    found = {}
    for family in DnsMetrics(counts, lambda: listening).collect():
        for sample in family.samples:
            label = "".join(f"{{{value}}}" for value in sample.labels.values())
            found[sample.name.removeprefix("swarmlet_dns_").removesuffix("_total") + label] = sample.value
    return {name: value for name, value in found.items() if value}


async def test_questions_answers_and_what_was_at_hand_are_counted() -> None:
    async with Bench() as bench:
        for _ in range(3):
            await bench.ask(WEB)
        await bench.ask("nobody.default.svc.cluster.local", tcp=True)
        assert told(bench.counts) == {
            "queries{udp}": 3,
            "queries{tcp}": 1,
            "answers{NOERROR}": 3,
            "answers{NXDOMAIN}": 1,
            "cache_hits{ready}": 2,
            "listening": 1,
        }


async def test_what_other_servers_said_and_did_not_say_is_counted() -> None:
    async with elsewhere(says()) as (other,), Bench(other.server) as bench:
        await bench.ask("www.example.com")
        await bench.ask("www.example.com", tcp=True)
        assert (
            told(bench.counts).items()
            >= {"upstream_asked": 1, "cache_hits{upstream}": 1, "answers{NOERROR}": 2}.items()
        )
    async with Bench() as bench:
        await bench.ask("www.example.com")
        assert told(bench.counts).items() >= {"upstream_asked": 1, "upstream_failed": 1, "answers{SERVFAIL}": 1}.items()


class Slow(SystemClock):
    """On which each look at the time takes a while."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += server.TURN_SECONDS / 8
        return self.seconds


async def test_what_a_flood_costs_in_one_turn_is_bounded_by_time() -> None:
    async with Bench(clock=Slow()) as bench, asyncio.timeout(5):
        client = bench.raw()
        for number in range(20):
            client.send(dns.message.make_query(f"x{number}.default.svc.cluster.local", "A").to_wire())
        steps = []
        while sum(steps) < 20:
            before = bench.counts.queries["udp"]
            await asyncio.sleep(0)
            steps.append(bench.counts.queries["udp"] - before)
        assert max(steps) < 5, "the rest waits for other work"


async def test_what_is_dropped_is_counted() -> None:
    async with Bench(budget=Budget(0, 0)) as bench, asyncio.timeout(5):
        bench.raw().send(b"anything")
        while not bench.counts.dropped:  # noqa: ASYNC110  the datagram is on its way
            await asyncio.sleep(0)
        assert told(bench.counts) == {"queries{udp}": 1, "dropped{over_budget}": 1, "listening": 1}


def test_whether_it_listens_is_told() -> None:
    assert told(DnsCounts(), listening=False) == {}
    assert told(DnsCounts(), listening=True) == {"listening": 1}
