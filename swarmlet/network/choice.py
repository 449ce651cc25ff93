"""By which way Services are reached on this machine: what its user asks for, and what its kernel allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OFF = "off"
AUTO = "auto"
NFTABLES = "nftables"
USERSPACE = "userspace"


@dataclass(frozen=True, slots=True)
class Choice:
    """A way, and why it is that one, in words for the machine's user."""

    way: str
    why: str


def choose(asked: str, kernel_is_usable: Callable[[], bool]) -> Choice:
    """Return the way; `asked` is the configuration's `network.services`.

    Who asks for nftables gets it, and hears of what fails: a proxy in its place would be another thing than asked for.
    """
    if asked != AUTO:
        return Choice(asked, f"network.services is {asked}")
    if kernel_is_usable():
        return Choice(NFTABLES, "the kernel balances")
    return Choice(USERSPACE, "no nft program, or no privilege to change the kernel's rules")
