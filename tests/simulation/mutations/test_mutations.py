"""Each bug of the list is found; docs/mutations.md says at which seed, and `make mutations` looks anew."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.mutations import catalogue
from tests.simulation.mutations.mutation import Mutation, World
from tests.simulation.mutations.workshop import ROOT, try_seeds

SEEDS = catalogue.read_seeds()
PITFALLS = range(1, 9)


@pytest.mark.parametrize("mutation", catalogue.ALL, ids=lambda mutation: mutation.name)
def test_a_mutation_edits_what_stands_there(mutation: Mutation) -> None:
    text = (ROOT / "swarmlet" / mutation.file).read_text(encoding="utf-8")
    compile(mutation.edit(text), mutation.file, "exec")


def test_names_are_unique() -> None:
    assert Counter(each.name for each in catalogue.ALL).most_common(1)[0][1] == 1


def test_every_pitfall_and_every_library_whose_bugs_we_know_is_on_the_list() -> None:
    sources = " ".join(each.source for each in catalogue.ALL)
    for words in (*(f"pitfall {number}:" for number in PITFALLS), "raftos", "pysyncobj"):
        assert words in sources


def test_the_page_says_what_the_list_says() -> None:
    assert catalogue.PAGE.read_text(encoding="utf-8") == catalogue.page(SEEDS)


@pytest.mark.slow
@pytest.mark.parametrize("mutation", catalogue.ALL, ids=lambda mutation: mutation.name)
def test_a_bug_put_back_is_found(mutation: Mutation, tmp_path: Path) -> None:
    """At the seed that found it last time; where the code or the schedules have changed since, within its seeds."""
    first = SEEDS.get(mutation.name, 0)
    seeds = (first, *(seed for seed in range(mutation.seeds_max) if seed != first))
    found = try_seeds(mutation.world, seeds, folder=tmp_path, mutation=mutation)
    assert found.seed is not None, f"{mutation.name} survives {mutation.seeds_max} seeds"


@pytest.mark.slow
@pytest.mark.parametrize("world", [World.CORE, World.CONSENSUS], ids=lambda world: world.value)
def test_the_same_seeds_find_nothing_without_the_bugs(world: World, tmp_path: Path) -> None:
    seeds = sorted({SEEDS[each.name] for each in catalogue.ALL if each.world is world and each.name in SEEDS})
    assert try_seeds(world, seeds, folder=tmp_path).finding == ""
