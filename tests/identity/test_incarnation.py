from __future__ import annotations

import pytest

from swarmlet.identity import incarnation
from swarmlet.identity.incarnation import FIRST, Incarnation, Relation
from tests.identity.times import NOW

SECOND = FIRST.next("aa", NOW)


@pytest.mark.parametrize("life", [FIRST, SECOND])
def test_what_peers_tell_each_other_is_understood(life: Incarnation) -> None:
    assert incarnation.parse(str(life)) == life


def test_who_tells_nothing_lives_the_first() -> None:
    assert incarnation.parse("") == FIRST


@pytest.mark.parametrize("text", ["two/aa/", "2", "2/aa/yesterday", "/", "x" * 1000])
def test_nonsense_is_no_life(text: str) -> None:
    found = incarnation.parse(text)
    assert found is None or FIRST.relation(found) is not Relation.SAME


@pytest.mark.parametrize(
    ("ours", "theirs", "relation"),
    [
        (FIRST, FIRST, Relation.SAME),
        (SECOND, SECOND, Relation.SAME),
        (FIRST, SECOND, Relation.NEWER),
        (SECOND, FIRST, Relation.OLDER),
        (SECOND, FIRST.next("bb", NOW), Relation.RIVAL),
    ],
)
def test_lives_are_told_apart(ours: Incarnation, theirs: Incarnation, relation: Relation) -> None:
    assert ours.relation(theirs) is relation
