"""What this node's DNS was asked and what it answered, counted as it goes, and in Prometheus' form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.rcode
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

UDP = "udp"
TCP = "tcp"
READY = "ready"
"""An answer that was sent before, as it is."""
UPSTREAM = "upstream"
"""What another server said before."""
OVER_BUDGET = "over_budget"
"""Its sender has had its share of answers, or all together have."""
STRANGER = "stranger"
"""Who asked is nobody of this machine or this cluster."""
TOO_MANY_WAITING = "too_many_waiting"
"""So many questions wait for other servers already."""


@dataclass(slots=True)
class DnsCounts:
    """Plain numbers since the daemon started, for they are added to at each packet.

    `queries` by protocol, `answers` by response code, `hits` by cache, `dropped` by the reason why nothing was
    answered; `asked` are the questions put to other servers, `failed` those that none answered.
    """

    queries: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    failed: int = 0

    def answered(self, wire: bytes) -> None:
        """Note an answer that goes out."""
        self.answers[wire[3] & 0x0F] += 1


class DnsMetrics(Collector):
    """Reads the counts when Prometheus asks. `listening` says whether this node answers now."""

    def __init__(self, counts: DnsCounts, listening: Callable[[], bool]) -> None:
        self._counts = counts
        self._listening = listening

    def collect(self) -> list[CounterMetricFamily | GaugeMetricFamily]:
        """Return the counts, and whether anything is answered at all."""
        counts = self._counts
        codes = {dns.rcode.to_text(dns.rcode.Rcode(code)): number for code, number in sorted(counts.answers.items())}
        return [
            _family("queries", "Questions that arrived, by protocol.", "protocol", counts.queries),
            _family("answers", "Answers that were given, by response code.", "code", codes),
            _family("cache_hits", "Answers that were at hand, by cache.", "cache", counts.hits),
            _family("dropped", "Questions that were not answered, by reason.", "reason", counts.dropped),
            CounterMetricFamily("swarmlet_dns_upstream_asked", "Questions put to other servers.", value=counts.asked),
            CounterMetricFamily(
                "swarmlet_dns_upstream_failed", "Questions that no other server answered.", value=counts.failed
            ),
            GaugeMetricFamily(
                "swarmlet_dns_listening", "Whether this node answers the cluster's names.", value=self._listening()
            ),
        ]


def _family(name: str, words: str, label: str, numbers: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"swarmlet_dns_{name}", words, labels=(label,))
    for value, number in numbers.items():
        family.add_metric([value], number)
    return family
