"""When a Pod may start: what its policies ask is in the kernel before."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import structlog

from swarmlet.errors import UnavailableError
from swarmlet.model import kinds
from swarmlet.network import bridge_traffic
from swarmlet.network.nftables import NftError
from swarmlet.network.policies import isolation
from swarmlet.network.policies import kernel as kernel_policies
from swarmlet.network.policies.kernel import KernelPolicies
from swarmlet.store.commands import Key
from tests.network.policies.asked import Policies
from tests.virtual_time import VirtualClock, run

ADDRESS = "10.42.1.9"


class Kernel:
    """In the place of the kernel: what it was given. `refuses`: how many scripts it still refuses."""

    def __init__(self) -> None:
        self.scripts: list[str] = []
        self.refuses = 0
        self.disturbed = False
        self.does_not_tell = 0
        self.seconds_after = 0.0

    async def apply(self, script: str) -> None:
        await asyncio.sleep(0.01)
        if self.refuses:
            self.refuses -= 1
            raise NftError("no")
        self.scripts.append(script)
        self.disturbed = True  # until it is noted what the script made
        await asyncio.sleep(self.seconds_after)
        self.disturbed = False

    def is_disturbed(self) -> bool:
        if self.does_not_tell:
            self.does_not_tell -= 1
            raise TimeoutError("timed out")
        return self.disturbed

    def note(self) -> None:
        pass

    def close(self) -> None:
        pass


async def no() -> bool:
    return False


class Replica:
    """A replica that cannot tell what is newest, the first times it is asked."""

    def __init__(self, policies: Policies, failures: int = 0) -> None:
        self.view = policies.store
        self._failures = failures

    async def linearize(self) -> None:
        if self._failures:
            self._failures -= 1
            raise UnavailableError("no leader")


class Bench:
    def __init__(self, monkeypatch, *, failures: int = 0, held: Mapping[str, str] | None = None) -> None:
        self.cluster = Policies()
        self.kernel = Kernel()
        self.open = asyncio.Event()
        self._held = held or {}
        self.around = Kernel()
        monkeypatch.setattr(kernel_policies, "Nftables", lambda *_, **__: self.kernel)
        monkeypatch.setattr(isolation, "Nftables", lambda *_, **__: self.around)
        monkeypatch.setattr(isolation, "can_guard_ports", no)
        monkeypatch.setattr(bridge_traffic, "PLACE", Path("/"))
        monkeypatch.setattr(kernel_policies, "log", structlog.testing.CapturingLogger())
        self.policies = KernelPolicies(
            Replica(self.cluster, failures), "n1", VirtualClock(), status_port=7601, opened=self._opened
        )
        self.cluster.network()
        self.cluster.node("n1", "192.0.2.1", "10.42.1.0/24")
        self.cluster.policy("deny", podSelector={})
        self.cluster.pod("new", "", {"app": "new"})

    async def _opened(self) -> Mapping[str, str]:
        await self.open.wait()
        return self._held

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.policies.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def guards(self) -> bool:
        """Whether the Pod's chain is in the kernel."""
        return any(f"ingress-pods {{ {ADDRESS} : goto" in script for script in self.kernel.scripts)


def test_a_pod_is_ready_when_its_rules_are_in_the_kernel(monkeypatch) -> None:
    async def main() -> None:
        bench = Bench(monkeypatch, failures=2)
        async with bench.running():
            ready = asyncio.create_task(bench.policies.ready_for("uid-new", ADDRESS))
            await asyncio.sleep(30)
            assert not ready.done(), "the addresses of the Pods that run are not known yet"
            assert bench.kernel.scripts == [], "what an earlier daemon left stays"
            bench.open.set()
            await ready
            assert bench.guards

    run(main())


def test_a_pod_is_ready_when_its_rules_of_both_families_are_in_the_kernel(monkeypatch) -> None:
    async def main() -> None:
        bench = Bench(monkeypatch)
        bench.cluster.network("10.42.0.0/16,fd00:10:42::/56")
        bench.cluster.node("n1", "192.0.2.1", "10.42.1.0/24", "fd00:10:42:1::/64")
        bench.open.set()
        async with bench.running():
            await bench.policies.ready_for("uid-new", ADDRESS)
            assert bench.guards
            v6 = "add element ip6 swarmlet-policies ingress-pods { fd00:10:42:1::a2a:109 : goto"
            assert any(v6 in script for script in bench.kernel.scripts)

    run(main())


def test_a_pod_waits_while_the_kernel_refuses(monkeypatch) -> None:
    async def main() -> None:
        bench = Bench(monkeypatch)
        bench.open.set()
        async with bench.running():
            await asyncio.sleep(1)
            assert bench.policies.error == ""
            bench.kernel.refuses = 3
            ready = asyncio.create_task(bench.policies.ready_for("uid-new", ADDRESS))
            await asyncio.sleep(2)
            assert not ready.done()
            assert bench.policies.error == "no"
            await ready
            assert bench.guards
            assert bench.policies.error == ""

    run(main())


def test_pods_of_an_earlier_daemon_are_held_by_the_addresses_they_have(monkeypatch) -> None:
    async def main() -> None:
        bench = Bench(monkeypatch, held={"uid-new": ADDRESS})
        bench.open.set()
        async with bench.running():
            await asyncio.sleep(1)
            assert bench.guards

    run(main())


def test_a_node_that_was_deleted_meanwhile_is_waited_for(monkeypatch) -> None:
    async def main() -> None:
        bench = Bench(monkeypatch, held={"uid-new": ADDRESS})
        bench.cluster.delete(Key(kinds.NODE.resource, "", "n1"))
        bench.open.set()
        async with bench.running():
            await asyncio.sleep(5)
            assert bench.kernel.scripts == []
            bench.cluster.node("n1", "192.0.2.1", "10.42.1.0/24")
            await asyncio.sleep(2)
            assert bench.guards

    run(main())


@pytest.mark.parametrize("which", ["kernel", "around"])
def test_a_table_that_a_stranger_changed_is_made_anew(monkeypatch, which: str) -> None:
    async def main() -> None:
        bench = Bench(monkeypatch, held={"uid-new": ADDRESS})
        bench.open.set()
        async with bench.running():
            await asyncio.sleep(1)
            bench.kernel.scripts.clear()
            getattr(bench, which).disturbed = True
            await asyncio.sleep(1)
            getattr(bench, which).disturbed = False
            assert bench.guards
            assert bench.kernel.scripts[0].startswith("add table")
            assert "add table inet swarmlet-isolation" in bench.kernel.scripts[0]

    run(main())


def test_what_a_stranger_changed_just_before_a_change_of_ours_is_not_taken_for_ours(monkeypatch) -> None:
    async def main() -> None:
        bench = Bench(monkeypatch)
        bench.open.set()
        async with bench.running():
            await asyncio.sleep(1.1)
            bench.kernel.scripts.clear()
            bench.around.disturbed = True
            await bench.policies.ready_for("uid-new", ADDRESS)
            assert bench.kernel.scripts[0].startswith("add table")
            assert bench.guards

    run(main())


def test_what_a_script_of_ours_makes_is_not_taken_for_a_strangers(monkeypatch) -> None:
    async def main() -> None:
        bench = Bench(monkeypatch)
        bench.open.set()
        async with bench.running():
            await asyncio.sleep(1)
            bench.kernel.scripts.clear()
            bench.kernel.seconds_after = 2 * kernel_policies.LOOK_SECONDS
            await bench.policies.ready_for("uid-new", ADDRESS)
            await asyncio.sleep(3)
            assert "policy_rules_disturbed" not in [call.args[0] for call in kernel_policies.log.calls]

    run(main())


def test_a_kernel_that_once_does_not_tell_ends_nothing(monkeypatch) -> None:
    async def main() -> None:
        bench = Bench(monkeypatch, held={"uid-new": ADDRESS})
        bench.open.set()
        async with bench.running():
            await asyncio.sleep(1)
            bench.kernel.scripts.clear()
            bench.kernel.does_not_tell = 1
            await asyncio.sleep(1)
            assert bench.guards, "made anew, for nobody knows"
            assert bench.policies.error == ""

    run(main())


def test_a_kernel_that_shows_no_bridged_traffic_is_told_of_once(monkeypatch, tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(monkeypatch)
        monkeypatch.setattr(bridge_traffic, "PLACE", tmp_path / "of-a-kernel-without-it")
        monkeypatch.setattr(bridge_traffic, "log", structlog.testing.CapturingLogger())
        bench.open.set()
        async with bench.running():
            await asyncio.sleep(5)
            assert [call.args for call in bridge_traffic.log.calls] == [("bridge_traffic_not_seen",)]

    run(main())


def test_a_pod_that_nobody_selects_is_only_let_send(monkeypatch) -> None:
    async def main() -> None:
        bench = Bench(monkeypatch)
        bench.cluster.pod("b/free", "")
        bench.open.set()
        async with bench.running():
            await asyncio.sleep(1)
            told = len(bench.kernel.scripts)
            await bench.policies.ready_for("uid-free", "10.42.1.10")
            assert bench.kernel.scripts[told:] == ["add element inet swarmlet-isolation pods { 10.42.1.10 }\n"]

    run(main())
