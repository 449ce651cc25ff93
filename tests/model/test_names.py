from __future__ import annotations

import random

from swarmlet.model import names

PREFIX = "web-"


def test_a_name_that_is_taken_is_drawn_again() -> None:
    first = names.generated(PREFIX, random.Random(1))
    second = names.generated(PREFIX, random.Random(1), {first}.__contains__)
    assert first != second
    assert second.startswith(PREFIX)


def test_names_are_drawn_a_few_times_and_not_for_ever() -> None:
    asked: list[str] = []
    names.generated(PREFIX, random.Random(1), lambda name: not asked.append(name))
    assert len(asked) == names.DRAWS_MAX
