"""What -o and --sort-by print: what kubectl prints, whatever is asked for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from swarmlet.cli.forms import custom_columns, jsonpath, paths, sorting
from swarmlet.cli.forms.paths import PathError
from swarmlet.model import kinds
from tests.cli import objects
from tests.cli.conftest import Cluster

DOCUMENT: dict[str, Any] = {
    "kind": "List",
    "items": [
        {"metadata": {"name": "a", "labels": {"app.io/x": "1"}}, "n": 1, "parts": [{"k": "x", "on": True}, {"k": "y"}]},
        {"metadata": {"name": "b", "labels": {}}, "n": 2, "parts": [{"k": "z", "v": [1, 2, 3]}]},
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        "get pods -o|jsonpath={.items[*].metadata.name}",
        "get pods -o|jsonpath={range .items[*]}{.metadata.name}{\"\\t\"}{.status.phase}{'\\n'}{end}",
        'get pods -o|jsonpath={.items[?(@.metadata.name=="web-2")].status.podIP}',
        "get pods -o|jsonpath={.items[*]['metadata.name','status.phase']}",
        "get pods -o|jsonpath={.items[-1:].metadata.name} {.items[0:2].kind} {.items[0:9]..phase}",
        "get pods -o|jsonpath={..image}",
        "get pods -o|jsonpath={.items[7].metadata.name}",
        "get pods -o|jsonpath={.nothing}",
        "get pods -o|jsonpath=.items",
        "get pods -o|jsonpath={.items[?(@.status.containerStatuses[0].restartCount>=0)].metadata.name}",
        "get deploy web -o|jsonpath={.spec.selector}",
        "get deploy web -o|jsonpath={.metadata.labels['app']}{.spec.replicas}{.spec.template.spec.containers[0].name}",
        "get deploy web -o|jsonpath={.spec.strategy.rollingUpdate.maxSurge} {$.kind} {@.kind}",
        "get pods -o|jsonpath-as-json={.items[*].metadata.name}",
        "get pods -o|custom-columns=NAME:.metadata.name,PHASE:.status.phase,NONE:.x.y,IMG:spec.containers[*].image",
        "get pods -o|custom-columns=LABELS:.metadata.labels,C:.status.conditions --no-headers",
        "get pods -l app=none -o|custom-columns=NAME:.metadata.name",
        "get pod web-1 -o|custom-columns=NAME:{.metadata.name}",
        "get pods --sort-by|{.metadata.name}",
        "get pods --sort-by|.metadata.labels.order -L order,app --show-labels",
        "get pods --sort-by|.metadata.name -o name",
        "get pods -L order --show-kind",
        "get -f web.yaml",
        "get -f web.yaml -o name",
        "get --raw|/version",
        "get deploy web --subresource=scale -o|jsonpath={.kind}",
    ],
)
def test_it_is_printed_as_kubectl_prints_it(cluster: Cluster, arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cluster.folder)
    (cluster.folder / "web.yaml").write_text(objects.WEB, encoding="utf-8")
    cluster.ok("apply", "-f", "web.yaml")
    for name, order in (("web-1", "10"), ("web-2", "9"), ("web-10", "x")):
        pod = objects.pod(name)
        pod["metadata"]["labels"]["order"] = order
        cluster.do(lambda pod=pod: objects.put(cluster.replica, kinds.POD, pod))
    before, _, after = arguments.partition("|")
    further = re.split(r" (?=-)", after) if "range" not in after else [after]
    line = [*before.split(), *([further[0], *" ".join(further[1:]).split()] if after else [])]
    ours, theirs = cluster.run(*line), cluster.kubectl(*line)
    age = re.compile(r"\b\d+s\b *")
    assert (age.sub("AGE", ours.out), ours.code != 0) == (age.sub("AGE", theirs.out), theirs.code != 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{.items[*].n}", "1 2"),
        ("{.items[0].metadata.labels.app\\.io/x}", "1"),
        ("{.items[0].metadata.labels['app\\.io/x']}", "1"),
        ("{.items[?(@.n>1)].metadata.name}", "b"),
        ("{.items[*].parts[?(@.on)].k}", "x"),
        ("{.items[1].parts[0].v[::2]}", "1 3"),
        ("{.items[-1].metadata}", '{"labels":{},"name":"b"}'),
        ("{range .items[*]}{range .parts[*]}{.k},{end};{end}", "x,y,;z,;"),
        ("a {.kind}{'}'} b", "a List} b"),
        ("{range .items[*]}{.n}{$.kind} {end}", "1List 2List "),
    ],
)
def test_a_template_is_rendered(text: str, expected: str) -> None:
    assert jsonpath.template(text).render(DOCUMENT) == expected


@pytest.mark.parametrize(
    "text", ["{.a", "{end}", "{range .items[*]}", "{.a[}", "{foo}", "{.a[?(@.b==c)]}", "{.items[0].n[0]}", "{.a b c}"]
)
def test_a_template_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        jsonpath.template(text).render(DOCUMENT)


@pytest.mark.parametrize("text", ["metadata.name", ".metadata.name", "{.metadata.name}", "{metadata.name}"])
def test_a_relaxed_path_needs_no_braces(text: str) -> None:
    assert paths.relaxed(text).find(DOCUMENT["items"][0]) == ["a"]


def test_quantities_are_sorted_by_what_they_are_worth() -> None:
    found = sorting.ordered([{"n": "web-10"}, {"n": "web-9"}, {}, {"n": "500m"}, {"n": "1"}], ".n", lambda each: each)
    assert [each.get("n") for each in found] == [None, "500m", "1", "web-10", "web-9"]


@pytest.mark.parametrize("spec", ["", "NAME", "NAME:", ":.a", "A:.b["])
def test_columns_that_cannot_be_are_refused(spec: str) -> None:
    with pytest.raises(PathError):
        custom_columns.parse(spec)


def test_columns_stand_in_a_file_too() -> None:
    columns = custom_columns.from_template("NAME N\n.metadata.name .n\n")
    assert columns.lines(DOCUMENT["items"]) == ["NAME   N", "a      1", "b      2"]
