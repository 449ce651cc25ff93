"""The annotation swarmlet.io/depends-on: how it is written, and what is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.errors import InvalidError
from swarmlet.model import dependencies, kinds, validation
from swarmlet.model.dependencies import Dependency
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("db", Dependency("deployment", "db", "ready")),
        ("Deployment/db", Dependency("deployment", "db", "ready")),
        ("job/migrate", Dependency("job", "migrate", "complete")),
        ("statefulset/db=started?", Dependency("statefulset", "db", "started", optional=True)),
        (" daemonset/logs , ", Dependency("daemonset", "logs", "ready")),
        ("pod/one=complete", Dependency("pod", "one", "complete")),
    ],
)
def test_an_entry_says_kind_name_and_condition(text: str, entry: Dependency) -> None:
    assert dependencies.parse(text) == (entry,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("service/db", "the kind is one of deployment, statefulset, daemonset, job, pod"),
        ("/db", "the kind is one of"),
        ("db=healthy", "of a deployment can be waited for ready or started"),
        ("job/x=ready", "of a job can be waited for complete or started"),
        ("Db_1", "a lowercase RFC 1123 subdomain"),
        ("a/b/c", "is not [kind/]name[=condition][?]"),
        (",".join(f"d{number}" for number in range(65)), "at most 64"),
    ],
)
def test_what_cannot_be_understood_is_said(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        dependencies.parse(text)


entries = st.builds(
    lambda kind, name, position, optional: Dependency(
        kind, name, dependencies.CONDITIONS[kind][position % len(dependencies.CONDITIONS[kind])], optional=optional
    ),
    st.sampled_from(list(dependencies.CONDITIONS)),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True),
    st.integers(0, 5),
    st.booleans(),
)


@given(st.lists(entries, max_size=8).map(tuple))
def test_what_is_written_is_read_back(found: tuple[Dependency, ...]) -> None:
    assert dependencies.parse(dependencies.to_text(found)) == found


def pod(text: str, **spec: object) -> Pod:
    return Pod(
        metadata=ObjectMeta(name="web", namespace="default", annotations={dependencies.DEPENDS_ON: text}),
        spec=PodSpec(**spec),
    )


def test_a_new_pod_gets_the_gate_once_and_one_with_a_node_none() -> None:
    gated = dependencies.gated(pod("db"))
    assert [gate.name for gate in gated.spec.scheduling_gates] == [dependencies.GATE]
    assert dependencies.gated(gated) == gated
    assert not dependencies.is_gated(dependencies.gated(pod("db", node_name="n1")))
    assert dependencies.without_gate(gated) == pod("db")


@pytest.mark.parametrize("kind", [kinds.POD, kinds.DEPLOYMENT])
def test_a_broken_annotation_is_refused_by_its_name(kind: kinds.Kind) -> None:
    metadata = ObjectMeta(name="web", namespace="default")
    value = pod("db=healthy")
    if kind is kinds.DEPLOYMENT:
        value = kind.type(metadata=metadata)
        template = value.spec.template
        annotated = type(template)(metadata=ObjectMeta(annotations={dependencies.DEPENDS_ON: "db=healthy"}))
        value = kind.type(metadata=metadata, spec=type(value.spec)(template=annotated))
    with pytest.raises(InvalidError, match=r"metadata.annotations\[swarmlet.io/depends-on\]: Invalid value"):
        validation.validate(value)
