"""A small interpreter of the rules that filter what a node forwards: what becomes of a connection's first packet."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swarmlet.network.ruleset import Part

_MATCH = re.compile(
    r"(?P<fields>(ip saddr|ip daddr|meta l4proto|th dport)( \. (ip saddr|ip daddr|meta l4proto|th dport))*) "
    r"(?P<negated>!= )?(?P<what>vmap @\S+|@\S+|\{[^}]*\}|\S+) ?"
)


@dataclass(frozen=True)
class Packet:
    source: str
    destination: str
    protocol: str = "TCP"
    port: int = 80

    def field(self, name: str) -> str:
        known = {"ip saddr": self.source, "ip daddr": self.destination, "meta l4proto": self.protocol.lower()}
        return known.get(name, str(self.port))


class Filter:
    """What is in force, from the parts of a table."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self.chains: dict[str, tuple[str, ...]] = {}
        self.hooks: dict[str, str] = {}
        self.sets: dict[str, dict[str, str]] = {}
        parts = list(parts)
        for part in parts:
            assert not self.chains.keys() & part.chains.keys()
            self.chains.update({name: tuple(rules) for name, rules in part.chains.items()})
            self.hooks.update(part.hooks)
            for name in part.sets:
                assert name not in self.sets
                self.sets[name] = {}
        for part in parts:
            for (name, key), value in part.elements.items():
                self.sets[name][key] = value

    def passes(self, packet: Packet) -> bool:
        by_priority = sorted(self.hooks, key=lambda name: int(re.search(r"priority (-?\d+)", self.hooks[name])[1]))
        return all(self._walk(name, packet) != "drop" for name in by_priority)

    def _walk(self, chain: str, packet: Packet) -> str:
        for rule in self.chains[chain]:
            verdict = self._judge(rule, packet)
            if verdict in ("accept", "drop"):
                return verdict
            word, _, target = verdict.partition(" ")
            if word in ("jump", "goto"):
                found = self._walk(target, packet)
                if found or word == "goto":
                    return found
        return ""

    def _judge(self, rule: str, packet: Packet) -> str:
        if rule.startswith("ct state established"):
            return ""  # it is the first packet
        while match := _MATCH.match(rule):
            fields = [packet.field(each) for each in match["fields"].split(" . ")]
            rule = rule[match.end() :]
            if match["what"].startswith("vmap"):
                assert not rule
                return self.sets[match["what"].removeprefix("vmap @")].get(" . ".join(fields), "")
            if self._is_in(fields, match["what"]) is bool(match["negated"]):
                return ""
        assert re.fullmatch(r"accept|drop|(jump|goto) \S+", rule), rule
        return rule

    def _is_in(self, fields: list[str], what: str) -> bool:
        if what.startswith("@"):
            return " . ".join(fields) in self.sets[what[1:]]
        [value] = fields
        return any(_holds(each.strip(), value) for each in what.strip("{}").split(","))


def _holds(told: str, value: str) -> bool:
    if "." in told:
        return ipaddress.ip_address(value) in ipaddress.ip_network(told)
    low, _, high = told.partition("-")
    return int(low) <= int(value) <= int(high or low) if told.isdigit() or high else told == value


def in_force(base: Part, parts: Mapping[object, Part]) -> Filter:
    return Filter([base, *parts.values()])
