"""A StatefulSet with volumes on whole daemons under faults: data stay where they are, and are never there twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from swarmlet.api.queries import WriteOptions
from swarmlet.api.reading.reads import Reader
from swarmlet.api.targets import Target
from swarmlet.api.writing.writes import Writer
from swarmlet.model import kinds, storage, volumes
from swarmlet.model.apps_sets import PARALLEL, ClaimRetentionPolicy, StatefulSet, StatefulSetSpec
from swarmlet.model.container import Container, VolumeMount
from swarmlet.model.meta import DeleteOptions, LabelSelector, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec, PodTemplateSpec
from swarmlet.model.storage import PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResources
from swarmlet.runtime import runtime
from swarmlet.scheduler import placement
from swarmlet.scheduler import volumes as scheduler_volumes
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored
from tests.simulation import faults
from tests.simulation.daemon_world import SETTLED, DaemonWorld
from tests.simulation.daemons import Host
from tests.simulation.faults import Plan
from tests.simulation.violations import Violation, require
from tests.simulation.workload import IMAGES, Desk

pytestmark = pytest.mark.slow

REPLICAS = 3
STORE = Target(kinds.STATEFUL_SET, "default", "store")
AT_HOME = "a Pod runs on the machine of its volume"
GONE = "what is deleted leaves no folder"

KILLED_WHILE_IT_BEGINS = [
    faults.parse(f"plan machines=3 clients=0 seconds=40\n{at} kill machine=m1 down_seconds=5")
    for at in (0.05, 0.3, 1.1)
]
"""The first machine founds the cluster, and leads it while nothing happens."""
PARTED = faults.parse("""plan machines=3 clients=0 seconds=110
15 power-cut machine=m1 down_seconds=30
50 cut machines=m2 way=both seconds=25
80 kill machine=m3 down_seconds=0.1
90 power-cut machine=m2 down_seconds=12
""")
"""Every machine is away for longer than it takes to replace the Pods of others."""


def store() -> StatefulSet:
    claim = PersistentVolumeClaim(
        metadata=ObjectMeta(name="data"),
        spec=PersistentVolumeClaimSpec(
            access_modes=("ReadWriteOnce",), resources=VolumeResources(requests={"storage": "1Gi"})
        ),
    )
    container = Container(name="main", image=IMAGES[0], volume_mounts=(VolumeMount(name="data", mount_path="/data"),))
    template = PodTemplateSpec(metadata=ObjectMeta(labels={"app": "store"}), spec=PodSpec(containers=(container,)))
    spec = StatefulSetSpec(
        replicas=REPLICAS,
        selector=LabelSelector(match_labels={"app": "store"}),
        template=template,
        pod_management_policy=PARALLEL,
        volume_claim_templates=(claim,),
        persistent_volume_claim_retention_policy=ClaimRetentionPolicy(when_deleted="Delete"),
    )
    return StatefulSet(metadata=ObjectMeta(name="store", namespace="default"), spec=spec)


class StoreWorld(DaemonWorld):
    """A cluster that is given a StatefulSet; each of its containers writes into its volume that it was there."""

    def _suffer(self) -> None:
        for host in self.hosts.values():
            host.engine.tell_start = lambda container, host=host: self._started(host, container)
        self._see_through("make the store", self._make)
        super()._suffer()

    async def _make(self, desk: Desk) -> None:
        await self._writer(desk).make(STORE, store(), WriteOptions())

    def delete(self) -> None:
        """Delete the StatefulSet, whose claims go with it, and wait until nothing is left."""

        async def delete(desk: Desk) -> None:
            await self._writer(desk).remove(STORE, DeleteOptions(propagation_policy="Background"))

        self._see_through("delete the store", delete)
        require(self._until(lambda: not list(self._folders()), 120.0), GONE, str(list(self._folders())))
        view = self.hosts["m1"].store
        require(self._until(lambda: not view.list("persistentvolumes"), 60.0), GONE, "a volume is still there")

    def _writer(self, desk: Desk) -> Writer:
        reader = Reader(replica=desk.replica, clock=desk.clock, lease_source=desk.leases)
        return Writer(replica=desk.replica, reader=reader, clock=desk.clock, rng=self.kernel.chance("store"))

    def _started(self, host: Host, container: runtime.Container) -> None:
        self._check_singletons()
        if container.name == runtime.SANDBOX or host.incarnation is None:
            return
        claim = host.store.get(Key("persistentvolumeclaims", "default", f"data-{container.pod.name}"))
        folder = (
            host.volumes.kept / cast("PersistentVolumeClaim", claim.object).spec.volume_name if claim else Path("?")
        )
        if not folder.is_dir():
            self._note(AT_HOME, f"{container.pod.name} runs on {host.name} without its volume")
            return
        with (folder / "starts").open("a") as file:
            file.write(f"{container.pod.name} {host.name}\n")

    def _folders(self) -> Iterator[Path]:
        for host in self.hosts.values():
            if host.volumes.kept.is_dir():
                yield from host.volumes.kept.iterdir()

    def _wrong(self) -> list[str]:
        return super()._wrong() or list(self._misplaced())

    def _misplaced(self) -> Iterator[str]:
        view = self.hosts["m1"].store
        claims = [cast("PersistentVolumeClaim", each.object) for each in view.list("persistentvolumeclaims")]
        made = {each.key.name: cast("PersistentVolume", each.object) for each in view.list("persistentvolumes")}
        if len(claims) != REPLICAS or {claim.spec.volume_name for claim in claims} != made.keys():
            yield f"{len(claims)} claims have {sorted(made)}"
        if any(claim.status.phase != storage.BOUND for claim in claims):
            yield "a claim is not bound"
        if sorted(folder.name for folder in self._folders()) != sorted(made):
            yield f"the folders are {sorted(self._folders())}"
        for stored in view.list("pods"):
            yield from self._pod(stored, made)

    def _pod(self, stored: Stored, made: dict[str, PersistentVolume]) -> Iterator[str]:
        pod = cast("Pod", stored.object)
        kept_for = {volume.spec.claim_ref.name: volume for volume in made.values() if volume.spec.claim_ref}
        home = volumes.node_name(kept_for[f"data-{pod.metadata.name}"])
        if pod.spec.node_name != home:
            yield f"{pod.metadata.name} is on {pod.spec.node_name}, its volume on {home}"
        folder = self.hosts[home].volumes.kept / kept_for[f"data-{pod.metadata.name}"].metadata.name
        lines = (folder / "starts").read_text().splitlines()
        if set(lines) != {f"{pod.metadata.name} {home}"}:
            yield f"{folder} was written by {set(lines)}"


def run(seed: int, plan: Plan, folder: Path, *, delete: bool = False) -> list[str]:
    """Return what happened; raise `Violation` where a promise is broken."""
    world = StoreWorld(seed, plan, folder)
    try:
        world.run()
        if delete:
            world.delete()
    except Violation as violation:
        raise AssertionError("\n".join([str(violation), *world.kernel.trace[-40:]])) from violation
    finally:
        world.dispose()
    return list(world.kernel.trace)


@pytest.mark.parametrize("plan", KILLED_WHILE_IT_BEGINS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_leader_killed_in_the_middle_makes_no_second_volume(seed: int, plan: Plan, tmp_path: Path) -> None:
    run(seed, plan, tmp_path)


@pytest.mark.parametrize("seed", [0, 1])
def test_data_stay_with_their_pods_though_every_machine_is_away_for_long(seed: int, tmp_path: Path) -> None:
    run(seed, PARTED, tmp_path, delete=True)


def test_a_scheduler_that_forgets_where_volumes_lie_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scheduler_volumes, "is_reached", lambda _demand, _name, _labels: True)
    monkeypatch.setattr(placement._Round, "_looked_at", lambda field, _demand, _refusals: field._nodes.values())
    with pytest.raises(AssertionError, match=SETTLED):
        run(0, PARTED, tmp_path)
