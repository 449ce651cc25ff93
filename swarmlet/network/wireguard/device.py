"""Makes a WireGuard device that is there what it is to be."""

from __future__ import annotations

from swarmlet.network.wireguard import plan as wireguard
from swarmlet.network.wireguard.kernel import WireguardKernel
from swarmlet.network.wireguard.plan import DEVICE, Wireguard


async def settle(kernel: WireguardKernel, wanted: Wireguard, private_key: str) -> list[str]:
    """Make good what is missing or otherwise; return what was, in words. A second call finds nothing to do."""
    step = wireguard.step(await kernel.read(DEVICE), wanted, private_key)
    done = []
    if step.is_named_anew:
        await kernel.name(DEVICE, private_key, wanted.port)
        done.append(f"key of {DEVICE}")
    for public_key in step.gone:
        await kernel.drop(DEVICE, public_key)
        done.append(f"peer {public_key} removed")
    for peer in step.put:
        await kernel.put(DEVICE, peer)
        done.append(f"peer {peer.address}")
    return done
