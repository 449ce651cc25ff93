from __future__ import annotations

import pytest

from swarmlet.errors import CallerError, InvalidError
from swarmlet.model import core, kinds, selectors
from swarmlet.model.core import Event, ObjectReference
from swarmlet.model.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodStatus

LABELS = {"app": "web", "tier": "front", "size": "4", "empty": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app", True),
        ("none", False),
        ("!app", False),
        ("!none", True),
        ("app=web", True),
        ("app==web", True),
        ("app!=web", False),
        ("none!=web", True),
        ("app in (web,api)", True),
        ("app in (api)", False),
        ("app notin (web)", False),
        ("none notin (web)", True),
        (" app = web , tier in ( front , back ) ", True),
        ("app=web,tier=back", False),
        ("size>3", True),
        ("size<3", False),
        ("app>3", False),
        ("empty=", True),
        ("empty=,app=web", True),
        ("in in (a)", False),
    ],
)
def test_a_label_query_selects(text, matches):
    assert selectors.parse_labels(text)(LABELS) is matches


@pytest.mark.parametrize(
    "text",
    [
        "a in (b",
        "a==b==c",
        "-a=b",
        "a b",
        ",",
        "a,",
        "(",
        "a=b%",
        "x>y",
        "a in b",
        "!",
        "=a",
        "a/b/c=d",
        "a=" + "x" * 64,
    ],
)
def test_a_malformed_label_query_is_refused(text):
    with pytest.raises(CallerError, match="unable to parse requirement"):
        selectors.parse_labels(text)


def test_a_query_of_boundless_length_is_refused():
    for parse in (selectors.parse_labels, selectors.field_terms):
        with pytest.raises(CallerError, match="over"):
            parse("a" * (selectors.TEXT_MAX + 1))


def requirement(operator: str, *values: str) -> LabelSelector:
    return LabelSelector(match_expressions=(LabelSelectorRequirement(key="app", operator=operator, values=values),))


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, False),
        (LabelSelector(), True),
        (LabelSelector(match_labels={"app": "web"}), True),
        (LabelSelector(match_labels={"app": "web", "x": "y"}), False),
        (requirement("In", "web", "api"), True),
        (requirement("NotIn", "web"), False),
        (requirement("Exists"), True),
        (requirement("DoesNotExist"), False),
    ],
)
def test_an_objects_selector_selects(selector, matches):
    assert selectors.from_labels(selector)(LABELS) is matches


def test_an_unknown_operator_is_refused():
    with pytest.raises(InvalidError, match="not a valid label selector operator"):
        selectors.from_labels(requirement("Like"))


@pytest.mark.parametrize("selector", [LabelSelector(match_labels={"b": "1", "a": "2"}), requirement("NotIn", "x", "y")])
def test_a_selectors_text_means_the_same(selector):
    parsed = selectors.parse_labels(selectors.to_text(selector))
    for labels in ({"a": "2", "b": "1"}, {"app": "x"}, LABELS, {}):
        assert parsed(labels) is selectors.from_labels(selector)(labels)


POD = Pod(
    metadata=ObjectMeta(name="p", namespace="n"),
    spec=PodSpec(node_name="node-1", host_network=True),
    status=PodStatus(phase="Running"),
)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("status.phase=Running", True),
        ("status.phase!=Running", False),
        ("spec.nodeName==node-1,metadata.name=p", True),
        ("spec.nodeName=", False),
        ("metadata.namespace=n", True),
        ("spec.hostNetwork=true", True),
    ],
)
def test_a_field_query_selects(text, matches):
    assert selectors.parse_fields(kinds.POD, text)(POD) is matches


def test_events_are_found_by_what_they_are_about():
    event = Event(involved_object=ObjectReference(kind="Pod", name="p", uid="u"), type="Warning")
    query = "involvedObject.name=p,involvedObject.uid=u,type!=Normal"
    assert selectors.parse_fields(kinds.EVENT, query)(event)


def test_an_unsupported_field_is_named():
    with pytest.raises(CallerError, match=r"^field label not supported: spec.colour$"):
        selectors.parse_fields(kinds.POD, "spec.colour=red")


@pytest.mark.parametrize("text", ["a", "=x", "a=b=c", "metadata.name=a,,"])
def test_a_malformed_field_query_is_refused(text):
    with pytest.raises(CallerError, match="invalid selector"):
        selectors.parse_fields(kinds.POD, text)


def test_values_of_a_field_query_may_hold_escaped_signs():
    assert selectors.field_terms(r"a=b\,c\=d\\,e!=f") == [("a", True, r"b,c=d" + "\\"), ("e", False, "f")]


def test_every_field_that_can_be_asked_for_can_be_read():
    for kind in kinds.SERVED + kinds.OTHER_VERSIONS:
        for get in (selectors._fields(kind) | selectors._METADATA_FIELDS).values():
            assert isinstance(get(kind.stored.type()), str)
    assert core.Node in {kind.type for kind in kinds.SERVED}


def test_a_comparison_with_what_is_no_number_is_refused_in_words() -> None:
    for values in ((), ("x",)):
        wanted = LabelSelectorRequirement(key="a", operator="Gt", values=values)
        with pytest.raises(InvalidError, match="must be an integer"):
            selectors.from_labels(LabelSelector(match_expressions=(wanted,)))
