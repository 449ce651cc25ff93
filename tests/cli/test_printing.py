from __future__ import annotations

import io
from typing import Any

import pytest
import yaml

from swarmlet.cli import documents, exits, status, tables, terminal
from swarmlet.cli.applying import progress
from swarmlet.cli.descriptions import kinds as descriptions
from swarmlet.cli.rollouts import judging as rollouts
from tests.cli import objects


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def table(*rows: list[Any]) -> dict[str, Any]:
    columns = [{"name": "Name", "priority": 0}, {"name": "Ready", "priority": 0}, {"name": "Node", "priority": 1}]
    return {"columnDefinitions": columns, "rows": [{"cells": row, "object": {"metadata": {}}} for row in rows]}


def test_wide_columns_are_printed_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    tables.TablePrinter(tables.Form()).print(table(["a", True, "n"]))
    tables.TablePrinter(tables.Form(wide=True)).print(table(["a", None, "n"]))
    assert capsys.readouterr().out.splitlines() == [
        "NAME   READY",
        "a      true",
        "NAME   READY   NODE",
        "a              n",
    ]


def test_a_cell_of_several_lines_is_cut_to_its_first(capsys: pytest.CaptureFixture[str]) -> None:
    tables.TablePrinter(tables.Form(headers=False)).print(table(["a\nb", 1, ""]))
    assert capsys.readouterr().out == "a...   1\n"


STEERING = "a\x1b]0;title\x07\rb"
SPELLED = r"a\x1b]0;title\x07\rb"


def test_what_others_write_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tables.TablePrinter(tables.Form(headers=False)).print(table([STEERING, 1, ""]))
    exits.say(STEERING)
    out, err = capsys.readouterr()
    assert (out, err) == (SPELLED.partition(r"\r")[0] + "...   1\n", SPELLED + "\n")
    assert descriptions.rendered([(STEERING, STEERING), ("Data", [(STEERING, [STEERING])])]) == [
        f"{SPELLED}:  {SPELLED}",
        "Data:",
        f"  {SPELLED}:  {SPELLED}",
    ]


def test_widths_never_shrink_in_a_watch(capsys: pytest.CaptureFixture[str]) -> None:
    printer = tables.TablePrinter(tables.Form())
    printer.print(table(["a-long-name", 1, ""]))
    printer.print({"columnDefinitions": None, "rows": table(["b", 2, ""])["rows"]})
    assert capsys.readouterr().out.splitlines()[2] == "b             2"


def test_colour_is_for_terminals_whose_owner_likes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert not terminal.is_coloured(io.StringIO())
    assert terminal.is_coloured(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal.is_coloured(Terminal())


def test_colour_leaves_the_width_alone() -> None:
    assert terminal.paint("Running   ") == "\x1b[32mRunning   \x1b[0m"
    assert terminal.paint("Pending").startswith("\x1b[33m")
    assert terminal.paint("CrashLoopBackOff").startswith("\x1b[31m")
    assert terminal.paint("   ") == "   "


@pytest.mark.parametrize("value", ["5", "true", "a\nb\n", "2026-01-02T03:04:05Z", "x: y", "", "ü", "  led"])
def test_yaml_is_read_back_as_it_was(value: str) -> None:
    document = {"metadata": {"name": "a", "managedFields": [1]}, "v": value}
    assert yaml.safe_load(documents.in_form("yaml", document) + "\n") == {"metadata": {"name": "a"}, "v": value}


def test_what_stands_twice_is_written_twice() -> None:
    labels = {"app": "web"}
    assert documents.in_form("yaml", {"a": labels, "b": labels}) == "a:\n  app: web\nb:\n  app: web"


def test_descriptions_align_each_level() -> None:
    description: descriptions.Description = [
        ("Name", "web"),
        ("Selector", ["a", "b"]),
        ("Inner", [("Long Label", "1"), ("X", "2")]),
        ("None", []),
    ]
    assert descriptions.rendered(description) == [
        "Name:      web",
        "Selector:  a",
        "           b",
        "Inner:",
        "  Long Label:  1",
        "  X:           2",
        "None:      <none>",
    ]


def test_a_selector_is_told_with_its_expressions() -> None:
    tiers = {"key": "tier", "operator": "In", "values": ["b", "a"]}
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [tiers]}}
    budget = {"kind": "PodDisruptionBudget", "metadata": {"name": "web"}, "spec": spec}
    assert ("Selector", "app=web,tier in (a,b)") in descriptions.describe(budget)


def test_a_volume_that_is_kept_for_half_a_name_is_described() -> None:
    volume = {"kind": "PersistentVolume", "metadata": {"name": "a"}, "spec": {"claimRef": {"namespace": "shop"}}}
    assert ("Claim", "shop/") in descriptions.describe(volume)


def test_a_description_of_an_unknown_kind_shows_all_of_it() -> None:
    document = {"kind": "X", "metadata": {"name": "x"}, "spec": {"someField": 1, "list": [{"a": "b"}]}}
    lines = [line.strip() for line in descriptions.rendered(descriptions.describe(document))]
    assert {"Name:         x", "Some Field:  1", "A:  b"} <= set(lines)


@pytest.mark.parametrize(
    ("status_", "told", "done"),
    [
        ({"observedGeneration": 1}, "Waiting for deployment spec update to be observed...", False),
        ({"updatedReplicas": 1}, "1 out of 3 new replicas have been updated...", False),
        ({"updatedReplicas": 3, "replicas": 4}, "1 old replicas are pending termination...", False),
        ({"updatedReplicas": 3, "replicas": 3, "availableReplicas": 2}, "2 of 3 updated replicas are available", False),
        ({"updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}, "successfully rolled out", True),
    ],
)
def test_a_rollout_is_told_in_kubectls_sentences(status_: dict[str, int], told: str, done: bool) -> None:
    document = {
        "metadata": {"name": "web", "generation": 2},
        "spec": {"replicas": 3},
        "status": {"observedGeneration": 2, **status_},
    }
    judged = rollouts.deployment(document)
    assert told in judged.told
    assert judged.done is done


def test_pods_complain_of_what_a_person_can_mend() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes fit"}
    crash = {"name": "c", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}
    pods = [
        {"metadata": {"name": "a"}, "status": {"conditions": [scheduled]}},
        {"metadata": {"name": "b"}, "status": {"containerStatuses": [crash]}},
        {"metadata": {"name": "c"}, "status": {"reason": "Evicted", "message": "the node is low on memory"}},
        objects.pod("d", ready=False),
        objects.pod("e"),
    ]
    assert rollouts.complaints(pods) == [
        "pod/a: Unschedulable: 0/3 nodes fit",
        "pod/b: Error: exit code 3",
        "pod/c: Evicted: the node is low on memory",
    ]


def test_progress_tells_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    display = progress.PlainDisplay()
    line = progress.Line("deployment.apps/web", rollouts.Progress(told="", ready=1, wanted=2), ["pod/a: bad"])
    display.show([line])
    display.show([line])
    assert capsys.readouterr().out == "deployment.apps/web: 1 of 2 ready\n  pod/a: bad\n"


def test_progress_is_redrawn_in_place_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", screen)
    with progress.display() as display:
        display.show(
            [progress.Line("deployment.apps/web", rollouts.Progress(told="", ready=1, wanted=2), ["pod/a: bad"])]
        )
        display.show([progress.Line("deployment.apps/web", rollouts.Progress(told="", done=True, ready=2, wanted=2))])
    assert "deployment.apps/web" in screen.getvalue()
    assert "2/2" in screen.getvalue()


def test_the_quorum_is_told_in_words() -> None:
    nodes = [{"role": role, "ready": True} for role in ("leader", "voter", "voter", "standby")]
    report = {"healthy": True, "leader_name": "h1", "nodes": nodes}
    assert status.quorum(report) == "healthy: h1 leads 3 voters, one may be lost"
    nodes[1]["ready"] = False
    assert status.quorum(report) == "healthy: h1 leads 3 voters, no voter may be lost"
    assert status.quorum({**report, "healthy": False}).startswith("lost: writes are refused until 2 of 3 voters")


def test_status_says_why_each_machine_has_its_role() -> None:
    node = {"name": "h4", "role": "standby", "ready": True, "address": "h4:1", "silent_seconds": None}
    told = status.lines({"healthy": True, "nodes": [node | {"why": "4 voters would be no safer than 3"}]})
    assert " ".join(told[-1].split()) == "h4 standby Ready h4:1 4 voters would be no safer than 3"


def test_without_quorum_status_says_what_this_machine_sees() -> None:
    nodes = [
        {"name": "h1", "role": "voter", "ready": True, "address": "a", "silent_seconds": None},
        {"name": "h2", "role": "voter", "ready": True, "address": "b", "silent_seconds": 75},
    ]
    assert " ".join(status.lines({"healthy": False, "nodes": nodes})[-1].split()) == "h2 voter Unreachable for 75s b"
    assert " ".join(status.lines({"healthy": True, "nodes": nodes})[-1].split()) == "h2 voter Ready b"


WHOLE = {"mode": "vxlan", "services": "nftables", "dns": True, "dns_address": "10.43.0.10", "policies": True}


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        (
            WHOLE | {"why": {"services": "the kernel balances"}, "faults": {}},
            ["vxlan", "nftables: the kernel balances", "10.43.0.10", "enforced"],
        ),
        (
            WHOLE | {"dns_address": "", "why": {}, "faults": {"mode": "no nft", "dns": "Address in use"}},
            ["vxlan, failing: no nft", "nftables", "on, failing: Address in use", "enforced"],
        ),
        (
            {"mode": "none", "services": "userspace", "dns": False, "dns_address": "", "policies": False}
            | {"why": {"mode": "no root", "dns": "no root"}, "faults": {}},
            ["none: no root", "userspace", "off: no root", "not enforced"],
        ),
    ],
)
def test_status_tells_what_the_machine_does_of_the_network_and_why(told: dict[str, Any], lines: list[str]) -> None:
    printed = [line.partition(":") for line in status.lines({"network": told})]
    labels = ("Pod network", "Services", "DNS", "Policies")
    assert [(label, rest.strip()) for label, _, rest in printed if label in labels] == list(
        zip(labels, lines, strict=True)
    )


def test_status_tells_of_fencing_on_both_sides() -> None:
    waiting = [
        {"pod": "default/one", "node": "n2", "until": "2026-01-01T12:03:04Z"},
        {"pod": "default/two", "node": "n3", "until": "unknown"},
    ]
    fencing = {"cut_off_since": "2026-01-01T12:00:01Z", "stopped": ["default/web-0"], "waiting": waiting}
    told = "\n".join(status.lines({"fencing": fencing}))
    assert "cut off from the quorum since 12:00:01, stopped default/web-0" in told
    assert "default/one waits until 12:03:04 because n2 may still run it" in told
    assert "default/two waits for n3, which may still run it" in told
    assert "Fenced" not in "\n".join(status.lines({}))
