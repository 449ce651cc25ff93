"""By which way Services are reached."""

from __future__ import annotations

import pytest

from swarmlet.network import choice


@pytest.mark.parametrize("usable", [True, False])
@pytest.mark.parametrize("asked", ["off", "nftables", "userspace"])
def test_what_is_asked_for_by_name_is_had_whatever_the_kernel(asked, usable):
    assert choice.choose(asked, lambda: usable).way == asked


def test_left_to_itself_it_takes_the_kernel_where_it_can():
    assert choice.choose("auto", lambda: True).way == "nftables"
    fallen_back = choice.choose("auto", lambda: False)
    assert fallen_back.way == "userspace"
    assert "privilege" in fallen_back.why
