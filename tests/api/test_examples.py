"""Every example manifest is honoured whole: no unknown field, no warning, no broken rule."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from swarmlet.api.queries import WriteOptions
from swarmlet.api.targets import Target
from swarmlet.api.writing import admission
from swarmlet.model import kinds

EXAMPLES = sorted((Path(__file__).parents[2] / "config" / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_honoured_whole(path: Path) -> None:
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    assert documents
    for document in documents:
        kind = kinds.BY_GVK[document["apiVersion"], document["kind"]]
        warnings: list[str] = []
        value = admission.read(kind, document, WriteOptions(field_validation="Strict"), warnings)
        assert warnings == []
        target = Target(kind, value.metadata.namespace or "default" if kind.namespaced else "", value.metadata.name)
        admission.created(target, value, datetime(2026, 1, 1, tzinfo=UTC), random.Random(1))
