from __future__ import annotations

import msgspec
import pytest

from swarmlet.errors import InvalidError
from swarmlet.model import decode, kinds, objects, validation

GOOD = {
    "maxSkew": 1,
    "topologyKey": "zone",
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app": "web"}},
}


def told(*constraints: dict) -> dict[str, str]:
    """Return what validation says of a Pod with these constraints, by the field in them."""
    spec = {
        "containers": [{"name": "c", "image": "i"}],
        "restartPolicy": "Always",
        "topologySpreadConstraints": list(constraints),
    }
    decoded = decode.decode(kinds.POD, {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
    assert not decoded.unsupported_fields
    assert msgspec.json.decode(objects.to_json(decoded.object))["spec"]["topologySpreadConstraints"] == [*constraints]
    try:
        validation.validate(decoded.object)
    except InvalidError as error:
        prefix = "spec.topologySpreadConstraints"
        return {path.removeprefix(prefix): why for path, why in error.causes if path.startswith(prefix)}
    return {}


def test_what_is_written_well_is_taken() -> None:
    whole = {
        **GOOD,
        "minDomains": 2,
        "nodeAffinityPolicy": "Ignore",
        "nodeTaintsPolicy": "Honor",
        "matchLabelKeys": ["pod-template-hash"],
    }
    assert told(GOOD, {**whole, "topologyKey": "host"}, {**GOOD, "whenUnsatisfiable": "ScheduleAnyway"}) == {}


@pytest.mark.parametrize(
    ("wrong", "path", "why"),
    [
        ({"maxSkew": -1}, "maxSkew", "Invalid value: -1: must be greater than zero"),
        ({"topologyKey": ""}, "topologyKey", "Required value: can not be empty"),
        ({"topologyKey": "a b"}, "topologyKey", 'Invalid value: "a b"'),
        (
            {"whenUnsatisfiable": "Never"},
            "whenUnsatisfiable",
            'Unsupported value: "Never": supported values: "DoNotSchedule", "ScheduleAnyway"',
        ),
        ({"minDomains": -1}, "minDomains", "Invalid value: -1: must be greater than zero"),
        (
            {"minDomains": 2, "whenUnsatisfiable": "ScheduleAnyway"},
            "minDomains",
            "Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
        ),
        ({"nodeAffinityPolicy": "Maybe"}, "nodeAffinityPolicy", 'supported values: "Honor", "Ignore"'),
        ({"nodeTaintsPolicy": "Maybe"}, "nodeTaintsPolicy", 'supported values: "Honor", "Ignore"'),
        ({"matchLabelKeys": ["app"]}, "matchLabelKeys[0]", "exists in both matchLabelKeys and labelSelector"),
        ({"labelSelector": {"matchLabels": {"-": "x"}}}, "labelSelector.matchLabels", 'Invalid value: "-"'),
    ],
)
def test_what_is_written_wrong_is_named(wrong: dict, path: str, why: str) -> None:
    assert why in told({**GOOD, **wrong})[f"[0].{path}"]


def test_two_constraints_of_one_key_and_action_are_one_too_many() -> None:
    assert told(GOOD, {**GOOD, "maxSkew": 2}) == {
        "[1].{topologyKey, whenUnsatisfiable}": 'Duplicate value: "{zone, DoNotSchedule}"'
    }


def test_labels_cannot_be_matched_without_a_selector() -> None:
    bare = {key: value for key, value in GOOD.items() if key != "labelSelector"}
    assert (
        "must not be specified when labelSelector is not set"
        in told({**bare, "matchLabelKeys": ["a"]})["[0].matchLabelKeys"]
    )
