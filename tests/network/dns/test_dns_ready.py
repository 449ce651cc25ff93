"""Answers that are sent again as bytes: the same as if they were made anew."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.network.dns.ready import ReadyAnswers

QUERY = dns.message.make_query("www.example.org", "A", use_edns=0, want_dnssec=True)
WIRE = QUERY.to_wire()


def answer(*ttls: int) -> dns.message.Message:
    """Return an answer with a CNAME chain: names that point into each other, and an OPT record."""
    response = dns.message.make_response(QUERY, our_payload=1232)
    response.ednsflags = dns.flags.DO
    names = ["www.example.org.", *(f"h{number}.example.org." for number in range(len(ttls)))]
    for number, ttl in enumerate(ttls):
        response.answer.append(dns.rrset.from_text(names[number], ttl, "IN", "CNAME", names[number + 1]))
    response.authority.append(dns.rrset.from_text("example.org.", 900, "IN", "SOA", "ns. hostmaster. 1 2 3 4 30"))
    return response


def put(ready: ReadyAnswers, message: dns.message.Message, **options: float) -> None:
    ready.put(WIRE[2:], message.to_wire()[2:], 1, 100.0, **options)


@given(st.lists(st.integers(0, 2**31 - 1), max_size=5), st.integers(0, 1000))
def test_what_is_sent_later_is_what_would_be_made_then(ttls: list[int], seconds: int) -> None:
    ready = ReadyAnswers()
    put(ready, answer(*ttls), lasting=2000)
    found = ready.get(WIRE[2:], 1, 100.5 + seconds)
    again = dns.message.from_wire(b"\x00\x07" + found)
    assert [row.ttl for row in again.answer] == [max(0, ttl - seconds) for ttl in ttls]
    assert again.authority[0].ttl == max(0, 900 - seconds)
    assert (again.payload, again.id, again.ednsflags) == (1232, 7, dns.flags.DO)


def test_the_clusters_own_answers_do_not_age() -> None:
    ready = ReadyAnswers()
    put(ready, answer(5))
    assert ready.get(WIRE[2:], 1, 10_000.0) == answer(5).to_wire()[2:]


@pytest.mark.parametrize(("generation", "now"), [(2, 100.0), (1, 110.0)])
def test_an_answer_ends_with_its_time_and_with_its_generation(generation: int, now: float) -> None:
    ready = ReadyAnswers()
    put(ready, answer(10), lasting=10)
    assert ready.get(WIRE[2:], 1, 109.9) is not None
    assert ready.get(WIRE[2:], generation, now) is None


def test_what_may_not_be_kept_and_what_is_too_much_is_not() -> None:
    ready = ReadyAnswers(answers_max=2)
    put(ready, answer(10), lasting=0)
    assert ready.get(WIRE[2:], 1, 100.0) is None
    for number in range(3):
        ready.put(b"%d" % number, b"answer", 1, 100.0)
    assert [ready.get(b"%d" % number, 1, 100.0) for number in range(3)] == [None, None, b"answer"]
