"""Every example manifest is honoured whole: no unknown field, no warning, no broken rule."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from swarmlet.model import decode, defaults, kinds, objects, validation

EXAMPLES = sorted((Path(__file__).parents[2] / "config" / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_honoured_whole(path: Path) -> None:
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    assert documents
    for document in documents:
        kind = kinds.BY_GVK[document["apiVersion"], document["kind"]]
        decoded = decode.decode(kind, document)
        decoded.raise_if_unknown()
        assert not decoded.warnings()
        placed = objects.with_metadata(decoded.object, namespace="default" if kind.namespaced else "")
        validation.validate(defaults.fill(placed))
