"""What becomes of an object on its way in, where no request shows it."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import cast

import msgspec
import pytest

from swarmlet.api.targets import Target
from swarmlet.api.writing import admission
from swarmlet.errors import InvalidError
from swarmlet.model import kinds
from swarmlet.model.container import Container
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec

TARGET = Target(kinds.POD, "default", "web")


def pod() -> Pod:
    value = Pod(metadata=ObjectMeta(name="web"), spec=PodSpec(containers=(Container(name="c", image="web:1"),)))
    return cast("Pod", admission.created(TARGET, value, datetime(2026, 1, 1, tzinfo=UTC), random.Random(1)))


def test_what_a_version_before_stored_without_a_default_may_be_written_again() -> None:
    written = pod()
    before = msgspec.structs.replace(written, spec=msgspec.structs.replace(written.spec, scheduler_name=""))
    after = admission.updated(TARGET, before, before)
    assert after.metadata.generation == before.metadata.generation
    assert cast("Pod", after).spec == written.spec


def test_what_somebody_changes_is_refused_as_ever() -> None:
    written = pod()
    changed = msgspec.structs.replace(written, spec=msgspec.structs.replace(written.spec, scheduler_name="mine"))
    with pytest.raises(InvalidError, match="pod updates may not change fields"):
        admission.updated(TARGET, written, changed)
