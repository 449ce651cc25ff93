"""Who waits while a body is read."""

from __future__ import annotations

import threading

import pytest

from swarmlet.api import bodies
from swarmlet.api.writing.patches import APPLY_PATCH
from tests.api.conftest import Api
from tests.api.documents import CONFIG_MAPS, config_map

YAML = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"


def test_json_that_is_called_yaml_never_meets_the_parser_of_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(bodies, "_look_through")
    assert bodies.decode(b' {"data": {"on": "yes"}}\n', APPLY_PATCH) == {"data": {"on": "yes"}}


@pytest.mark.parametrize(("limit", "in_loop"), [(0, False), (1024, True)])
async def test_what_takes_long_to_read_is_read_in_a_thread(
    api: Api, monkeypatch: pytest.MonkeyPatch, limit: int, *, in_loop: bool
) -> None:
    threads = []
    decode = bodies.decode

    def noted(data: bytes, content_type: str) -> object:
        threads.append(threading.current_thread() is threading.main_thread())
        return decode(data, content_type)

    monkeypatch.setattr(bodies, "decode", noted)
    monkeypatch.setattr(bodies, "LOOP_BYTES_MAX", limit)
    headers = {"Content-Type": APPLY_PATCH}
    assert (await api.read("POST", CONFIG_MAPS, json=config_map("a")))[0] == 201
    code, _ = await api.read("PATCH", f"{CONFIG_MAPS}/a?fieldManager=me", data=YAML, headers=headers)
    assert (code, threads) == (200, [in_loop] * 2)
