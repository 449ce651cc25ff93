from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

import swarmlet
from swarmlet.model import kinds
from swarmlet.runtime.runtime import LogOptions
from swarmlet.store.commands import Delete, Key
from tests.cli import objects
from tests.cli.conftest import Cluster, Result


@pytest.fixture
def web(cluster: Cluster) -> str:
    path = cluster.folder / "web.yaml"
    path.write_text(objects.WEB, encoding="utf-8")
    cluster.ok("apply", "-f", str(path))
    return str(path)


@pytest.fixture
def pods(cluster: Cluster) -> None:
    for name in ("web-1", "web-2"):
        document = objects.pod(name, containers=("main", "side"))
        cluster.do(lambda document=document: objects.put(cluster.replica, kinds.POD, document))


# delete


def test_delete_waits_until_the_object_is_gone(cluster: Cluster, pods: None) -> None:
    pod = Key(kinds.POD.resource, "default", "web-1")
    cluster.once_watched("pods", do=lambda: cluster.replica.apply([Delete(pod)]))
    assert cluster.ok("delete", "pod", "web-1") == 'pod "web-1" deleted from default namespace\n'
    assert cluster.run("get", "pod", "web-1").code == 3


def test_delete_does_not_wait_where_told_so(cluster: Cluster, pods: None) -> None:
    assert cluster.ok("delete", "pod/web-1", "--wait=false") == 'pod "web-1" deleted from default namespace\n'
    assert "Terminating" in cluster.ok("get", "pod", "web-1")


def test_delete_gives_up_waiting_in_time(cluster: Cluster, pods: None) -> None:
    result = cluster.run("delete", "pod", "web-1", "--timeout=200ms")
    assert result.code == 6
    assert "not gone within 0.2 s" in result.err


def test_delete_takes_files_selectors_and_all(cluster: Cluster, web: str) -> None:
    assert cluster.ok("delete", "-f", web) == 'deployment.apps "web" deleted from default namespace\n'
    assert cluster.run("delete", "-f", web).code == 3
    assert cluster.ok("delete", "-f", web, "--ignore-not-found") == ""
    cluster.ok("apply", "-f", web)
    assert "deleted" in cluster.ok("delete", "deploy", "-l", "app=web")
    cluster.ok("apply", "-f", web)
    assert "deleted" in cluster.ok("delete", "deploy", "--all")


def test_delete_of_a_whole_type_must_be_said(cluster: Cluster) -> None:
    result = cluster.run("delete", "pods")
    assert result.code == 2
    assert "--all" in result.err


def test_force_forgets_a_pod_at_once(cluster: Cluster, pods: None) -> None:
    assert cluster.ok("delete", "pod", "web-1", "--force") == 'pod "web-1" force deleted from default namespace\n'
    assert cluster.run("get", "pod", "web-1").code == 3


# scale, rollout


def test_scale_sets_the_replicas(cluster: Cluster, web: str) -> None:
    assert cluster.ok("scale", "deployment/web", "--replicas=5") == "deployment.apps/web scaled\n"
    assert json.loads(cluster.ok("get", "deploy/web", "-o", "json"))["spec"]["replicas"] == 5


def test_scale_with_a_precondition_that_does_not_hold_exits_4(cluster: Cluster, web: str) -> None:
    result = cluster.run("scale", "deployment/web", "--replicas=5", "--current-replicas=7")
    assert (result.code, result.err) == (4, "error: deployment.apps/web: expected 7 replicas, found 2\n")


@pytest.mark.parametrize("command", [["scale", "--replicas=2"], ["autoscale", "--max=2"]])
def test_what_has_no_replicas_is_not_scaled(cluster: Cluster, command: list[str]) -> None:
    result = cluster.run(*command, "daemonset/web")
    assert result.code == 2
    told = "daemonset.apps/web has no number of replicas to set; found in: deployments, replicasets, statefulsets"
    assert result.err == f"error: {told}\n"


def test_rollout_status_ends_with_kubectls_sentence(cluster: Cluster, web: str) -> None:
    cluster.once_watched("deployments.apps", do=lambda: objects.finish_rollout(cluster.replica))
    assert cluster.ok("rollout", "status", "deployment/web").splitlines() == [
        "Waiting for deployment spec update to be observed...",
        'deployment "web" successfully rolled out',
    ]


def test_rollout_status_gives_up_in_time(cluster: Cluster, web: str) -> None:
    result = cluster.run("rollout", "status", "deployment/web", "--timeout=200ms")
    assert (result.code, result.err) == (6, "error: deployment.apps/web: not rolled out within 0.2 s\n")


def test_a_failed_rollout_exits_1(cluster: Cluster, web: str) -> None:
    def fail() -> None:
        document = json.loads(cluster.replica.store.get(Key("deployments.apps", "default", "web")).json)
        condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        document["status"] = {"observedGeneration": 1, "conditions": [condition]}
        objects.put(cluster.replica, kinds.DEPLOYMENT, document)

    cluster.do(fail)
    result = cluster.run("rollout", "status", "deployment/web")
    assert (result.code, result.err) == (1, 'error: deployment "web" exceeded its progress deadline\n')


def add_revisions(cluster: Cluster) -> None:
    owner = json.loads(cluster.replica.store.get(Key("deployments.apps", "default", "web")).json)
    for number, image in ((1, "busybox:1.35"), (2, "busybox:1.36")):
        template = json.loads(json.dumps(owner["spec"]["template"]))
        template["spec"]["containers"][0]["image"] = image
        template["metadata"]["labels"]["pod-template-hash"] = f"h{number}"
        reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner["metadata"]["uid"]}
        metadata = {
            "name": f"web-h{number}",
            "namespace": "default",
            "uid": f"rs{number}",
            "creationTimestamp": objects.now(),
            "annotations": {"deployment.kubernetes.io/revision": str(number)},
            "ownerReferences": [reference | {"controller": True}],
        }
        spec = {"selector": {"matchLabels": template["metadata"]["labels"]}, "template": template}
        document = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}
        objects.put(cluster.replica, kinds.REPLICA_SET, document)


def test_rollout_history_may_be_empty(cluster: Cluster, web: str) -> None:
    assert cluster.ok("rollout", "history", "deployment/web") == "deployment.apps/web\nNo rollout history found.\n"
    assert cluster.run("rollout", "undo", "deployment/web").code == 3


def test_rollout_undo_goes_back_to_the_version_before(cluster: Cluster, web: str) -> None:
    cluster.do(lambda: add_revisions(cluster))
    history = cluster.ok("rollout", "history", "deployment/web").splitlines()
    assert history == ["deployment.apps/web", "REVISION   CHANGE-CAUSE", "1          <none>", "2          <none>"]
    assert cluster.ok("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    template = json.loads(cluster.ok("get", "deploy/web", "-o", "json"))["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "busybox:1.35"
    assert template["metadata"]["labels"] == {"app": "web"}
    assert "skipped rollback" in cluster.ok("rollout", "undo", "deployment/web", "--to-revision=1")
    assert cluster.run("rollout", "undo", "deployment/web", "--to-revision=9").code == 3


def test_rollout_restart_changes_the_template(cluster: Cluster, web: str) -> None:
    assert cluster.ok("rollout", "restart", "deployment/web") == "deployment.apps/web restarted\n"
    assert "kubectl.kubernetes.io/restartedAt" in cluster.ok("get", "deploy/web", "-o", "yaml")


def test_a_paused_rollout_waits_until_it_is_resumed(cluster: Cluster, web: str) -> None:
    assert cluster.ok("rollout", "pause", "deployment/web") == "deployment.apps/web paused\n"
    assert "paused: true" in cluster.ok("get", "deploy/web", "-o", "yaml")
    again = cluster.run("rollout", "pause", "deployment/web")
    assert (again.code, again.err) == (1, "error: deployment.apps/web is already paused\n")
    for word, told in (("undo", "roll back"), ("restart", "restart")):
        refused = cluster.run("rollout", word, "deployment/web")
        assert refused.code == 1
        assert f"cannot {told} deployment.apps/web: it is paused; `swarmlet rollout resume" in refused.err
    assert cluster.ok("rollout", "resume", "deployment/web") == "deployment.apps/web resumed\n"
    assert "paused" not in cluster.ok("get", "deploy/web", "-o", "yaml")
    assert cluster.run("rollout", "resume", "deployment/web").err == "error: deployment.apps/web is not paused\n"


# logs


def test_logs_are_printed_as_they_are(cluster: Cluster, pods: None) -> None:
    result = cluster.run("logs", "web-1", "-c", "side", "--tail=7", "--timestamps")
    assert (result.code, result.out, result.err) == (0, "one\ntwo\n", "")
    container, options, previous = cluster.pods.asked[-1]
    assert (container, previous) == ("side", False)
    assert isinstance(options, LogOptions)


def test_logs_of_a_deployment_are_those_of_one_pod_or_of_all(cluster: Cluster, web: str, pods: None) -> None:
    one = cluster.run("logs", "deployment/web", "-c", "main")
    assert one.out == "one\ntwo\n"
    assert one.err == "Found 2 pods, using pod/web-1; --all-pods prints all\n"
    every = cluster.run("logs", "deployment/web", "-c", "main", "--all-pods")
    assert every.lines == [
        "[pod/web-1/main] one",
        "[pod/web-1/main] two",
        "[pod/web-2/main] one",
        "[pod/web-2/main] two",
    ]


def test_logs_say_which_container_was_taken(cluster: Cluster, pods: None) -> None:
    assert cluster.run("logs", "web-1").err == 'Defaulted container "main" out of: main, side\n'
    result = cluster.run("logs", "web-1", "-c", "nobody")
    assert (result.code, result.err) == (3, 'error: pod "web-1" has no container "nobody"; it has main, side\n')


# describe, events


def test_events_are_told_oldest_first_and_counted(cluster: Cluster, pods: None) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for name, reason, minutes, count in (
        ("b", "Pulling", 2, 1),
        ("a", "Started", 2, 1),
        ("d", "Scheduled", 9, 1),
        ("c", "BackOff", 1, 4),
    ):
        last = (now - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
        told = objects.event(name, reason=reason, about="Pod/web-1", message="m", last=last, count=count)
        cluster.do(lambda told=told: objects.put_event(cluster.replica, told))
    lines = cluster.ok("events").splitlines()
    assert lines[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert [line.split()[-3] for line in lines[1:]] == ["Scheduled", "Pulling", "Started", "BackOff"]
    assert "(x4 over " in lines[4]
    assert cluster.run("events", "--for", "pod/web-2").err == "No events found in default namespace.\n"
    described = cluster.ok("describe", "pod", "web-1")
    assert [line.split()[1] for line in described.split("Events:\n")[1].splitlines()[1:]] == [
        "Scheduled",
        "Pulling",
        "Started",
        "BackOff",
    ]


def test_describe_takes_the_beginning_of_a_name_and_tells_what_is_missing(cluster: Cluster, pods: None) -> None:
    def described(result: Result) -> list[str]:
        return [line.split()[1] for line in result.lines if line.startswith("Name:")]

    assert described(cluster.run("describe", "pod", "web")) == ["web-1", "web-2"]
    several = cluster.run("describe", "pod", "nope", "web-1", "none")
    assert (several.code, described(several)) == (3, ["web-1"])
    assert several.err.startswith('error: pods "nope" not found\nerror: pods "none" not found')
    assert cluster.run("describe", "pod", "-A", "web-1").code == 2


def test_describe_tells_of_a_pod_what_people_look_for(cluster: Cluster, pods: None) -> None:
    printed = cluster.ok("describe", "pod", "web-1")
    for words in ("Name:       ", "Node:       ", "node-a/", "IP:         ", "Image:", "State:", "Restart Count:"):
        assert words in printed, words
    assert printed.endswith("Events:  <none>\n")


@pytest.mark.parametrize("kind", ["deploy", "ns", "cm", "secret"])
def test_describe_knows_every_kind(cluster: Cluster, web: str, kind: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
    path = cluster.folder / "s.json"
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n"
    path.write_text(json.dumps(secret) + "\n", encoding="utf-8")
    (cluster.folder / "c.yaml").write_text(config, encoding="utf-8")
    cluster.ok("apply", "-f", str(path), "-f", str(cluster.folder / "c.yaml"))
    printed = cluster.ok("describe", kind)
    assert "Name:" in printed
    assert "hunter2" not in printed


# status, version, completion


def test_status_says_who_leads_and_what_may_be_lost(cluster: Cluster, pods: None) -> None:
    printed = cluster.ok("status")
    assert "healthy: n1 leads 1 voter, no voter may be lost" in printed
    assert "2 running" in printed
    assert json.loads(cluster.ok("status", "-o", "json"))["cluster_id"] == "c1"


def test_status_says_that_the_quorum_is_lost(cluster: Cluster) -> None:
    cluster.replica.has_quorum = False
    assert "lost: writes are refused until 1 of 1 voters are in touch" in cluster.ok("status")


def test_version_tells_of_both_sides(cluster: Cluster) -> None:
    assert cluster.ok("version", "--client") == f"Client: swarmlet {swarmlet.__version__}\n"
    assert "Server: v1." in cluster.ok("version")
