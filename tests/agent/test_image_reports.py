"""What a Node tells of the images that its machine has: the largest, and only when they are others."""

from __future__ import annotations

from swarmlet.agent.images import reports as image_reports
from swarmlet.model import kinds
from swarmlet.model.container import Container
from swarmlet.model.core import ContainerImage
from swarmlet.runtime.runtime import Image
from swarmlet.store.commands import Key
from tests.agent.home import IMAGE, NODE, Home
from tests.fakes.runtime import Engine

SOON = 10.0


def told(home: Home) -> tuple[ContainerImage, ...]:
    stored = home.replica.view.get(Key(kinds.NODE.resource, "", NODE))
    assert stored is not None
    return stored.object.status.images


def test_the_largest_are_told_with_their_digests_first() -> None:
    images = [Image(f"id-{number}", (f"web:{number}",), number) for number in range(60)]
    images.append(Image("id-x", ("db:1", "db@sha256:a", *(f"db:x{number}" for number in range(9))), 1000))
    images.append(Image("id-y", (), 5000))
    found = image_reports.reported(images)
    assert len(found) == 50
    assert found[0] == ContainerImage(names=("db@sha256:a", "db:1", "db:x0", "db:x1", "db:x2"), size_bytes=1000)
    assert [each.size_bytes for each in found[1:]] == list(range(59, 10, -1))


async def test_a_node_tells_its_images_when_they_change_and_writes_nothing_else(home: Home, engine: Engine) -> None:
    async with home.running():
        await home.clock.sleep(SOON)
        assert [each.names for each in told(home)] == [(IMAGE,)]
        count = len(home.replica.proposals)
        await home.clock.sleep(600.0)
        assert len(home.replica.proposals) == count
        engine.images.add("db:1")
        await home.clock.sleep(image_reports.LOOK_SECONDS + SOON)
        assert sorted(each.names for each in told(home)) == [("db:1",), (IMAGE,)]
        assert len(home.replica.proposals) == count + 1


async def test_an_image_that_a_pod_brings_is_told_soon(home: Home, engine: Engine) -> None:
    async with home.running():
        await home.clock.sleep(SOON)
        engine.registry.add("new:1")
        key = home.bind(containers=[Container(name="main", image="new:1", image_pull_policy="IfNotPresent")])
        await home.until(lambda: home.is_ready(key))
        await home.clock.sleep(SOON)
        assert ("new:1",) in [each.names for each in told(home)]


async def test_a_daemon_that_starts_anew_writes_its_images_only_where_they_are_others(
    home: Home, engine: Engine
) -> None:
    async with home.running():
        await home.clock.sleep(SOON)
    engine.images.add("db:1")
    home.agent = home.new_agent()
    async with home.running():
        await home.clock.sleep(SOON)
        assert len(told(home)) == 2
    home.agent = home.new_agent()
    count = len(home.replica.proposals)
    async with home.running():
        await home.clock.sleep(SOON)
        assert len(told(home)) == 2
        assert len(home.replica.proposals) == count + 1  # its registration
