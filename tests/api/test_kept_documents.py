"""Discovery and OpenAPI are made once for each state of the kinds, compressed once, and not sent to who has them."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence

import pytest

from swarmlet.api.discovery import kept, openapi, shapes
from swarmlet.model.custom import CustomKind
from tests.api.conftest import Api, DirectReplica
from tests.api.custom_documents import CERTIFICATES

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PACKED = {"Accept-Encoding": "gzip"}
PATHS = ("/apis", "/api/v1", "/apis/apps/v1", "/openapi/v2", "/openapi/v3", "/openapi/v3/apis/apps/v1")


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what was compressed."""
    sizes: list[int] = []
    compress = gzip.compress

    def counted(data: bytes, *_: int, **_keywords: int) -> bytes:
        sizes.append(len(data))
        return compress(data)

    monkeypatch.setattr(kept.gzip, "compress", counted)
    return sizes


@pytest.mark.parametrize("path", PATHS)
async def test_who_has_a_document_is_told_that_it_is_good(api: Api, path: str) -> None:
    async with api.get(path) as response:
        tag = response.headers["ETag"]
    async with api.get(path, headers={"If-None-Match": tag}) as response:
        assert response.status == 304
        assert response.headers["ETag"] == tag
        assert await response.read() == b""


@pytest.mark.parametrize("known", ['W/"{0}"', '"other", "{0}"', "*"])
async def test_any_way_to_name_it_will_do(api: Api, known: str) -> None:
    async with api.get("/apis") as response:
        tag = response.headers["ETag"].strip('"')
    async with api.get("/apis", headers={"If-None-Match": known.format(tag)}) as response:
        assert response.status == 304


async def test_the_forms_of_one_address_are_known_apart(api: Api) -> None:
    async with api.get("/apis") as response:
        plain = response.headers["ETag"]
    async with api.get("/apis", headers={"Accept": AGGREGATED, "If-None-Match": plain}) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == AGGREGATED
        assert "Accept" in response.headers["Vary"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_document_is_compressed_once(api: Api, packed: list[int], path: str) -> None:
    bodies = set()
    for _ in range(3):
        async with api.get(path, headers=PACKED, auto_decompress=False) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            bodies.add(gzip.decompress(await response.read()))
    async with api.get(path, headers={"Accept-Encoding": "identity"}) as response:
        assert {await response.read()} == bodies
    assert len(packed) == 1


async def test_documents_are_made_again_only_when_kinds_change(
    api: Api, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    original = shapes.aggregated

    def counted(*arguments: object) -> object:
        made.append(str(arguments[1:]))
        return original(*arguments)

    monkeypatch.setattr(shapes, "aggregated", counted)
    for _ in range(3):
        async with api.get("/apis") as response:
            before = response.headers["ETag"]
    assert len(made) == len(set(made)) > 0
    made.clear()
    assert (await api.read("POST", DEFINITIONS, json=CERTIFICATES))[0] == 201
    for _ in range(3):
        async with api.get("/apis", headers={"If-None-Match": before}) as response:
            await response.read()
    assert len(made) == len(set(made)) > 0


async def test_documents_of_openapi_are_made_once_for_all_who_ask_at_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    original = openapi._encode_custom

    def counted(brought: Sequence[CustomKind]) -> dict[str, kept.Kept]:
        made.append(1)
        return original(brought)

    monkeypatch.setattr(openapi, "_encode_custom", counted)
    answers = await asyncio.gather(*(api.read("GET", "/openapi/v3") for _ in range(5)))
    assert [code for code, _ in answers] == [200] * 5
    assert made == [1]


async def test_a_client_may_keep_what_it_asked_for_by_its_hash(api: Api) -> None:
    _, index = await api.read("GET", "/openapi/v3")
    path = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    async with api.get(path) as response:
        assert response.headers["Cache-Control"] == "public, immutable"
    async with api.get(path.partition("?")[0] + "?hash=of-another-day") as response:
        assert response.headers["Cache-Control"] == "public"
