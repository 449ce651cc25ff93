"""HorizontalPodAutoscalers of kinds that users brought: the definition says where the numbers and the selector are."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.model import custom, decode, kinds
from swarmlet.model.autoscaling import CrossVersionObjectReference
from swarmlet.model.custom import CustomKind, CustomResource
from tests.api.custom_documents import PROMETHEUSES, WORKFLOWS
from tests.controllers.test_hpa import LoadWorld

DEFINITION = kinds.CUSTOM_RESOURCE_DEFINITION
ESTABLISHED = {"conditions": [{"type": "Established", "status": "True"}]}
REFERENCE = CrossVersionObjectReference(kind="Prometheus", name="main", api_version="monitoring.coreos.com/v1")


@pytest.fixture
async def world():
    async with LoadWorld() as world:
        yield world


async def define(world: LoadWorld, document: dict[str, Any]) -> CustomKind:
    value = decode.decode(DEFINITION, {**document, "status": ESTABLISHED}).object
    await world.create(DEFINITION, value)
    (kind,) = custom.kinds_of(value, 1).values()
    return kind


async def farm(world: LoadWorld, kind: CustomKind, spec: dict[str, Any], status: dict[str, Any]) -> None:
    document = {"metadata": {"name": "main", "namespace": "default"}, "spec": spec, "status": status}
    await world.create(kind, decode.decode(kind, document).object)


def stored(world: LoadWorld, kind: CustomKind) -> CustomResource:
    return world.stored(kind, "main").object


async def test_it_is_scaled_by_the_load_of_the_pods_that_it_selects(world: LoadWorld) -> None:
    world.load_millis = 300
    await world.deploy(2)
    kind = await define(world, PROMETHEUSES)
    await farm(world, kind, {"replicas": 2, "retention": "15d"}, {"replicas": 2, "selector": "app=web"})
    await world.autoscale(scale_target_ref=REFERENCE)
    await world.pass_time(20)
    value = stored(world, kind)
    assert value.content["spec"] == {"replicas": 6, "retention": "15d"}
    assert value.content["status"] == {"replicas": 2, "selector": "app=web"}, "which is its operator's"
    assert value.metadata.generation == 2
    (event,) = world.events("SuccessfulRescale")
    assert event.message.startswith("New size: 6; reason: cpu resource utilization")
    assert world.replicas() == 2, "the Pods are the operator's business"


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        (None, "the HPA target's scale is missing a selector"),
        ("app in (", "couldn't convert selector into a corresponding internal selector object: "),
    ],
)
async def test_without_a_selector_nothing_is_measured(world: LoadWorld, selector: str | None, message: str) -> None:
    kind = await define(world, PROMETHEUSES)
    await farm(world, kind, {"replicas": 2}, {"selector": selector} if selector else {})
    await world.autoscale(scale_target_ref=REFERENCE)
    await world.pass_time(20)
    status, reason, told = world.told("ScalingActive")
    assert (status, reason) == ("False", "InvalidSelector")
    assert told.startswith(message)
    assert stored(world, kind).content["spec"]["replicas"] == 2


async def test_what_has_no_scale_or_no_number_is_told(world: LoadWorld) -> None:
    kind = await define(world, PROMETHEUSES)
    await farm(world, kind, {}, {})
    flows = await define(world, WORKFLOWS)
    await farm(world, flows, {}, {})
    await world.autoscale(scale_target_ref=REFERENCE)
    flow = CrossVersionObjectReference(kind="Workflow", name="main", api_version="argoproj.io/v1alpha1")
    await world.autoscale("flows", scale_target_ref=flow)
    await world.pass_time(20)
    assert 'the spec replicas field ".spec.replicas" does not exist' in world.told("AbleToScale")[2]
    assert "could not find the requested resource" in world.told("AbleToScale", "flows")[2]
