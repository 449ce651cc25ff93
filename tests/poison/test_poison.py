"""No object that is admitted is poison: whatever chance makes of fields, all who live with it go on."""

from __future__ import annotations

import pytest

from tests import virtual_time
from tests.poison.world import Poisoned

SEEDS = 12
SEEDS_AT_LENGTH = 1_500


def live(seeds: range) -> None:
    """Live through one world for each seed; those that go wrong are told together."""
    wrong = {}
    for seed in seeds:
        world = Poisoned(seed)
        virtual_time.run(world.run())
        assert world.told["created"] > world.told["refused"] / 2 > 0, world.told
        if world.errors:
            wrong[seed] = world.errors[0]
    assert not wrong, f"seeds {list(wrong)}; the first: {next(iter(wrong.values()))}"


@pytest.mark.slow
def test_no_object_is_poison() -> None:
    live(range(SEEDS))


@pytest.mark.slow
@pytest.mark.long_clients
@pytest.mark.timeout(900)
def test_no_object_is_poison_at_length() -> None:
    live(range(SEEDS, SEEDS_AT_LENGTH))
