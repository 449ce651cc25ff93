"""Watches of kinds that users brought end when what they were begun on is no more."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from swarmlet.model import kinds
from swarmlet.model.apiextensions import CustomResourceDefinition
from swarmlet.store.commands import Delete, Key
from tests.api import custom_documents as custom
from tests.api.conftest import Api, DirectReplica
from tests.api.documents import CONFIG_MAPS
from tests.api.test_watch import told, watching

NAME = "widgets.example.com"
WIDGETS = "/apis/example.com/{}/namespaces/default/widgets"
DEFINITION = Key(kinds.CUSTOM_RESOURCE_DEFINITION.resource, "", NAME)
SIZE = {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}


def define(replica: DirectReplica, *served: str, message: str = "") -> None:
    versions = [custom.version(each, SIZE, storage=each == "v1") for each in ("v1", "v1beta1")]
    for version in versions:
        version["served"] = version["name"] in served
    document = custom.definition("example.com", "Widget", "widgets", *versions)
    condition = {"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": message}
    document["status"] = {"conditions": [condition], "acceptedNames": document["spec"]["names"]}
    replica.put(kinds.CUSTOM_RESOURCE_DEFINITION, msgspec.convert(document, CustomResourceDefinition))


async def make(api: Api, name: str) -> None:
    document = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 1}}
    code, _ = await api.read("POST", WIDGETS.format("v1"), json=document)
    assert code == 201


def delete(replica: DirectReplica, *keys: Key) -> None:
    replica.apply([Delete(key) for key in keys])


@pytest.mark.parametrize("together", [True, False])
async def test_a_watch_ends_with_its_definition_after_it_told_all(
    api: Api, replica: DirectReplica, together: bool
) -> None:
    define(replica, "v1")
    await make(api, "a")
    widget = Key(NAME, "default", "a")
    async with watching(api, f"{WIDGETS.format('v1')}?watch=true") as following:
        assert told(await following()) == ("ADDED", "a")
        for keys in [(widget, DEFINITION)] if together else [(widget,), (DEFINITION,)]:
            delete(replica, *keys)
        assert told(await following()) == ("DELETED", "a")
        assert await following() == {}
    code, status = await api.read("GET", f"{WIDGETS.format('v1')}?watch=true")
    assert (code, status["reason"]) == (404, "NotFound")


async def test_a_watch_of_a_version_that_is_not_served_any_more_ends(api: Api, replica: DirectReplica) -> None:
    define(replica, "v1", "v1beta1")
    async with watching(api, f"{WIDGETS.format('v1beta1')}?watch=true") as following:
        define(replica, "v1")
        assert await following() == {}


async def test_what_is_not_of_the_definition_itself_ends_no_watch(api: Api, replica: DirectReplica) -> None:
    define(replica, "v1")
    async with (
        watching(api, f"{WIDGETS.format('v1')}?watch=true") as following,
        watching(api, f"{CONFIG_MAPS}?watch=true") as others,
    ):
        define(replica, "v1", message="the same, said anew")
        await make(api, "a")
        assert told(await following()) == ("ADDED", "a")
        delete(replica, Key(NAME, "default", "a"), DEFINITION)
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}
        await api.read("POST", CONFIG_MAPS, json=body)
        assert told(await others()) == ("ADDED", "b")


async def test_a_watch_of_a_kind_that_goes_while_it_begins_is_404(
    api: Api, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    define(replica, "v1")

    async def linearize(**_: Any) -> None:
        delete(replica, DEFINITION)

    monkeypatch.setattr(replica, "linearize", linearize)
    assert (await api.read("GET", f"{WIDGETS.format('v1')}?watch=true"))[0] == 404
