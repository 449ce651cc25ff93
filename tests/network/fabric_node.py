"""A node's fabric, applied once in the network namespace that this program runs in: mode, own member, the others."""

from __future__ import annotations

import asyncio
import sys

from swarmlet.network.fabric import plan as fabric
from swarmlet.network.fabric.links import FabricError, FabricLinks


async def main(mode: str, own: str = "", *others: str) -> None:
    links = FabricLinks()
    if mode == "remove":
        print(await links.remove())
        return
    if mode == "check-free":
        try:
            await links.check_free(own)
        except FabricError as error:
            print(f"error: {error}")
        return
    me = fabric.Member(*own.split(","))
    try:
        underlay = await links.underlay(me.address)
        everybody = [fabric.Member(*each.split(",")) for each in others]
        print(await links.apply(fabric.render(mode, me, everybody, underlay_mtu=underlay.mtu), underlay))
    except FabricError as error:
        print(f"error: {error}")


asyncio.run(main(*sys.argv[1:]))
