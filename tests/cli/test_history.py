"""history, diff, undo and get --at, as a user types them."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from swarmlet import __version__
from swarmlet.cli import terminal
from swarmlet.cli.exits import UsageError
from swarmlet.cli.past import history_text, moments
from swarmlet.model.differences import Difference
from swarmlet.model.histories import ObjectChange
from tests.cli import objects
from tests.cli.conftest import Cluster

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def web(cluster: Cluster) -> str:
    path = cluster.folder / "web.yaml"
    path.write_text(objects.WEB, encoding="utf-8")
    cluster.ok("apply", "-f", str(path))
    return str(path)


def last_revision(cluster: Cluster) -> int:
    return json.loads(cluster.ok("history", "-A", "--json", "--limit", "1"))["changes"][0]["revision"]


def replicas(cluster: Cluster) -> int:
    return json.loads(cluster.ok("get", "deploy/web", "-o", "json"))["spec"]["replicas"]


def scale(cluster: Cluster, count: int) -> int:
    cluster.ok("scale", "deploy/web", f"--replicas={count}")
    return last_revision(cluster)


# history


def test_history_tells_rev_when_who_from_object_and_what(cluster: Cluster, web: str) -> None:
    before = replicas(cluster)
    revision = scale(cluster, 7)
    header, newest, first = cluster.ok("history", "deploy/web").splitlines()
    assert header.split() == ["REV", "WHEN", "WHO", "FROM", "OBJECT", "WHAT"]
    assert re.split(r" {3,}", newest) == [
        str(revision),
        newest.split()[1],
        "local-admin",
        f"node-a swarmlet/{__version__}",
        "deployment.apps/web",
        f"spec.replicas: {before} -> 7",
    ]
    assert first.endswith("created")


def test_history_shows_kubectls_changes_too(cluster: Cluster, web: str) -> None:
    assert cluster.kubectl("scale", "deploy/web", "--replicas=8").code == 0
    newest = cluster.ok("history", "deploy").splitlines()[1]
    assert "127.0.0.1 kubectl" in newest


def test_history_is_of_one_namespace_or_of_all(cluster: Cluster, web: str) -> None:
    assert cluster.run("history", "-n", "other").err == "No changes found in other namespace.\n"
    everything = cluster.ok("history", "-A")
    assert everything.startswith("NAMESPACE")
    assert "namespace/other" in everything
    assert "deployment.apps/web" in everything


def test_history_can_be_cut(cluster: Cluster, web: str) -> None:
    revisions = [scale(cluster, count) for count in (5, 6, 7)]
    cut = cluster.run("history", "deploy/web", "--limit", "1", "--no-headers")
    assert [line.split()[0] for line in cut.lines] == [str(revisions[2])]
    assert "--limit 2" in cut.err
    since = cluster.ok("history", "deploy/web", "--since", str(revisions[1]), "--no-headers")
    assert since.split()[0] == str(revisions[2])
    assert cluster.run("history", "deploy/web", "--since", "tomorrow").code == 2


# diff


def test_diff_of_a_change_tells_who_and_every_field(cluster: Cluster, web: str) -> None:
    before = replicas(cluster)
    revision = scale(cluster, 7)
    header, named, field = cluster.ok("diff", str(revision)).splitlines()
    assert header.startswith(f"change {revision}: local-admin, ")
    assert header.endswith(f"from node-a swarmlet/{__version__}")
    assert (named, field) == ("~ deployment.apps/web in default", f"    ~ spec.replicas: {before} -> 7")
    assert cluster.run("diff", "99999").code == 3


def test_diff_of_two_moments_tells_what_lies_between(cluster: Cluster, web: str) -> None:
    first, _, last = (scale(cluster, count) for count in (5, 6, 7))
    assert cluster.ok("diff", str(first), str(last)).splitlines() == [
        "~ deployment.apps/web in default",
        "    ~ spec.replicas: 5 -> 7",
    ]
    assert "    ~ spec.replicas: 7 -> 5" in cluster.ok("diff", str(last), str(first), "deploy/web")
    assert "No differences" in cluster.run("diff", str(last), str(last)).err
    assert cluster.run("diff", "1", "2", "3").code == 2
    assert "+ deployment.apps/web in default" in cluster.ok("diff", "-10m", "0s", "deploy/web").splitlines()
    assert "unknown flag: -x" in cluster.run("diff", "-x", "0s").err


# get --at


def test_get_at_a_revision_or_time_shows_what_was_asked_for(cluster: Cluster, web: str) -> None:
    first = scale(cluster, 5)
    scale(cluster, 9)
    past = json.loads(cluster.ok("get", "deploy", "web", "--at", str(first), "-o", "json"))
    assert (past["spec"]["replicas"], "status" in past) == (5, False)
    assert "replicas: 5" in cluster.ok("get", "deploy/web", "--at", str(first))
    assert "replicas: 9" in cluster.ok("get", "deploy/web", "--at", "0s")
    header, row = cluster.ok("get", "deploy", "--at", str(first)).splitlines()
    assert (header.split(), row.split()[:2]) == (["NAME", "REPLICAS", "IMAGES"], ["web", "5"])
    assert cluster.run("get", "deploy/web", "--at", "-1h").code == 3
    assert cluster.run("get", "pods", "--at", str(first)).err == "Nothing of that kind was there.\n"
    assert cluster.run("get", "deploy", "--at", "1", "-w").code == 2


# undo


def test_undo_shows_what_it_does_and_does_it(cluster: Cluster, web: str) -> None:
    before = replicas(cluster)
    revision = scale(cluster, 7)
    shown = cluster.ok("undo", str(revision), "--dry-run")
    assert f"~ spec.replicas: 7 -> {before}" in shown
    assert replicas(cluster) == 7
    assert "deployment.apps/web configured" in cluster.ok("undo", str(revision), "--yes")
    assert replicas(cluster) == before
    assert cluster.ok("history", "deploy/web").splitlines()[1].endswith(f"(undo of {revision})")


def test_undo_asks_first(cluster: Cluster, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    revision = scale(cluster, 7)
    asked = cluster.run("undo", str(revision))
    assert (asked.code, replicas(cluster)) == (2, 7)
    assert "--yes" in asked.err

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    assert "Nothing was changed." in cluster.run("undo", str(revision)).err
    assert replicas(cluster) == 7
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert cluster.run("undo", str(revision)).code == 0
    assert replicas(cluster) != 7


def test_undo_names_the_later_change_that_it_would_undo_too(cluster: Cluster, web: str) -> None:
    first, second = scale(cluster, 5), scale(cluster, 7)
    refused = cluster.run("undo", str(first), "--yes")
    assert refused.code == 4
    assert refused.err == (
        "error: deployments.apps/web in default: local-admin changed spec.replicas later, in revision "
        f"{second}; --force undoes that, too\n"
    )
    cluster.ok("undo", str(first), "--force", "--yes")


# Words.


def test_moments_are_revisions_times_and_a_while_ago() -> None:
    assert moments.moment("1234", NOON) == "1234"
    for text in ("-10m", "10m"):
        assert datetime.fromisoformat(moments.moment(text, NOON)) == NOON - timedelta(minutes=10)
    here = NOON.astimezone()
    assert datetime.fromisoformat(moments.moment(f"{here - timedelta(minutes=5):%H:%M}", NOON)) == NOON - timedelta(
        minutes=5
    )
    later = datetime.fromisoformat(moments.moment(f"{here + timedelta(minutes=5):%H:%M}", NOON))
    assert later == NOON + timedelta(minutes=5) - timedelta(days=1)
    assert datetime.fromisoformat(moments.moment("2026-11-21T11:05Z", NOON)) == NOON - timedelta(minutes=55)
    for text in ("25:00", "noon", "-5", "1x", "\N{SUPERSCRIPT TWO}", "99999999999d", "0001-01-01T00:00"):
        with pytest.raises(UsageError, match="allowed: a revision"):
            moments.moment(text, NOON)


def test_what_would_steer_the_terminal_is_spelled_out() -> None:
    """A ConfigMap's value, or a container's last words, come from whoever wrote them."""
    assert terminal.signed("+ data[x]: \x1b[2J\N{RIGHT-TO-LEFT OVERRIDE}é") == r"+ data[x]: \x1b[2J\u202eé"
    assert terminal.marked("\tsaid:\nso \x07") == "\tsaid:\nso \\x07"


def test_a_long_change_stays_on_a_line_and_a_run_says_how_many_it_was() -> None:
    told = tuple(Difference(path=f"spec.template.spec.f{n}", before="a", after="b") for n in range(5))
    change = ObjectChange(
        revision=9, action="change", resource="deployments.apps", name="web", differences=told, joined=4, began=NOON
    )
    text = history_text.what(change, NOON)
    assert text == f"f0: a -> b, f1: a -> b, f2: a -> b, and 2 more (4 changes since {moments.local(NOON, NOON)})"
    alone = ObjectChange(revision=9, action="delete", resource="nodes", name="h1", size=3, change=7)
    assert history_text.what(alone, NOON) == "deleted (one of 3 objects of change 7)"
    assert history_text.row(alone, NOON)[2:4] == ["system", "-"]
