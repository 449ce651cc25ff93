"""Scripts of an nftables table, by a small nft that knows no more than these, and refuses what the kernel would."""

from __future__ import annotations

import random
import re

import pytest

from swarmlet.network.ruleset import NOTHING, Part, Table
from swarmlet.store.commands import Key

BASE = Part(
    sets={"services": "map { type ipv4_addr : verdict; }"},
    hooks={"prerouting": "{ type nat hook prerouting priority dstnat; }"},
    chains={"prerouting": ("ip daddr vmap @services",)},
)


class Kernel:
    """What a table is after scripts: its chains with their rules, and its sets with their elements."""

    def __init__(self) -> None:
        self.chains: dict[str, list[str]] = {}
        self.sets: dict[str, dict[str, str]] = {}

    def run(self, script: str) -> None:
        for line in script.splitlines():
            verb, what, _, table, *rest = line.split(" ", 5)
            assert table == "t"
            getattr(self, f"_{verb}_{what}")(*rest)
        self._check()

    def _add_table(self) -> None:
        pass

    def _delete_table(self) -> None:
        self.chains, self.sets = {}, {}

    def _add_chain(self, name: str, hook: str = "") -> None:
        assert name not in self.chains
        self.chains[name] = []

    def _flush_chain(self, name: str) -> None:
        self.chains[name].clear()

    def _delete_chain(self, name: str) -> None:
        assert not self._users(name), f"{name} is in use"
        del self.chains[name]

    def _add_rule(self, name: str, rule: str) -> None:
        for chain in re.findall(r"goto (\S+)", rule):
            assert chain in self.chains
        for each in re.findall(r"@(\S+)", rule):
            assert each in self.sets
        self.chains[name].append(rule)

    def _add_set(self, name: str, declaration: str) -> None:
        assert name not in self.sets
        self.sets[name] = {}

    _add_map = _add_set

    def _delete_set(self, name: str) -> None:
        assert not any(f"@{name}" in rule for rules in self.chains.values() for rule in rules), f"{name} is in use"
        del self.sets[name]

    _delete_map = _delete_set

    def _add_element(self, name: str, elements: str) -> None:
        for each in elements.strip("{} ").split(", "):
            key, _, value = each.partition(" : ")
            assert key not in self.sets[name]
            self.sets[name][key] = value

    def _delete_element(self, name: str, elements: str) -> None:
        del self.sets[name][elements.strip("{} ")]

    def _users(self, chain: str) -> list[str]:
        rules = [rule for rules in self.chains.values() for rule in rules]
        values = [value for elements in self.sets.values() for value in elements.values()]
        return [each for each in rules + values if each.endswith(f"goto {chain}")]

    def _check(self) -> None:
        for elements in self.sets.values():
            assert all(value.removeprefix("goto ") in self.chains for value in elements.values() if value)


def key(name: str) -> Key:
    return Key("services", "default", name)


def service(name: str, address: str, *rules: str, remembers: bool = False) -> Part:
    own = {f"clients-{name}": "set { type ipv4_addr; }"} if remembers else {}
    inner = f"inner-{name}"
    look = (f"ip saddr @clients-{name} accept",) if remembers else ()
    return Part(
        sets=own,
        chains={name: (f"goto {inner}",), inner: (*look, *rules)},
        elements={("services", address): f"goto {name}"},
    )


@pytest.fixture
def table() -> Table:
    return Table("t", BASE)


def test_a_table_is_made_from_nothing(table):
    table.update({key("web"): service("web", "10.43.0.1", "dnat")})
    kernel = Kernel()
    kernel.run(table.whole())
    assert kernel.chains == {
        "prerouting": ["ip daddr vmap @services"],
        "web": ["goto inner-web"],
        "inner-web": ["dnat"],
    }
    assert kernel.sets == {"services": {"10.43.0.1": "goto web"}}


def test_a_change_names_only_what_it_changes(table):
    table.update({key("web"): service("web", "10.43.0.1", "one"), key("db"): service("db", "10.43.0.2", "one")})
    script = table.update({key("web"): service("web", "10.43.0.1", "two")})
    assert script == "flush chain ip t inner-web\nadd rule ip t inner-web two\n"


def test_what_is_the_same_needs_no_script(table):
    changes = {key("web"): service("web", "10.43.0.1", "one")}
    assert table.update(changes)
    assert table.update(changes) == ""


def test_an_element_that_several_want_goes_with_the_last_of_them(table):
    shared = Part(elements={("services", "10.42.0.1"): ""})
    table.update({key("a"): shared, key("b"): shared})
    assert table.update({key("a"): NOTHING}) == ""
    assert table.update({key("b"): NOTHING}) == "delete element ip t services { 10.42.0.1 }\n"


def test_of_two_that_want_an_address_the_first_by_name_has_it_and_the_other_after_it(table):
    kernel = Kernel()
    kernel.run(table.whole())
    for name in ("b", "a"):
        kernel.run(table.update({key(name): service(name, "192.0.2.1", "rule")}))
    assert kernel.sets["services"] == {"192.0.2.1": "goto a"}
    kernel.run(table.update({key("a"): NOTHING}))
    assert kernel.sets["services"] == {"192.0.2.1": "goto b"}


@pytest.mark.parametrize("seed", range(20))
def test_after_any_changes_the_kernel_has_what_a_new_table_has(seed):
    rng = random.Random(seed)
    table, kernel = Table("t", BASE), Kernel()
    kernel.run(table.whole())
    for _ in range(60):
        changes = {}
        for _ in range(rng.randrange(1, 4)):
            name = rng.choice("abcde")
            rules = [f"rule{rng.randrange(3)}" for _ in range(rng.randrange(3))]
            made = service(name, f"10.43.0.{rng.randrange(4)}", *rules, remembers=rng.random() < 0.5)
            changes[key(name)] = NOTHING if rng.random() < 0.3 else made
        kernel.run(table.update(changes))
        fresh = Kernel()
        fresh.run(table.whole())
        assert (kernel.chains, kernel.sets) == (fresh.chains, fresh.sets)
