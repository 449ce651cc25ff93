"""The applier: gives scripts to nft, each carried out wholly or not at all, and sees when a stranger was at a table.

Every change of the rules, whoever makes it, counts up the kernel's generation of them: to look at that number costs
nothing, and only when it moved without us is the table itself looked at. Source: linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

from swarmlet.errors import PeerError
from swarmlet.network import programs
from swarmlet.network.netlink import ACKNOWLEDGE, BRIDGE, DUMP, INET, IPV4, IPV6, Attributes, Netfilter, items, text

PROGRAM = "nft"
RUN_SECONDS_MAX = 20.0
MESSAGE_LENGTH_MAX = 500

_FAMILIES = {"ip": IPV4, "ip6": IPV6, "inet": INET, "bridge": BRIDGE}
_SUBSYSTEM = 10 << 8
_GET_TABLE = _SUBSYSTEM | 1
_GET_CHAIN = _SUBSYSTEM | 4
_GET_ELEMENTS = _SUBSYSTEM | 13
_GET_GENERATION = _SUBSYSTEM | 16
_GENERATION_ID = 1
_TABLE_NAME, _TABLE_USE, _TABLE_HANDLE = 1, 3, 4
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_USE = 1, 3, 6
_ELEMENTS_TABLE, _ELEMENTS_SET, _ELEMENTS = 1, 2, 3

Likeness = tuple[bytes, ...]
"""What a table has that a stranger's work on it changes: its handle, what it holds, how many rules some chains have,
and what is in some sets."""


class NftError(PeerError):
    """The kernel or the nft program refused rules; `str()` is what it said, shortened. Nothing was changed."""


def is_permitted() -> bool:
    """Whether this process may see and change the rules, and so the links, of this network namespace."""
    try:
        tables = Nftables("swarmlet-probe", ())
    except OSError:
        return False
    try:
        return tables.may()
    finally:
        tables.close()


def is_usable() -> bool:
    """Whether this process may, and has the program nft to do it."""
    return shutil.which(PROGRAM) is not None and is_permitted()


async def remove(table: str, family: str = "ip") -> None:
    """Take a table that an earlier daemon left out of the kernel; one that this process may not see stays."""
    try:
        kernel = Nftables(table, (), family=family)
    except OSError:
        return
    try:
        left = kernel.exists()
    finally:
        kernel.close()
    if left:
        await run(f"add table {family} {table}\ndelete table {family} {table}\n")


async def run(script: str) -> None:
    """Give a script to the kernel; raise `NftError` where it refuses it or does not end, `OSError` where nft is not."""
    try:
        code, _, told = await programs.run(PROGRAM, "-f", "-", given=script.encode(), seconds=RUN_SECONDS_MAX)
    except FileNotFoundError:
        raise OSError(f"the program {PROGRAM} is not on this machine: install it") from None
    except TimeoutError:
        raise NftError(f"{PROGRAM} did not end in {RUN_SECONDS_MAX:g} s") from None
    if code:
        raise NftError(told.decode(errors="replace").strip()[:MESSAGE_LENGTH_MAX] or f"exit {code}")


class Nftables:
    """One table of the kernel. `chains` are those whose rules only ever change with the whole table.

    `sets` are small ones, whose elements are looked at too. `family` is the table's, in nft's words.
    """

    def __init__(self, table: str, chains: Sequence[str], *, sets: Sequence[str] = (), family: str = "ip") -> None:
        self._table = table
        self._chains = chains
        self._sets = sets
        self._family = _FAMILIES[family]
        self._netlink = Netfilter()
        self._generation = b""
        self._likeness: Likeness = ()

    def close(self) -> None:
        """Look at it no longer; the rules stay."""
        self._netlink.close()

    def may(self) -> bool:
        """Whether this process may ask for rules at all."""
        try:
            self.generation()
        except OSError:
            return False
        return True

    def generation(self) -> bytes:
        """Return the number of the newest change of any rules of this network namespace."""
        return next((each[_GENERATION_ID] for each in list(self._netlink.ask(_GET_GENERATION))), b"")

    def exists(self) -> bool:
        """Whether the table is there, as far as this process may see."""
        try:
            return bool(self._read_likeness())
        except OSError:
            return False

    async def apply(self, script: str) -> None:
        """Carry out a script of this table's, and know the table by what it made of it.

        Raises `NftError`, with nothing changed, where it is refused.
        """
        await run(script)
        self.note()

    def note(self) -> None:
        """Know the table as it is now: a script has just changed it."""
        self._generation, self._likeness = self.generation(), self._read_likeness()

    def is_disturbed(self) -> bool:
        """Whether somebody else changed the table since the last script; `OSError` where the kernel does not tell."""
        generation = self.generation()
        if generation == self._generation and self._likeness:
            return False
        if not self._likeness or self._read_likeness() != self._likeness:
            return True
        self._generation = generation
        return False

    def _read_likeness(self) -> Likeness:
        try:
            [table] = self._ask(_GET_TABLE, text(_TABLE_NAME, self._table))
            chains = [text(_CHAIN_TABLE, self._table) + text(_CHAIN_NAME, name) for name in self._chains]
            uses = [each[_CHAIN_USE] for payload in chains for each in self._ask(_GET_CHAIN, payload)]
            elements = [each for name in self._sets for each in self._read_elements(name)]
        except FileNotFoundError:
            return ()
        return table[_TABLE_HANDLE], table[_TABLE_USE], *uses, *elements

    def _read_elements(self, name: str) -> list[bytes]:
        """Return what is in a set, in an order that does not depend on the kernel's."""
        payload = text(_ELEMENTS_TABLE, self._table) + text(_ELEMENTS_SET, name)
        answers = self._ask(_GET_ELEMENTS, payload, flags=DUMP)
        return sorted(element for each in answers for _, element in items(each.get(_ELEMENTS, b"")))

    def _ask(self, message: int, payload: bytes, *, flags: int = ACKNOWLEDGE) -> Iterator[Attributes]:
        return self._netlink.ask(message, payload, flags=flags, family=self._family)
