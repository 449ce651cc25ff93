"""From a query to its answer: what is refused, what the cluster knows, and what another server must be asked.

response, question = answers.begin(query)
if question is not None:                      # the rest of it is somebody else's
    answers.finish(response, await upstream.ask(question))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from swarmlet.network.dns import records as dns_records
from swarmlet.network.dns.cache import Question
from swarmlet.network.dns.records import ClusterRecords

EDNS_BYTES = 1232
PLAIN_BYTES = 512
"""Of an answer over UDP to a client that does not speak EDNS (RFC 1035 §4.2.1)."""
FOLLOWED_MAX = 8
"""ExternalNames that lead to each other."""
ANY_TTL_SECONDS = 3_600
META_TYPES = range(128, 256)
"""Questions about zones and transactions, and not about records (RFC 6895 §3.1); ANY is the last of them."""

Cached = Callable[[Question], dns.message.Message | None]


@dataclass(slots=True)
class _Draft:
    """What is known so far; `pending` is a name that another server must be asked for."""

    answers: list[dns.rrset.RRset] = field(default_factory=list)
    additional: list[dns.rrset.RRset] = field(default_factory=list)
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    negative: bool = False
    pending: dns.name.Name | None = None


class Answers:
    """Answers from the cluster's records, and from what other servers said lately (`cached`)."""

    def __init__(self, records: ClusterRecords, cached: Cached) -> None:
        self._records = records
        self._cached = cached

    @property
    def generation(self) -> int:
        """Another number once what the cluster answers may be different."""
        return self._records.generation

    def begin(self, query: dns.message.Message) -> tuple[dns.message.Message, Question | None]:
        """Return the response, and what another server must be asked to finish it."""
        response = dns.message.make_response(query, recursion_available=True, our_payload=EDNS_BYTES)
        response.ednsflags |= query.ednsflags & dns.flags.DO  # RFC 3225 §3
        if (rcode := _fault(query)) is not None:
            response.set_rcode(rcode)
            return response, None
        asked = query.question[0]
        if asked.rdtype == dns.rdatatype.ANY:
            response.answer.append(_any(asked.name))
            return response, None
        draft = self._known(asked.name, asked.rdtype)
        response.answer += draft.answers
        response.additional += draft.additional
        response.set_rcode(draft.rcode)
        if draft.pending is None:
            response.flags |= dns.flags.AA
            response.authority += [dns_records.soa()] if draft.negative else []
            return response, None
        question = Question(draft.pending, asked.rdtype, bool(query.ednsflags & dns.flags.DO))
        return self._elsewhere(response, question)

    def _elsewhere(
        self, response: dns.message.Message, question: Question
    ) -> tuple[dns.message.Message, Question | None]:
        found = self._cached(question)
        if found is not None:
            finish(response, found)
        elif not response.flags & dns.flags.RD:
            response.set_rcode(dns.rcode.REFUSED)
        else:
            return response, question
        return response, None

    def _known(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> _Draft:
        draft = _Draft()
        for _ in range(FOLLOWED_MAX):
            found = self._records.find(name, kind)
            if found is None:
                draft.pending = name.canonicalize()
                return draft
            draft.answers += found.answers
            draft.additional += found.additional
            draft.rcode = found.rcode
            if found.follow is None or kind == dns.rdatatype.CNAME:
                draft.negative = not found.answers
                return draft
            name = found.follow
        draft.rcode = dns.rcode.SERVFAIL
        return draft


def finish(response: dns.message.Message, answer: dns.message.Message) -> None:
    """Add what another server said."""
    response.set_rcode(answer.rcode())
    response.answer += answer.answer
    response.authority += answer.authority
    response.additional += answer.additional


def fail(response: dns.message.Message) -> None:
    """Say that nobody could be asked: half an answer would be kept as if it were all."""
    response.answer.clear()
    response.additional.clear()
    response.set_rcode(dns.rcode.SERVFAIL)


def room(query: dns.message.Message) -> int:
    """Return how many bytes of answer the client takes in one datagram."""
    return PLAIN_BYTES if query.edns < 0 else max(PLAIN_BYTES, min(query.payload, EDNS_BYTES))


def _fault(query: dns.message.Message) -> dns.rcode.Rcode | None:
    """Return why a query is not answered."""
    if query.opcode() != dns.opcode.QUERY:
        return dns.rcode.NOTIMP
    if len(query.question) != 1:
        return dns.rcode.FORMERR
    if query.edns > 0:
        return dns.rcode.BADVERS
    asked = query.question[0]
    if asked.rdclass != dns.rdataclass.IN:
        return dns.rcode.REFUSED
    if asked.rdtype in META_TYPES and asked.rdtype != dns.rdatatype.ANY:
        return dns.rcode.NOTIMP
    return None


def _any(name: dns.name.Name) -> dns.rrset.RRset:
    """Return the least that may be answered to ANY, so that nobody is flooded by way of us (RFC 8482 §4.2)."""
    return dns.rrset.from_text(name, ANY_TTL_SECONDS, dns.rdataclass.IN, dns.rdatatype.HINFO, '"RFC8482" ""')
