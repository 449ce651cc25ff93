from __future__ import annotations

import msgspec
import pytest

from swarmlet.errors import InvalidError
from swarmlet.model import affinity, decode, kinds, objects, validation

LABELS = {"disk": "ssd", "cores": "8"}


def term(operator: str, *values: str, key: str = "disk") -> affinity.NodeSelectorTerm:
    requirement = affinity.NodeSelectorRequirement(key=key, operator=operator, values=values)
    return affinity.NodeSelectorTerm(match_expressions=(requirement,))


def matches(*terms: affinity.NodeSelectorTerm) -> bool:
    return affinity.matches(affinity.NodeSelector(node_selector_terms=terms), "n1", LABELS)


@pytest.mark.parametrize(
    ("requirement", "holds"),
    [
        (term("In", "hdd", "ssd"), True),
        (term("In", "hdd"), False),
        (term("NotIn", "ssd"), False),
        (term("NotIn", "ssd", key="zone"), True),
        (term("Exists"), True),
        (term("Exists", key="zone"), False),
        (term("DoesNotExist", key="zone"), True),
        (term("DoesNotExist"), False),
        (term("Gt", "4", key="cores"), True),
        (term("Gt", "8", key="cores"), False),
        (term("Lt", "9", key="cores"), True),
        (term("Lt", "many", key="cores"), False),
        (term("Gt", "4", key="zone"), False),
        (affinity.NodeSelectorTerm(), False),
    ],
)
def test_a_term_holds_of_a_node(requirement: affinity.NodeSelectorTerm, holds: bool) -> None:
    assert matches(requirement) is holds


def test_one_of_the_terms_is_enough() -> None:
    assert matches(term("In", "hdd"), term("Exists"))


def test_all_requirements_of_a_term_must_hold() -> None:
    named = affinity.on_node("n2").node_affinity.required.node_selector_terms[0]
    both = affinity.NodeSelectorTerm(
        match_fields=named.match_fields, match_expressions=term("Exists").match_expressions
    )
    assert not matches(both)


def test_a_pod_that_names_its_node_may_be_there_only() -> None:
    selector = affinity.required_nodes(affinity.on_node("n1"))
    assert affinity.names_asked_for(selector) == {"n1"}
    assert affinity.matches(selector, "n1", {})
    assert not affinity.matches(selector, "n2", {})


def test_names_do_not_say_where_a_term_asks_for_labels() -> None:
    named = affinity.on_node("n1").node_affinity.required.node_selector_terms[0]
    assert affinity.names_asked_for(affinity.NodeSelector(node_selector_terms=(named, term("Exists")))) is None


def problems(terms: list[dict]) -> dict[str, str]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    spec = {"containers": [{"name": "c", "image": "i"}], "affinity": {"nodeAffinity": required}}
    spec |= {"restartPolicy": "Always"}
    decoded = decode.decode(kinds.POD, {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
    assert not decoded.unsupported_fields
    try:
        validation.validate(decoded.object)
    except InvalidError as error:
        return {path.partition("nodeSelectorTerms")[2]: told for path, told in error.causes if "affinity" in path}
    return {}


@pytest.mark.parametrize(
    ("terms", "path", "told"),
    [
        ([], "", "Required value: must have at least one node selector term"),
        ([{"matchExpressions": [{"key": "a", "operator": "In"}]}], "[0].matchExpressions[0].values", "'In' or 'NotIn'"),
        (
            [{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}],
            "[0].matchExpressions[0].values",
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ),
        ([{"matchExpressions": [{"key": "a", "operator": "Gt"}]}], "[0].matchExpressions[0].values", "single value"),
        (
            [{"matchExpressions": [{"key": "a", "operator": "Like"}]}],
            "[0].matchExpressions[0].operator",
            'Invalid value: "Like": not a valid selector operator',
        ),
        (
            [{"matchFields": [{"key": "spec.x", "operator": "In", "values": ["a"]}]}],
            "[0].matchFields[0].key",
            "not a valid field selector key",
        ),
        (
            [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a", "b"]}]}],
            "[0].matchFields[0].values",
            "must be only one value",
        ),
        (
            [{"matchFields": [{"key": "metadata.name", "operator": "Exists"}]}],
            "[0].matchFields[0].operator",
            "not a valid selector operator",
        ),
    ],
)
def test_what_is_written_wrong_is_named(terms: list[dict], path: str, told: str) -> None:
    assert told in problems(terms).get(path, "")


def test_what_is_written_well_is_taken() -> None:
    assert problems([{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]) == {}


def told(spec: dict) -> dict[str, str]:
    """Return what validation says of a Pod's spec, by field."""
    spec = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Always", **spec}
    decoded = decode.decode(kinds.POD, {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
    assert not decoded.unsupported_fields
    assert not decoded.unknown_fields
    try:
        validation.validate(decoded.object)
    except InvalidError as error:
        return {path: why for path, why in error.causes if "ffinity" in path or "topology" in path}
    return {}


SELECTOR = {"matchLabels": {"app": "web"}}
PREFERENCE = {"matchExpressions": [{"key": "a", "operator": "Exists"}]}
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("term", "path", "why"),
    [
        ({}, "topologyKey", "Required value: can not be empty"),
        ({"topologyKey": "a b"}, "topologyKey", 'Invalid value: "a b"'),
        ({"namespaces": ["A"]}, "namespace", 'Invalid value: "A"'),
        ({"labelSelector": {"matchLabels": {"-": "x"}}}, "labelSelector.matchLabels", 'Invalid value: "-"'),
        (
            {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
            "namespaceSelector.matchExpressions[0].values",
            "must be specified when `operator` is 'In' or 'NotIn'",
        ),
        (
            {"matchLabelKeys": ["rev"]},
            "matchLabelKeys",
            "Forbidden: must not be specified when labelSelector is not set",
        ),
        (
            {"labelSelector": SELECTOR, "matchLabelKeys": ["app"]},
            "matchLabelKeys[0]",
            'Invalid value: "app": exists in both matchLabelKeys and labelSelector',
        ),
        (
            {"labelSelector": SELECTOR, "matchLabelKeys": ["rev"], "mismatchLabelKeys": ["rev"]},
            "matchLabelKeys",
            'Invalid value: "rev": exists in both matchLabelKeys and mismatchLabelKeys',
        ),
    ],
)
@pytest.mark.parametrize("kind", ["podAffinity", "podAntiAffinity"])
def test_what_is_wrong_with_a_term_about_pods_is_named(kind: str, term: dict, path: str, why: str) -> None:
    if path != "topologyKey":
        term = {"topologyKey": "zone", **term}
    found = told({"affinity": {kind: {REQUIRED: [term]}}})
    assert why in found[f"spec.affinity.{kind}.{REQUIRED}[0].{path}"]
    found = told({"affinity": {kind: {PREFERRED: [{"weight": 1, "podAffinityTerm": term}]}}})
    assert why in found[f"spec.affinity.{kind}.{PREFERRED}[0].podAffinityTerm.{path}"]


@pytest.mark.parametrize("weight", [0, 101])
def test_a_weight_is_from_1_to_100(weight: int) -> None:
    node = {"nodeAffinity": {PREFERRED: [{"weight": weight, "preference": PREFERENCE}]}}
    term = {"topologyKey": "zone", "labelSelector": SELECTOR}
    pod = {"podAntiAffinity": {PREFERRED: [{"weight": weight, "podAffinityTerm": term}]}}
    for affinity_ in (node, pod):
        (why,) = told({"affinity": affinity_}).values()
        assert why == f"Invalid value: {weight}: must be in the range 1-100"


def test_a_preference_is_held_to_the_rules_of_a_term() -> None:
    wrong = {"matchExpressions": [{"key": "a", "operator": "Like"}]}
    found = told({"affinity": {"nodeAffinity": {PREFERRED: [{"weight": 1, "preference": wrong}]}}})
    assert found == {
        f"spec.affinity.nodeAffinity.{PREFERRED}[0].preference.matchExpressions[0].operator": (
            'Invalid value: "Like": not a valid selector operator'
        )
    }


def test_affinity_comes_back_as_it_was_given() -> None:
    term = {
        "topologyKey": "zone",
        "labelSelector": SELECTOR,
        "namespaces": ["a"],
        "namespaceSelector": {"matchLabels": {"team": "b"}},
        "matchLabelKeys": ["rev"],
        "mismatchLabelKeys": ["tenant"],
    }
    pods = {REQUIRED: [term], PREFERRED: [{"weight": 7, "podAffinityTerm": term}]}
    given = {
        "nodeAffinity": {PREFERRED: [{"weight": 3, "preference": PREFERENCE}]},
        "podAffinity": pods,
        "podAntiAffinity": pods,
    }
    spec = {"containers": [{"name": "c", "image": "i"}], "affinity": given}
    document = {"metadata": {"name": "p", "namespace": "default"}, "spec": spec}
    decoded = decode.decode(kinds.POD, document)
    assert msgspec.json.decode(objects.to_json(decoded.object))["spec"]["affinity"] == given
    assert told({"affinity": given}) == {}
