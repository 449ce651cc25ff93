"""What a runtime promises that gives Pods a network of their own, beside what every runtime does."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable

import pytest

from swarmlet.errors import EngineError
from swarmlet.runtime import runtime
from tests.contract.runtime_contract import HOLD, RuntimeContract, shell

POD_NETWORK = runtime.BridgeNetwork(
    name="swarmlet", bridge="swl0", subnet="10.42.7.0/24", gateway="10.42.7.1", mtu=1450
)

DUAL_NETWORK = dataclasses.replace(POD_NETWORK, subnet_v6="fd00:10:42:7::/64", gateway_v6="fd00:10:42:7::a2a:701")


class NetworkedRuntimeContract(RuntimeContract):
    """For runtimes whose `networks` are there."""

    @pytest.fixture
    async def networks(self, rt: runtime.Runtime) -> AsyncIterator[runtime.Networks]:
        found = rt.networks()
        assert found is not None
        yield found
        for container in await rt.list():
            await rt.remove(container.id)
        await found.remove(POD_NETWORK.name)

    async def test_a_pod_has_the_address_that_it_is_given_on_its_nodes_network(
        self, rt: runtime.Runtime, networks: runtime.Networks
    ) -> None:
        await networks.ensure(POD_NETWORK)
        await networks.ensure(POD_NETWORK)
        network = runtime.PodNetwork(bridge_network=POD_NETWORK.name, address="10.42.7.99")
        assert (await rt.start(shell(HOLD, network=network))).address == "10.42.7.99"

    async def test_a_pod_has_an_address_of_each_family_where_its_nodes_network_has_both(
        self, rt: runtime.Runtime, networks: runtime.Networks
    ) -> None:
        await networks.ensure(DUAL_NETWORK)
        await networks.ensure(DUAL_NETWORK)
        address = "fd00:10:42:7::a2a:763"
        network = runtime.PodNetwork(bridge_network=POD_NETWORK.name, address="10.42.7.99", address_v6=address)
        started = await rt.start(shell(HOLD, network=network))
        assert (started.address, started.address_v6) == ("10.42.7.99", address)

    async def test_the_network_of_another_node_is_taken_over_once_nothing_is_attached_to_it(
        self, rt: runtime.Runtime, new_runtime: Callable[..., runtime.Runtime], networks: runtime.Networks
    ) -> None:
        await networks.ensure(POD_NETWORK)
        network = runtime.PodNetwork(bridge_network=POD_NETWORK.name, address="10.42.7.99")
        started = await rt.start(shell(HOLD, network=network))
        other = new_runtime("other")
        theirs = other.networks()
        assert theirs is not None
        with pytest.raises(EngineError, match="not this node's"):
            await theirs.ensure(POD_NETWORK)
        await theirs.remove(POD_NETWORK.name)
        await networks.ensure(POD_NETWORK)
        await rt.stop(started.id, grace_seconds=0)
        await theirs.ensure(POD_NETWORK)
        await theirs.remove(POD_NETWORK.name)
        await networks.ensure(POD_NETWORK)
        await other.close()
