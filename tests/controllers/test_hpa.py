"""HorizontalPodAutoscalers from end to end, in virtual time: Pods that share a load, sampled every fifteen seconds."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from swarmlet.config import Autoscaling
from swarmlet.controllers.autoscaling.hpa import HorizontalPodAutoscalers
from swarmlet.controllers.work.runner import Controllers
from swarmlet.model import autoscaling as model
from swarmlet.model import conditions, defaults, kinds, validation
from swarmlet.model.apps import ReplicaSet, ReplicaSetSpec
from swarmlet.model.apps_sets import StatefulSet, StatefulSetSpec
from swarmlet.model.container import ResourceRequirements
from swarmlet.model.meta import LabelSelector, ObjectMeta
from swarmlet.model.pod import Pod, PodTemplateSpec
from swarmlet.model.samples import ContainerSample, NodeSample, PodSample
from swarmlet.ownership import entries, tracking
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored
from tests.controllers.world import World, new_deployment, new_template

PERIOD = 15.0
MIB = 1024 * 1024
AUTOSCALERS = kinds.HORIZONTAL_POD_AUTOSCALER


class LoadWorld(World):
    """`load_millis` is shared by the Pods that serve; each has `memory_bytes`. `silent`: nobody is sampled."""

    load_millis = 0
    memory_bytes = 50 * MIB
    silent = False

    async def __aenter__(self):
        await super().__aenter__()
        self._tasks.append(self.group.create_task(self._sample()))
        return self

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            if not self.silent:
                self.sample()

    def sample(self) -> None:
        """Have every node tell what its Pods use."""
        serving = self.serving()
        for node in self.agents:
            pods = tuple(self._pod_sample(pod, len(serving)) for pod in serving if pod.spec.node_name == node)
            told = NodeSample(node, self.clock.now(), PERIOD, PERIOD, 0, 0, pods)
            self.heartbeats.usage.take(node, msgspec.msgpack.encode(told))

    def _pod_sample(self, pod: Pod, count: int) -> PodSample:
        metadata, cpu = pod.metadata, self.load_millis * 10**6 // count
        containers = (ContainerSample("main", cpu, self.memory_bytes),)
        return PodSample(metadata.namespace, metadata.name, metadata.uid, self.clock.now(), PERIOD, containers)

    async def deploy(self, replicas: int = 2, name: str = "web", request: str = "100m") -> None:
        await self.create(kinds.DEPLOYMENT, new_deployment(name, replicas, template=asking(name, request)))
        await self.pass_time(PERIOD * 2 + 5)

    async def autoscale(self, name: str = "web", target: str = "web", **spec: object) -> None:
        """Make a HorizontalPodAutoscaler as the API does: of half of what the Pods ask for."""
        reference = model.CrossVersionObjectReference(kind="Deployment", name=target, api_version="apps/v1")
        given = {"scale_target_ref": reference, "min_replicas": 1, "max_replicas": 10, "metrics": (cpu(50),)} | spec
        value = model.HorizontalPodAutoscaler(
            metadata=ObjectMeta(name=name, namespace="default"), spec=model.HorizontalPodAutoscalerSpec(**given)
        )
        complete = defaults.fill(value)
        validation.validate(complete)
        await self.create(AUTOSCALERS, complete)

    def autoscaler(self, name: str = "web") -> model.HorizontalPodAutoscaler:
        return self.stored(AUTOSCALERS, name).object

    def told(self, type_: str, name: str = "web") -> tuple[str, str, str]:
        found = conditions.get(self.autoscaler(name).status.conditions, type_)
        assert found, f"no condition {type_}"
        return found.status, found.reason, found.message

    def replicas(self) -> int:
        return self.deployment("web").spec.replicas

    async def change_leader(self) -> None:
        """Another machine leads: what only memory held is gone."""
        self.replica.lead(False)
        await self.pass_time(1)
        self.replica.lead(True)
        await self.pass_time(0.5)
        self.sample()


def asking(name: str, request: str) -> PodTemplateSpec:
    """Return a template whose container asks for so much processor time."""
    template = new_template(name)
    (container,) = template.spec.containers
    asked = ResourceRequirements(requests={"cpu": request, "memory": "100Mi"} if request else {})
    containers = (msgspec.structs.replace(container, resources=asked),)
    return msgspec.structs.replace(template, spec=msgspec.structs.replace(template.spec, containers=containers))


def metric(name: str, container: str = "", **target: object) -> model.MetricSpec:
    kind = "Utilization" if "average_utilization" in target else "AverageValue"
    wanted = model.MetricTarget(type=kind, **target)
    if container:
        source = model.ContainerResourceMetricSource(name=name, container=container, target=wanted)
        return model.MetricSpec(type="ContainerResource", container_resource=source)
    return model.MetricSpec(type="Resource", resource=model.ResourceMetricSource(name=name, target=wanted))


def cpu(share: int) -> model.MetricSpec:
    return metric("cpu", average_utilization=share)


QUICK_DOWN = model.Behavior(
    scale_down=model.ScalingRules(
        stabilization_window_seconds=30,
        policies=(model.ScalingPolicy(type="Percent", value=100, period_seconds=15),),
    )
)


@pytest.fixture
async def world():
    async with LoadWorld() as world:
        yield world


async def test_it_scales_up_to_what_the_load_asks_for(world: LoadWorld) -> None:
    world.load_millis = 300
    await world.deploy(2)
    await world.autoscale()
    await world.pass_time(20)
    assert world.replicas() == 6, "150 % of what is asked for, where there shall be 50 %"
    await world.pass_time(60)
    assert world.replicas() == 6
    assert len(world.serving()) == 6
    status = world.autoscaler().status
    assert (status.current_replicas, status.desired_replicas, status.observed_generation) == (6, 6, 1)
    assert status.last_scale_time is not None
    (measured,) = status.current_metrics
    assert measured.resource.current == model.MetricValueStatus(average_utilization=50, average_value="50m")
    (event,) = world.events("SuccessfulRescale")
    assert event.message == "New size: 6; reason: cpu resource utilization (percentage of request) above target"
    assert event.involved_object.kind == "HorizontalPodAutoscaler"
    scaled = next(each for each in world.replica.view.history.newest_first() if each.key.name == "web")
    assert (scaled.origin.who, scaled.origin.note) == ("system:controller:horizontal-pod-autoscaler", event.message)
    assert world.told("AbleToScale") == ("True", "ReadyForNewScale", "recommended size matches current size")
    assert world.told("ScalingActive")[:2] == ("True", "ValidMetricFound")
    assert world.told("ScalingLimited")[:2] == ("False", "DesiredWithinRange")
    assert world.deployment("web").metadata.generation == 2


async def test_it_grows_no_faster_than_the_policies_let_it_and_not_beyond_its_maximum(world: LoadWorld) -> None:
    world.load_millis = 8000
    await world.deploy(1)
    await world.autoscale(max_replicas=12)
    sizes = []
    for _ in range(8):
        await world.pass_time(PERIOD)
        sizes.append(world.replicas())
    assert [size for size in dict.fromkeys(sizes) if size > 1] == [5, 10, 12]
    assert world.told("ScalingLimited") == (
        "True", "TooManyReplicas", "the desired replica count is more than the maximum replica count",
    )  # fmt: skip


async def test_it_shrinks_only_when_a_whole_window_asked_for_less(world: LoadWorld) -> None:
    world.load_millis = 300
    await world.deploy(2)
    await world.autoscale()
    await world.pass_time(60)
    assert world.replicas() == 6
    world.load_millis = 60
    await world.pass_time(290)
    assert world.replicas() == 6
    assert world.told("AbleToScale")[1] == "ScaleDownStabilized"
    await world.pass_time(60)
    assert world.replicas() == 2
    told = {each.message for each in world.events("SuccessfulRescale")}
    assert "New size: 2; reason: All metrics below target" in told
    world.load_millis = 0
    await world.pass_time(400)
    assert world.replicas() == 1


async def test_a_new_leader_shrinks_nothing_before_it_has_seen_a_window_itself(world: LoadWorld) -> None:
    world.load_millis = 300
    await world.deploy(2)
    await world.autoscale()
    await world.pass_time(60)
    world.load_millis = 60
    await world.pass_time(250)
    await world.change_leader()
    began = world.clock.now()
    while world.replicas() == 6:
        await world.pass_time(1)
    waited = (world.clock.now() - began).total_seconds()
    assert 295 <= waited <= 330
    assert world.replicas() == 2


async def test_a_change_of_leader_is_seen_in_no_condition(world: LoadWorld) -> None:
    world.load_millis = 300
    await world.deploy(2)
    await world.autoscale()
    await world.pass_time(60)
    before, count = world.autoscaler(), len(world.replica.commands)
    await world.change_leader()
    await world.pass_time(60)
    assert world.autoscaler() == before
    assert world.commands_since(count) == []
    assert world.events("FailedGetResourceMetric") == []


async def test_a_quiet_autoscaler_writes_nothing(world: LoadWorld) -> None:
    world.load_millis = 100
    await world.deploy(2)
    await world.autoscale(metrics=(cpu(50), metric("memory", average_value="60Mi")))
    await world.pass_time(60)
    count = len(world.replica.commands)
    for number in range(40):
        world.memory_bytes = 50 * MIB + number * 4096
        await world.pass_time(PERIOD)
    assert world.commands_since(count) == []
    world.memory_bytes = 55 * MIB
    await world.pass_time(2 * PERIOD)
    assert len(world.commands_since(count)) == 1
    assert world.autoscaler().status.current_metrics[1].resource.current.average_value == str(55 * MIB)


async def test_where_there_is_none_nothing_is_looked_at(world: LoadWorld) -> None:
    await world.deploy(2)
    count = len(world.replica.commands)
    await world.pass_time(300)
    assert world.commands_since(count) == []


async def test_the_metric_that_asks_for_most_counts(world: LoadWorld) -> None:
    world.load_millis = 100
    world.memory_bytes = 90 * MIB
    await world.deploy(2)
    await world.autoscale(max_replicas=6, metrics=(cpu(50), metric("memory", average_utilization=30)))
    await world.pass_time(40)
    assert world.replicas() == 6
    (event,) = world.events("SuccessfulRescale")
    assert "memory resource utilization (percentage of request) above target" in event.message


async def test_a_container_of_the_pods_and_an_amount_can_be_the_measure(world: LoadWorld) -> None:
    world.load_millis = 300
    await world.deploy(2)
    await world.autoscale(metrics=(metric("cpu", "main", average_value="100m"),))
    await world.pass_time(40)
    assert world.replicas() == 3
    (measured,) = world.autoscaler().status.current_metrics
    assert measured.container_resource.container == "main"
    assert measured.container_resource.current.average_utilization is None


async def test_without_metrics_it_says_so_and_changes_nothing(world: LoadWorld) -> None:
    world.silent = True
    await world.deploy(2)
    await world.autoscale()
    await world.pass_time(100)
    assert world.replicas() == 2
    why = (
        "failed to get cpu utilization: unable to get metrics for resource cpu: "
        "no metrics returned from resource metrics API"
    )
    assert world.told("ScalingActive") == (
        "False", "FailedGetResourceMetric", f"the HPA was unable to compute the replica count: {why}",
    )  # fmt: skip
    assert [(event.message, event.count, event.type) for event in world.events("FailedGetResourceMetric")] == [
        (why, 1, "Warning")
    ]
    (event,) = world.events("FailedComputeMetricsReplicas")
    assert event.message == f"invalid metrics (1 invalid out of 1), first error is: {why}"
    world.silent = False
    await world.pass_time(40)
    assert world.told("ScalingActive")[1] == "ValidMetricFound"


async def test_pods_that_ask_for_nothing_have_no_share(world: LoadWorld) -> None:
    await world.deploy(2, request="")
    await world.autoscale()
    await world.pass_time(20)
    assert "missing request for cpu in container main of Pod web-" in world.told("ScalingActive")[2]


async def test_bounds_hold_without_any_metric(world: LoadWorld) -> None:
    world.silent = True
    await world.deploy(2)
    await world.autoscale(min_replicas=4)
    await world.pass_time(20)
    assert world.replicas() == 4
    await world.change(
        AUTOSCALERS,
        "web",
        lambda it: msgspec.structs.replace(it, spec=msgspec.structs.replace(it.spec, min_replicas=1, max_replicas=3)),
    )
    await world.pass_time(1)
    assert world.replicas() == 3, "a changed spec is not waited for"
    assert {event.message for event in world.events("SuccessfulRescale")} == {
        "New size: 4; reason: Current number of replicas below Spec.MinReplicas",
        "New size: 3; reason: Current number of replicas above Spec.MaxReplicas",
    }


async def test_the_replicas_that_it_sets_are_its_own(world: LoadWorld) -> None:
    alice = entries.manager(entries.UPDATE, "alice", "apps/v1")
    await world.deploy(2)
    await world.change(
        kinds.DEPLOYMENT,
        "web",
        lambda it: tracking.with_managers(it, {alice: entries.Share({"f:spec": {"f:paused": {}, "f:replicas": {}}})}),
    )
    world.silent = True
    await world.autoscale(min_replicas=4)
    await world.pass_time(20)
    shares = entries.read(world.deployment("web").metadata.managed_fields)
    scaler = entries.manager(entries.UPDATE, "kube-controller-manager", "apps/v1", "scale")
    assert {who: share.fields for who, share in shares.items()} == {
        alice: {"f:spec": {"f:paused": {}}},
        scaler: {"f:spec": {"f:replicas": {}}},
    }


async def test_a_target_of_no_replicas_is_left_alone(world: LoadWorld) -> None:
    await world.deploy(0)
    await world.autoscale()
    await world.pass_time(20)
    assert world.replicas() == 0
    assert world.told("ScalingActive") == (
        "False", "ScalingDisabled", "scaling is disabled since the replica count of the target is zero",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        (("Deployment", "none", "apps/v1"), 'deployments.apps "none" not found'),
        (("DaemonSet", "web", "apps/v1"), 'no matches for kind "DaemonSet" in group "apps"'),
        (("Deployment", "web", ""), 'no matches for kind "Deployment" in group ""'),
    ],
)
async def test_a_target_that_is_not_there_is_told_once(world: LoadWorld, reference, why: str) -> None:
    kind, name, api_version = reference
    given = model.CrossVersionObjectReference(kind=kind, name=name, api_version=api_version)
    await world.autoscale(scale_target_ref=given)
    await world.pass_time(100)
    assert world.told("AbleToScale") == (
        "False", "FailedGetScale", f"the HPA controller was unable to get the target's current scale: {why}",
    )  # fmt: skip
    (event,) = world.events("FailedGetScale")
    assert (event.message, event.count) == (why, 1)


async def test_two_that_scale_the_same_are_told_apart_by_nobody(world: LoadWorld) -> None:
    world.load_millis = 300
    world.silent = True
    await world.deploy(2)
    await world.autoscale("a")
    await world.autoscale("b")
    world.silent = False
    await world.pass_time(40)
    assert world.replicas() == 2
    for name in ("a", "b"):
        assert world.told("ScalingActive", name) == (
            "False",
            "AmbiguousSelector",
            "pods by selector app=web are controlled by multiple HPAs: [default/a default/b]",
        )


async def test_a_write_that_comes_between_is_not_overwritten(world: LoadWorld) -> None:
    world.load_millis = 300
    await world.deploy(2)
    await world.autoscale()
    reconciler = next(
        each for each in Controllers.reconcilers(world.controllers) if each.name == "horizontal-pod-autoscaler"
    )
    key = world.stored(AUTOSCALERS, "web").key
    decided = reconciler.reconcile(world.replica.view, key, world.clock.now())
    await world.respec("web", replicas=7)
    outcomes = await world.replica.propose(decided.operations)
    assert {each.verdict.name for each in outcomes} != {"DONE"}
    assert world.replicas() == 7


@pytest.mark.parametrize("kind", [kinds.STATEFUL_SET, kinds.REPLICA_SET], ids=lambda kind: kind.kind)
async def test_stateful_sets_and_replica_sets_are_scaled_too(world: LoadWorld, kind: kinds.Kind) -> None:
    world.load_millis = 300
    spec = {"replicas": 2, "selector": LabelSelector(match_labels={"app": "db"}), "template": asking("db", "100m")}
    metadata = ObjectMeta(name="db", namespace="default")
    if kind is kinds.STATEFUL_SET:
        value = StatefulSet(metadata=metadata, spec=StatefulSetSpec(pod_management_policy="Parallel", **spec))
    else:
        value = ReplicaSet(metadata=metadata, spec=ReplicaSetSpec(**spec))
    await world.create(kind, defaults.fill(value))
    await world.pass_time(PERIOD * 2 + 5)
    reference = model.CrossVersionObjectReference(kind=kind.kind, name="db", api_version="apps/v1")
    await world.autoscale(scale_target_ref=reference)
    await world.pass_time(40)
    assert world.stored(kind, "db").object.spec.replicas == 6
    assert len(world.serving()) == 6


async def test_what_was_added_counts_for_the_whole_period_of_a_policy(world: LoadWorld) -> None:
    world.load_millis = 8000
    await world.deploy(1)
    one_a_minute = model.ScalingPolicy(type="Pods", value=1, period_seconds=60)
    await world.autoscale(behavior=model.Behavior(scale_up=model.ScalingRules(policies=(one_a_minute,))))
    await world.pass_time(50)
    assert world.replicas() == 2
    await world.pass_time(60)
    assert world.replicas() == 3
    assert world.told("ScalingLimited")[1] == "ScaleUpLimit"


async def test_its_own_status_wakes_it_not(world: LoadWorld) -> None:
    await world.deploy(1)
    await world.autoscale()
    await world.pass_time(20)
    stored = world.stored(AUTOSCALERS, "web")
    value = stored.object
    told = msgspec.structs.replace(value, status=msgspec.structs.replace(value.status, desired_replicas=9))
    wider = msgspec.structs.replace(value, spec=msgspec.structs.replace(value.spec, max_replicas=9))
    reconciler = HorizontalPodAutoscalers(world.heartbeats.usage, Autoscaling())

    def wakes(new: model.HorizontalPodAutoscaler) -> list[Key]:
        after = Stored(stored.key, stored.revision + 1, b"", new)
        return list(reconciler.keys_for(Change(after.revision, stored.key, stored, after), world.replica.view))

    assert wakes(told) == []
    assert wakes(wider) == [stored.key]


async def test_a_short_window_shrinks_soon(world: LoadWorld) -> None:
    world.load_millis = 300
    await world.deploy(2)
    await world.autoscale(behavior=QUICK_DOWN)
    await world.pass_time(60)
    world.load_millis = 0
    await world.pass_time(80)
    assert world.replicas() == 1


async def test_what_is_deleted_is_forgotten(world: LoadWorld) -> None:
    world.load_millis = 300
    await world.deploy(2)
    await world.autoscale()
    await world.pass_time(40)
    await world.delete(AUTOSCALERS, "web")
    world.load_millis = 3000
    await world.pass_time(100)
    assert world.replicas() == 6
