from __future__ import annotations

import pytest

from swarmlet.identity import incarnation
from swarmlet.identity.incarnation import ANCESTORS_MAX, FIRST, Incarnation, Relation
from tests.identity.times import NOW

SECOND = FIRST.next("aa", NOW)
THIRD = SECOND.next("cc", NOW)
OTHER_SECOND = FIRST.next("bb", NOW)


@pytest.mark.parametrize("life", [FIRST, SECOND, THIRD])
def test_what_peers_tell_each_other_is_understood(life: Incarnation) -> None:
    assert incarnation.parse(str(life)) == life


def test_who_tells_nothing_lives_the_first() -> None:
    assert incarnation.parse("") == FIRST


@pytest.mark.parametrize("text", ["aa", "aa/", "aa/yesterday/", "/", "aa//x/y", "a" * 2000, "aa/2026-99-99T00:00:00Z/"])
def test_nonsense_is_no_life(text: str) -> None:
    assert incarnation.parse(text) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "relation"),
    [
        (FIRST, FIRST, Relation.SAME),
        (SECOND, SECOND, Relation.SAME),
        (FIRST, SECOND, Relation.NEWER),
        (FIRST, THIRD, Relation.NEWER),
        (THIRD, FIRST, Relation.OLDER),
        (SECOND, OTHER_SECOND, Relation.RIVAL),
        (THIRD, OTHER_SECOND, Relation.RIVAL),  # restored from a backup of the first, when there was a third
        (OTHER_SECOND, THIRD, Relation.RIVAL),
    ],
)
def test_lives_are_told_apart(ours: Incarnation, theirs: Incarnation, relation: Relation) -> None:
    assert ours.relation(theirs) is relation


def test_a_long_history_still_fits_into_a_header() -> None:
    life = FIRST
    for number in range(2 * ANCESTORS_MAX):
        life = life.next(f"{number:016x}", NOW)
    assert incarnation.parse(str(life)) == life
    assert len(life.ancestors) == ANCESTORS_MAX
