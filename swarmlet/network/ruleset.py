"""An nftables table as data, kept in parts, and the script that turns one state of it into another.

Each part is rendered from one object (a Service, say) and stands by its key, so a change costs what its part costs.
Pure: `nftables` hands the scripts to the kernel, which carries out each wholly or not at all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from swarmlet.store.commands import Key

Element = tuple[str, str]
"""The set or map that an element is in, and its key there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of a table. Sets and chains are of one part alone; an element may be wanted by several.

    `sets`: name -> declaration ("map { type ...; }"). `chains`: name -> rules, in nft's words. `hooks`:
    name of a chain -> what makes it a base chain. `elements`: element -> value in a map ("goto web"), "" in a set.
    A name stands for one declaration for ever: where that is to be another, so is the name.
    """

    sets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    chains: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    hooks: Mapping[str, str] = dataclasses.field(default_factory=dict)
    elements: Mapping[Element, str] = dataclasses.field(default_factory=dict)


NOTHING = Part()


class Table:
    """One table as it should be: a base that all parts stand on and that never changes, and the parts.

    Where parts want the same element with other values, the one of the least key has it.
    """

    def __init__(self, name: str, base: Part, *, family: str = "ip") -> None:
        self.name = name
        self.family = family
        self._base = base
        self._parts: dict[Key, Part] = {}
        self._wanted: dict[Element, dict[Key, str]] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def part(self, key: Key) -> Part:
        """Return a part; an empty one where there is none."""
        return self._parts.get(key, NOTHING)

    def keys(self) -> Iterable[Key]:
        """Return the keys of all parts."""
        return self._parts.keys()

    def whole(self) -> str:
        """Return the script that makes the table anew, whatever there was; what packets wrote into sets is gone."""
        address = f"{self.family} {self.name}"
        parts = [self._base, *(self._parts[key] for key in sorted(self._parts))]
        values = {element: _winner(owners) for element, owners in self._wanted.items()}
        lines = [f"add table {address}", f"delete table {address}", f"add table {address}"]
        for part in parts:
            lines += self._declared(part, part.sets, part.chains)
        for part in parts:
            lines += self._filled(part, part.chains)
        lines += self._added({**self._base.elements, **values})
        return _script(lines)

    def update(self, changes: Mapping[Key, Part]) -> str:
        """Put parts in the place of what there was (an empty part: nothing), and return the script that does so.

        The script is "" where nothing is other than it was.
        """
        made: list[str] = []
        filled: list[str] = []
        gone: list[str] = []
        touched: dict[Element, str | None] = {}
        for key, new in changes.items():
            old = self._parts.get(key, NOTHING)
            if new == old:
                continue
            made += self._declared(new, new.sets.keys() - old.sets.keys(), new.chains.keys() - old.chains.keys())
            filled += self._refilled(old, new)
            gone += self._removed(old, new)
            self._want(key, old, new, touched)
        return _script([*made, *filled, *self._moved(touched), *gone])

    # Scripts.

    def _declared(self, part: Part, sets: Iterable[str], chains: Iterable[str]) -> Iterator[str]:
        for name in sorted(sets):
            kind, _, rest = part.sets[name].partition(" ")
            yield self._of(f"add {kind}", name, rest)
        for name in sorted(chains):
            yield self._of("add chain", name, part.hooks.get(name, ""))

    def _filled(self, part: Part, chains: Iterable[str]) -> Iterator[str]:
        return (self._of("add rule", name, rule) for name in sorted(chains) for rule in part.chains[name])

    def _refilled(self, old: Part, new: Part) -> Iterator[str]:
        """Yield what gives chains their rules; those that are to go are emptied, so that nothing refers to another."""
        changed = {name for name, rules in new.chains.items() if rules != old.chains.get(name)}
        for name in sorted(old.chains.keys() & changed | old.chains.keys() - new.chains.keys()):
            yield self._of("flush chain", name)
        yield from self._filled(new, changed)

    def _removed(self, old: Part, new: Part) -> Iterator[str]:
        for name in sorted(old.chains.keys() - new.chains.keys()):
            yield self._of("delete chain", name)
        for name in sorted(old.sets.keys() - new.sets.keys()):
            yield self._of(f"delete {old.sets[name].partition(' ')[0]}", name)

    def _want(self, key: Key, old: Part, new: Part, touched: dict[Element, str | None]) -> None:
        """Note whose wish an element is; `touched` gets the value that each had before all of this."""
        for element in {**old.elements, **new.elements}:
            if old.elements.get(element) == new.elements.get(element):
                continue
            owners = self._wanted.setdefault(element, {})
            touched.setdefault(element, _winner(owners) if owners else None)
            if element in new.elements:
                owners[key] = new.elements[element]
            else:
                del owners[key]
            if not owners:
                del self._wanted[element]
        if new == NOTHING:
            self._parts.pop(key, None)
        else:
            self._parts[key] = new

    def _moved(self, touched: Mapping[Element, str | None]) -> Iterator[str]:
        now = {each: _winner(self._wanted[each]) for each in touched if each in self._wanted}
        for name, key in sorted(each for each, value in touched.items() if value not in (None, now.get(each))):
            yield self._of("delete element", name, f"{{ {key} }}")
        yield from self._added({each: value for each, value in now.items() if value != touched[each]})

    def _added(self, elements: Mapping[Element, str]) -> Iterator[str]:
        by_set: dict[str, list[tuple[str, str]]] = {}
        for (name, key), value in elements.items():
            by_set.setdefault(name, []).append((key, value))
        for name in sorted(by_set):
            found = (f"{key} : {value}" if value else key for key, value in sorted(by_set[name]))
            yield self._of("add element", name, f"{{ {', '.join(found)} }}")

    def _of(self, verb: str, name: str, rest: str = "") -> str:
        return f"{verb} {self.family} {self.name} {name} {rest}".rstrip()


def _winner(owners: Mapping[Key, str]) -> str:
    return owners[min(owners)]


def _script(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
