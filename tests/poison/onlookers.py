"""Everybody who only looks at objects: tables, descriptions, explanations, rules of the network, answers of DNS."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import dns.name
import dns.rdatatype
import msgspec

from swarmlet.api.tables.table import Renderer
from swarmlet.cli import why
from swarmlet.cli.descriptions import kinds as descriptions
from swarmlet.explain import explainers
from swarmlet.explain.case import Case
from swarmlet.explain.refusals import Refusals
from swarmlet.model import kinds
from swarmlet.model.ip_families import IPV4, IPV6
from swarmlet.network.dns.records import ClusterRecords
from swarmlet.network.policies import rules as policy_rules
from swarmlet.network.policies.desired import DesiredPolicies
from swarmlet.network.ruleset import Table
from swarmlet.network.services import rules as service_rules
from swarmlet.network.services.desired import DesiredServices
from swarmlet.network.services.rules import Ground
from swarmlet.store.replica import Stored, View

Look = Callable[[], object]

GROUNDS = (
    Ground(pod_network="10.244.0.0/16", service_network="10.96.0.0/12", node="n1"),
    Ground(pod_network="fd00:1::/48", service_network="fd00:2::/112", node="n1"),
)
QUESTIONS = (
    "web.default.svc",
    "web-0.web.default.svc",
    "_http._tcp.web.default.svc",
    "a.db.team.svc",
    "job.default.svc",
)


def everybody(view: View, wanted: DesiredServices, records: ClusterRecords, now: datetime) -> Iterator[Look]:
    """Yield what each does, to be called."""
    case = Case(view, now, scheduler=Refusals().on(view))
    for kind in kinds.SERVED:
        for stored in view.list(kind.resource):
            yield functools.partial(_shown, kind, stored, now)
            yield functools.partial(_described, stored)
            if kind.resource in explainers.EXPLAINERS:
                yield functools.partial(_explained, case, stored)
    for ground in GROUNDS:
        yield functools.partial(_services, DesiredServices(view, "n1", ground.family), ground)
        yield functools.partial(_policies, view, ground.family)
    for question in QUESTIONS:
        for kind_ in (dns.rdatatype.A, dns.rdatatype.AAAA, dns.rdatatype.SRV, dns.rdatatype.CNAME):
            yield functools.partial(records.find, dns.name.from_text(f"{question}.cluster.local."), kind_)


def _shown(kind: kinds.Kind, stored: Stored, now: datetime) -> bytes:
    return Renderer(kind, now, include="Object").table(b"{}", [stored])


def _described(stored: Stored) -> list[str]:
    document: dict[str, Any] = msgspec.json.decode(stored.json)
    return descriptions.rendered(descriptions.describe(document))


def _explained(case: Case, stored: Stored) -> list[str]:
    found = explainers.shortened(explainers.explain(case, stored.object))
    return list(why.lines(msgspec.to_builtins(found)))


def _services(wanted: DesiredServices, ground: Ground) -> str:
    table = Table("services", service_rules.base(ground), family=ground.words.ip)
    parts = {key: service_rules.render(found, ground) for key in wanted.all_keys() if (found := wanted.get(key))}
    return table.update(parts)


def _policies(view: View, family: str) -> str:
    parts: dict[Any, Any] = {}
    desired = DesiredPolicies(view, "n1", lambda: None, family)
    for _ in desired.settle(parts):
        pass
    word = {IPV4: "ip", IPV6: "ip6"}[family]
    return Table(policy_rules.TABLE, policy_rules.base(family), family=word).update(parts)
