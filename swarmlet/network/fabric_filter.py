"""Puts the Pod network's rules into the kernel's packet filter, and puts them back where a stranger took them away."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from swarmlet.network import fabric_rules
from swarmlet.network.fabric_links import FabricError

PROGRAM_SECONDS_MAX = 10.0
LOCK_SECONDS = 5
"""How long iptables waits for others who change its rules, Docker above all."""
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


class FabricFilter:
    """One for a machine. It remembers how the kernel lists our table, to see whether it still does."""

    def __init__(self) -> None:
        self._asked = ""
        self._listed = ""

    async def apply(self, subnet: str, cluster_cidr: str) -> list[str]:
        """Make good what is missing or otherwise; return what was, in words. Raises `FabricError`."""
        done = []
        if await asyncio.to_thread(_let_forward):
            done.append(str(FORWARDING))
        asked = fabric_rules.table(subnet, cluster_cidr)
        if asked != self._asked or await self._list() != self._listed:
            await _run("nft", "-f", "-", given=asked)
            self._asked, self._listed = asked, await self._list()
            done.append(f"table {fabric_rules.TABLE}")
        if shutil.which("iptables") is not None:
            commands = fabric_rules.forwarding(await _iptables_rules(), cluster_cidr)
            if commands:
                await _run("iptables-restore", "--noflush", f"--wait={LOCK_SECONDS}", given=commands)
                done.append(f"chain {fabric_rules.CHAIN}")
        return done

    async def remove(self) -> None:
        """Take away what an earlier run has left."""
        self._asked = self._listed = ""
        await _run("nft", "-f", "-", given=fabric_rules.no_table())
        if shutil.which("iptables") is not None:
            commands = fabric_rules.no_forwarding(await _iptables_rules())
            if commands:
                await _run("iptables-restore", "--noflush", f"--wait={LOCK_SECONDS}", given=commands)

    async def _list(self) -> str:
        """Return our table in the kernel's words, "" where it is not there, or cannot be listed."""
        try:
            return await _run("nft", "list", "table", "ip", fabric_rules.TABLE)
        except FabricError:
            return ""


async def _iptables_rules() -> str:
    return await _run("iptables", f"--wait={LOCK_SECONDS}", "-S")


def _let_forward() -> bool:
    """Have the kernel forward packets; return whether it did not."""
    if FORWARDING.read_text(encoding="ascii").strip() == "1":
        return False
    try:
        FORWARDING.write_text("1", encoding="ascii")
    except OSError as error:
        raise FabricError(f"{FORWARDING}: {error.strerror}") from error
    return True


async def _run(*argv: str, given: str = "") -> str:
    """Run a program and return what it printed; raise `FabricError` in its words where it fails or takes too long."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        raise FabricError(f"{argv[0]}: {error.strerror}") from error
    try:
        async with asyncio.timeout(PROGRAM_SECONDS_MAX):
            printed, complaint = await process.communicate(given.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise FabricError(f"{argv[0]} did not end in {PROGRAM_SECONDS_MAX:g} s") from None
    if process.returncode:
        raise FabricError(f"{argv[0]}: {' '.join(complaint.decode(errors='replace').split())[:500]}")
    return printed.decode(errors="replace")
