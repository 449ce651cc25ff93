from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
import structlog

from swarmlet.api.plans import requests as plans
from swarmlet.cli.plans import steps as plan_steps
from swarmlet.cli.plans import text as plan_text
from swarmlet.model import kinds
from swarmlet.model.differences import Difference
from swarmlet.model.plans import Plan, PlannedChange, PlannedPods, Step, Waiting
from tests.api.test_plans import new_node
from tests.cli import objects
from tests.cli.conftest import Cluster
from tests.cli.test_apply import CONFIG, data_of, write
from tests.cli.test_compose import SHOP


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the daemon logs out of what the command prints."""
    monkeypatch.setattr(plans, "log", structlog.testing.CapturingLogger())


@pytest.fixture
def nodes(cluster: Cluster) -> None:
    for name in ("h1", "h2"):
        cluster.do(lambda name=name: cluster.replica.put(kinds.NODE, new_node(name)))


def planned(cluster: Cluster, *arguments: str) -> dict:
    result = cluster.run("plan", "--json", *arguments)
    assert result.code == 2, result
    return json.loads(result.out)


def test_a_plan_ends_with_2_and_is_applied_by_its_id(cluster: Cluster) -> None:
    path = write(cluster, "a.yaml", CONFIG)
    result = cluster.run("plan", "-f", path)
    assert (result.code, result.err) == (2, "")
    assert result.lines[0] == "+ configmap/settings in default"
    assert '    data: {a: "1", b: "2"}' in result.lines
    assert "1 to create; 0 unchanged." in result.lines
    plan_id = result.out.split()[-1]
    assert cluster.ok("apply", "--plan", plan_id) == "configmap/settings created\n"
    assert data_of(cluster) == {"a": "1", "b": "2"}
    assert cluster.ok("plan", "-f", path) == "No changes: the one object is as it is to be.\n"
    again = cluster.run("apply", "--plan", plan_id)
    assert again.code == 3
    assert len(again.err.splitlines()) == 1


def test_a_change_is_shown_as_a_diff(cluster: Cluster) -> None:
    path = write(cluster, "a.yaml", CONFIG)
    cluster.ok("apply", "-f", path)
    write(cluster, "a.yaml", CONFIG.replace("'2'", "'3'"))
    result = cluster.run("plan", "-f", path)
    assert result.lines[:2] == ["~ configmap/settings in default", '    ~ data.b: "2" -> "3"']


def test_a_stale_plan_is_refused_in_one_line(cluster: Cluster) -> None:
    path = write(cluster, "a.yaml", CONFIG)
    plan_id = planned(cluster, "-f", path)["id"]
    cluster.ok("apply", "-f", path)
    result = cluster.run("apply", "--plan", plan_id)
    assert result.code == 4
    assert result.err == (
        f'error: plan "{plan_id}" is stale, nothing was done: configmaps/default/settings is new; plan anew\n'
    )


def test_where_pods_would_go_is_shown(cluster: Cluster, nodes: None) -> None:
    path = write(cluster, "web.yaml", objects.WEB)
    result = cluster.run("plan", "-f", path)
    steps = [line.strip() for line in result.lines if line.strip()[:2] in ("1.", "2.")]
    assert steps[0].startswith("1. start 2 x web-")
    assert steps[0].endswith("-<new>: 1 on h1, 1 on h2")
    assert steps[1].endswith("are ready")


def test_a_deletion_is_planned(cluster: Cluster) -> None:
    path = write(cluster, "a.yaml", CONFIG)
    cluster.ok("apply", "-f", path)
    made = planned(cluster, "--delete", "-f", path)
    assert cluster.ok("apply", "--plan", made["id"]) == "configmap/settings deleted\n"
    assert cluster.run("get", "cm", "settings").code == 3


def test_a_compose_file_is_planned_as_it_is_applied(cluster: Cluster) -> None:
    path = write(cluster, "compose.yaml", SHOP)
    made = planned(cluster, "-f", path)
    assert {(each["action"], each["resource"]) for each in made["changes"]} >= {
        ("create", "deployments.apps"),
        ("create", "services"),
        ("create", "persistentvolumeclaims"),
    }
    cluster.ok("apply", "--plan", made["id"])
    assert cluster.run("plan", "-f", path).out.startswith("No changes")
    write(cluster, "compose.yaml", SHOP.replace("  db: {image", "  base: {image").replace("db: {cond", "base: {cond"))
    write(cluster, "compose.yaml", (cluster.folder / "compose.yaml").read_text().replace("on: [db]", "on: [base]"))
    kept = cluster.run("plan", "-f", path)
    assert "--remove-orphans deletes them" in kept.err
    assert "- deployment.apps/db in default" not in kept.lines
    assert "- deployment.apps/db in default" in cluster.run("plan", "-f", path, "--remove-orphans").lines
    told = cluster.run("plan", "--delete", "-f", path)
    assert "persistentvolumeclaim/shop-data kept" in told.err
    assert "- deployment.apps/db in default" in told.lines
    assert (
        "- persistentvolumeclaim/shop-data in default" in cluster.run("plan", "--delete", "--volumes", "-f", path).lines
    )


def test_what_is_no_longer_named_is_pruned(cluster: Cluster) -> None:
    labelled = CONFIG.replace("{name: settings}", "{name: settings, labels: {app: shop}}")
    both = write(cluster, "both.yaml", labelled + "---\n" + labelled.replace("settings", "old"))
    cluster.ok("apply", "-f", both)
    one = write(cluster, "one.yaml", labelled)
    result = cluster.run("plan", "--prune", "-l", "app=shop", "-f", one)
    assert result.lines[0] == "- configmap/old in default"
    assert "1 to delete; 1 unchanged." in result.lines


@pytest.mark.parametrize(
    "arguments",
    [
        ("--nonsense",),
        (),
        ("-f", "nowhere.yaml"),
        ("-f", "-", "--prune"),
        ("-f", "-", "-f", "-"),
        ("-f", "-", "--validate", "maybe"),
    ],
)
def test_what_is_wrong_with_the_command_line_is_no_plan(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(CONFIG.encode())))
    result = cluster.run("plan", *arguments)
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert not result.out


def test_a_refused_manifest_is_one_line(cluster: Cluster) -> None:
    path = write(cluster, "web.yaml", objects.WEB.replace("replicas: 2", "replicas: -2"))
    result = cluster.run("plan", "-f", path)
    assert result.code == 1
    assert "spec.replicas" in result.err.splitlines()[0]


def test_what_was_planned_can_be_waited_for(cluster: Cluster) -> None:
    path = write(cluster, "web.yaml", objects.WEB)
    plan_id = planned(cluster, "-f", path)["id"]
    cluster.once_watched("deployments.apps", "pods", do=lambda: objects.finish_rollout(cluster.replica))
    assert cluster.ok("apply", "--plan", plan_id, "--wait").splitlines() == [
        "deployment.apps/web created",
        "deployment.apps/web: 0 of 2 ready",
        "deployment.apps/web: 2 of 2 ready",
    ]


def test_apply_takes_a_plan_or_files(cluster: Cluster) -> None:
    assert cluster.run("apply", "--plan", "x", "-f", "a.yaml").code == 2


def of(*names: str, node: str = "h1") -> tuple[PlannedPods, ...]:
    return tuple(PlannedPods(name=name, node=node) for name in names)


def test_a_hundred_pods_stay_readable() -> None:
    stopped = tuple(PlannedPods(name=f"web-7d9f-{n:03}", node=f"h{n % 3}") for n in range(99))
    plan = Plan(
        changes=(PlannedChange(action="change", resource="deployments.apps", name="web", namespace="x"),),
        steps=(
            Step(does="start", pods=(PlannedPods(name="web-5c-<new>", node="h1"),)),
            Step(does="ready", pods=(PlannedPods(name="web-5c-<new>", node="h1"),)),
            Step(does="stop", pods=stopped),
            Step(does="stop", pods=of("db-0", "db-1"), unplanned=True),
        ),
        waiting=(Waiting(pods=PlannedPods(name="web-5c-<new>", count=3), reason="0/3 nodes are available."),),
        notes=("something",),
    )
    told = list(plan_text.lines(plan))
    assert told[2:] == [
        "Pods, in this order:",
        "  1. start web-5c-<new> on h1",
        "  2. web-5c-<new> on h1 is ready",
        "  3. stop 99 Pods web-7d9f-*: 33 on h0, 33 on h1, 33 on h2",
        "  4. stop db-0 on h1, db-1 on h1 (not of this plan)",
        "",
        "Pods that get no node:",
        "  3 x web-5c-<new>: 0/3 nodes are available.",
        "",
        "To be known:",
        "  something",
        "",
        "1 to change; 0 unchanged.",
    ]


def test_long_objects_are_cut_unless_all_is_asked_for() -> None:
    fields = tuple(Difference(path=f"spec.f{n}", after=n) for n in range(20))
    plan = Plan(changes=(PlannedChange(action="create", resource="configmaps", name="c", differences=fields),))
    assert "    ... and 8 fields more; --full shows them" in plan_text.lines(plan)
    assert "    spec.f19: 19" in plan_text.lines(plan, full=True)


def test_what_repeats_is_told_once() -> None:
    owner = {"owner": "deployments.apps/web", "namespace": "x"}
    steps = []
    for number in range(10):
        new = (PlannedPods(name="web-new-<new>", node=f"h{number % 2}"),)
        steps += [Step(does="start", pods=new, **owner), Step(does="ready", pods=new, **owner)]
        steps.append(Step(does="stop", pods=of(f"web-old-{number}", node="h9"), **owner))
    steps.append(Step(does="stop", pods=of("other"), owner="deployments.apps/other", unplanned=True))
    assert list(plan_steps.lines(steps)) == [
        "   1. start web-new-<new> on h0",
        "   2. web-new-<new> on h0 is ready",
        "   3. stop web-old-0 on h9",
        "   4. start web-new-<new> on h1",
        "   5. web-new-<new> on h1 is ready",
        "   6. stop web-old-1 on h9",
        "      the same 8 times more: start 8 Pods: 4 on h0, 4 on h1; stop 8 Pods: 8 on h9",
        "  31. stop other on h1 (not of this plan)",
    ]
    assert len(list(plan_steps.lines(steps[:9]))) == 9


def test_many_steps_that_do_not_repeat_are_cut() -> None:
    steps = [Step(does="stop", pods=of(f"p{number}"), owner=f"jobs.batch/{number}") for number in range(130)]
    told = list(plan_steps.lines(steps))
    assert len(told) == 101
    assert told[-1] == "  ... and 30 steps more; --json tells them all"
