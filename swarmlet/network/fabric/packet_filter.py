"""Puts the Pod network's rules into the kernel's packet filter, and puts them back where a stranger took them away."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from swarmlet.network import programs
from swarmlet.network.fabric import rules as fabric_rules
from swarmlet.network.fabric.links import FabricError
from swarmlet.network.fabric.rules import Way

PROGRAM_SECONDS_MAX = 10.0
LOCK_SECONDS = 5
"""How long iptables waits for others who change its rules, Docker above all."""
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
FORWARDING_V6 = Path("/proc/sys/net/ipv6/conf/all/forwarding")
LINKS_V6 = Path("/proc/sys/net/ipv6/conf")
IPTABLES = {"ip": "iptables", "ip6": "ip6tables"}
"""The program for each of nft's families."""


class FabricFilter:
    """One for a machine. It remembers how the kernel lists our tables, to see whether it still does."""

    def __init__(self) -> None:
        self._listed: dict[str, tuple[str, str]] = {}

    async def let_forward(self, *, is_dual: bool) -> list[str]:
        """Have the kernel forward packets; return which switches were off. Raises `FabricError`."""
        return await asyncio.to_thread(_let_forward, [FORWARDING, *([FORWARDING_V6] if is_dual else [])])

    async def apply(self, ways: Sequence[Way]) -> list[str]:
        """Make good what is missing or otherwise; return what was, in words. Raises `FabricError`."""
        done = []
        for way in ways:
            asked = fabric_rules.table(way)
            if self._listed.get(way.family) != (asked, await _list(way.family)):
                await _run("nft", "-f", "-", given=asked)
                self._listed[way.family] = asked, await _list(way.family)
                done.append(f"table {way.family} {fabric_rules.TABLE}")
            iptables = IPTABLES[way.family]
            if shutil.which(iptables) is not None:
                commands = fabric_rules.forwarding(await _rules(iptables), way.cluster_cidr)
                if commands:
                    await _restore(iptables, commands)
                    done.append(f"chain {fabric_rules.CHAIN} of {iptables}")
        return done

    async def remove(self) -> None:
        """Take away what an earlier run has left."""
        self._listed.clear()
        for family, iptables in IPTABLES.items():
            if family == "ip6" and not await _list(family):
                continue  # there was no IPv6, or there is none any more
            if shutil.which(iptables) is not None:
                commands = fabric_rules.no_forwarding(await _rules(iptables))
                if commands:
                    await _restore(iptables, commands)
            await _run("nft", "-f", "-", given=fabric_rules.no_table(family))


async def _list(family: str) -> str:
    """Return our table of a family in the kernel's words, "" where it is not there, or cannot be listed."""
    try:
        return await _run("nft", "list", "table", family, fabric_rules.TABLE)
    except FabricError:
        return ""


async def _rules(iptables: str) -> str:
    return await _run(iptables, f"--wait={LOCK_SECONDS}", "-S")


async def _restore(iptables: str, commands: str) -> None:
    await _run(f"{iptables}-restore", "--noflush", f"--wait={LOCK_SECONDS}", given=commands)


def _let_forward(switches: Iterable[Path]) -> list[str]:
    """Turn on what is off, and return what was."""
    done = []
    for switch in switches:
        try:
            if switch.read_text(encoding="ascii").strip() != "1":
                if switch == FORWARDING_V6:
                    _keep_router_advertisements()
                switch.write_text("1", encoding="ascii")
                done.append(str(switch))
        except OSError as error:
            raise FabricError(f"{switch}: {error.strerror}") from error
    return done


def _keep_router_advertisements() -> None:
    """Let links that learn their routes of IPv6 from a router go on: who forwards learns none, unless told so twice.

    Source: kernel.org/doc/Documentation/networking/ip-sysctl.rst (accept_ra).
    """
    for switch in LINKS_V6.glob("*/accept_ra"):
        if switch.read_text(encoding="ascii").strip() == "1":
            switch.write_text("2", encoding="ascii")


async def _run(*argv: str, given: str = "") -> str:
    """Run a program and return what it printed; raise `FabricError` in its words where it fails or takes too long."""
    try:
        code, printed, complaint = await programs.run(*argv, given=given.encode(), seconds=PROGRAM_SECONDS_MAX)
    except TimeoutError:
        raise FabricError(f"{argv[0]} did not end in {PROGRAM_SECONDS_MAX:g} s") from None
    except FileNotFoundError:
        raise FabricError(
            f"the program {argv[0]} is not on this machine: install it, or set network.mode to none"
        ) from None
    except OSError as error:
        raise FabricError(f"{argv[0]}: {error.strerror}") from error
    if code:
        raise FabricError(f"{argv[0]}: {' '.join(complaint.decode(errors='replace').split())[:500]}")
    return printed.decode(errors="replace")
