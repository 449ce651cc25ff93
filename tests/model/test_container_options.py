"""The annotation swarmlet.io/container-options: what it may say, and what is refused."""

from __future__ import annotations

import re

import pytest

from swarmlet.errors import InvalidError
from swarmlet.model import container_options, kinds, validation
from swarmlet.model.container_options import CONTAINER_OPTIONS
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod


def test_a_container_finds_its_own() -> None:
    text = '{"web": {"init": true, "stopSignal": "SIGQUIT", "ulimits": {"nofile": 9, "core": {"soft": 0, "hard": -1}}}}'
    found = container_options.of({CONTAINER_OPTIONS: text}, "web")
    assert (found.init, found.stop_signal) == (True, "SIGQUIT")
    assert container_options.limits(found) == (("core", 0, -1), ("nofile", 9, 9))
    assert container_options.of({CONTAINER_OPTIONS: text}, "other") == container_options.NO_OPTIONS
    assert container_options.of({}, "web") == container_options.NO_OPTIONS


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("init", "malformed"),
        ('{"web": {"initt": true}}', "unknown field `initt`"),
        ('{"web": {"stopSignal": "quit it"}}', "is no signal"),
        ('{"web": {"user": "a b"}}', "is no user"),
        ('{"web": {"ulimits": {"files": 1}}}', "'files' is none of core, cpu"),
        ('{"web": {"ulimits": {"nofile": {"soft": 2, "hard": 1}}}}', "the soft limit 2 is above the hard one, 1"),
        ('{"web": {"ulimits": {"nofile": 9223372036854775808}}}', "at most 9223372036854775807, or -1"),
        ('{"web": {"ulimits": {"nofile": {"soft": -1, "hard": 1}}}}', "the soft limit -1 is above the hard one, 1"),
    ],
)
@pytest.mark.parametrize("kind", [kinds.POD, kinds.DEPLOYMENT])
def test_what_cannot_be_understood_is_refused_by_name(kind: kinds.Kind, text: str, why: str) -> None:
    annotated = ObjectMeta(name="web", namespace="default", annotations={CONTAINER_OPTIONS: text})
    value = Pod(metadata=annotated)
    if kind is kinds.DEPLOYMENT:
        empty = kind.type()
        template = type(empty.spec.template)(metadata=annotated)
        value = kind.type(
            metadata=ObjectMeta(name="web", namespace="default"), spec=type(empty.spec)(template=template)
        )
    with pytest.raises(InvalidError, match=re.escape(CONTAINER_OPTIONS)) as caught:
        validation.validate(value)
    assert why in str(caught.value)
    assert container_options.of(annotated.annotations, "web") == container_options.NO_OPTIONS
