from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from swarmlet.manifests import last_applied
from swarmlet.model import kinds
from tests.cli import objects
from tests.cli.conftest import Cluster

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1', b: '2'}\n"
EXAMPLES = Path(__file__).parents[2] / "config" / "examples"


def write(cluster: Cluster, name: str, text: str) -> str:
    path = cluster.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def data_of(cluster: Cluster) -> dict[str, str]:
    return json.loads(cluster.ok("get", "cm", "settings", "-o", "json"))["data"]


def test_an_object_is_created_then_unchanged_then_configured(cluster: Cluster) -> None:
    path = write(cluster, "a.yaml", CONFIG)
    assert cluster.ok("apply", "-f", path) == "configmap/settings created\n"
    assert cluster.ok("apply", "-f", path) == "configmap/settings unchanged\n"
    write(cluster, "a.yaml", CONFIG.replace("'2'", "'3'"))
    assert cluster.ok("apply", "-f", path) == "configmap/settings configured\n"
    assert data_of(cluster) == {"a": "1", "b": "3"}


def test_what_is_taken_out_of_the_manifest_goes_and_what_others_set_stays(cluster: Cluster) -> None:
    path = write(cluster, "a.yaml", CONFIG)
    cluster.ok("apply", "-f", path)
    assert cluster.kubectl("patch", "cm", "settings", "--type=merge", "-p", '{"data":{"c":"theirs"}}').code == 0
    write(cluster, "a.yaml", CONFIG.replace(", b: '2'", ""))
    cluster.ok("apply", "-f", path)
    assert data_of(cluster) == {"a": "1", "c": "theirs"}


@pytest.mark.slow
def test_kubectl_and_swarmlet_may_apply_in_turn(cluster: Cluster) -> None:
    path = write(cluster, "web.yaml", objects.WEB + "---\n" + CONFIG)
    assert cluster.ok("apply", "-f", path).count("created") == 2
    assert cluster.kubectl("apply", "-f", path).out.count("unchanged") == 2
    write(cluster, "web.yaml", objects.WEB.replace("replicas: 2", "replicas: 5") + "---\n" + CONFIG)
    assert "deployment.apps/web configured" in cluster.kubectl("apply", "-f", path).out
    assert cluster.ok("apply", "-f", path).count("unchanged") == 2


def test_a_container_is_changed_added_and_removed_in_place(cluster: Cluster) -> None:
    both = objects.WEB + '      - {name: side, image: "side:1"}\n'
    path = write(cluster, "web.yaml", both)
    cluster.ok("apply", "-f", path)
    side_first = both.replace("      containers:\n", '      containers:\n      - {name: first, image: "first:1"}\n')
    write(cluster, "web.yaml", side_first.replace('      - {name: side, image: "side:1"}\n', ""))
    cluster.ok("apply", "-f", path)
    spec = json.loads(cluster.ok("get", "deploy", "web", "-o", "json"))["spec"]["template"]["spec"]
    assert [each["name"] for each in spec["containers"]] == ["first", "main"]


def test_a_folder_is_applied_namespaces_first(cluster: Cluster) -> None:
    write(cluster, "d/1.yaml", CONFIG.replace("name: settings", "name: settings, namespace: late"))
    write(cluster, "d/2.json", json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "late"}}))
    write(cluster, "d/notes.txt", "no manifest")
    assert (
        cluster.ok("apply", "-f", str(cluster.folder / "d")) == "namespace/late created\nconfigmap/settings created\n"
    )


def test_stdin_is_applied(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(CONFIG.encode())))
    assert cluster.ok("apply", "-f", "-", "-n", "other") == "configmap/settings created\n"
    assert cluster.ok("get", "cm", "-n", "other", "-o", "name") == "configmap/settings\n"


def test_a_dry_run_keeps_nothing(cluster: Cluster) -> None:
    path = write(cluster, "a.yaml", CONFIG)
    assert cluster.ok("apply", "-f", path, "--dry-run=client") == "configmap/settings created (dry run)\n"
    assert cluster.ok("apply", "-f", path, "--dry-run=server") == "configmap/settings created (server dry run)\n"
    assert cluster.run("get", "cm", "settings").code == 3
    cluster.ok("apply", "-f", path)
    write(cluster, "a.yaml", CONFIG.replace("'2'", "'3'"))
    assert cluster.ok("apply", "-f", path, "--dry-run=server") == "configmap/settings configured (server dry run)\n"
    assert data_of(cluster) == {"a": "1", "b": "2"}


def test_nothing_is_applied_where_a_document_cannot_be_understood(cluster: Cluster) -> None:
    path = write(cluster, "a.yaml", CONFIG + "---\napiVersion: v1\nkind: ConfgMap\nmetadata: {name: x}\n")
    result = cluster.run("apply", "-f", path)
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        f"error: {path}: document 2 (line 6): no kind ConfgMap in v1; did you mean ConfigMap in v1?\n"
    )


def test_what_the_server_refuses_is_named_with_its_place_and_the_rest_is_applied(cluster: Cluster) -> None:
    path = write(cluster, "a.yaml", objects.WEB.replace("replicas:", "replicsa:") + "---\n" + CONFIG)
    result = cluster.run("apply", "-f", path)
    assert (result.code, result.out) == (1, "configmap/settings created\n")
    assert result.err.startswith(f"error: {path}: document 1 (line 2): ")
    assert 'unknown field "spec.replicsa"' in result.err


def test_unknown_fields_may_be_warnings(cluster: Cluster) -> None:
    path = write(cluster, "a.yaml", objects.WEB.replace("replicas:", "replicsa:"))
    result = cluster.run("apply", "-f", path, "--validate=warn")
    assert (result.code, result.out) == (0, "deployment.apps/web created\n")
    assert result.err == 'Warning: unknown field "spec.replicsa"\n'


def test_waiting_tells_how_far_it_is_and_ends_when_all_is_ready(cluster: Cluster) -> None:
    path = write(cluster, "web.yaml", objects.WEB)
    cluster.once_watched("deployments.apps", "pods", do=lambda: objects.finish_rollout(cluster.replica))
    assert cluster.ok("apply", "--wait", "-f", path).splitlines() == [
        "deployment.apps/web created",
        "deployment.apps/web: 0 of 2 ready",
        "deployment.apps/web: 2 of 2 ready",
    ]


def test_waiting_in_vain_says_what_is_wrong_and_exits_6(cluster: Cluster) -> None:
    path = write(cluster, "web.yaml", objects.WEB)
    broken = objects.pod("web-1", ready=False, waiting="ImagePullBackOff")
    cluster.do(lambda: objects.put(cluster.replica, kinds.POD, broken))
    result = cluster.run("apply", "--wait", "--timeout=300ms", "-f", path)
    assert result.code == 6
    assert result.err == (
        "error: not ready within 0.3 s: deployment.apps/web: 0 of 2 ready; pod/web-1: ImagePullBackOff: so it is\n"
    )


def test_all_examples_are_taken_by_the_api_without_a_warning(cluster: Cluster) -> None:
    printed = cluster.ok("apply", "-f", str(EXAMPLES)).splitlines()
    assert "deployment.apps/web created" in printed
    assert all(line.endswith(" created") for line in printed)


def test_what_is_already_so_is_not_sent(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(cluster, "a.yaml", objects.WEB)
    cluster.ok("apply", "-f", path)
    monkeypatch.delattr("swarmlet.client.client.Client.patch")
    assert cluster.ok("apply", "-f", path) == "deployment.apps/web unchanged\n"


def test_server_side_apply_meets_conflicts_and_takes_over_by_force(cluster: Cluster) -> None:
    path = write(cluster, "web.yaml", objects.WEB)
    said = "deployment.apps/web serverside-applied\n"
    assert cluster.ok("apply", "--server-side", "-f", path) == said
    cluster.ok("scale", "deploy", "web", "--replicas=5")
    result = cluster.run("apply", "--server-side", "-f", path)
    assert (result.code, result.out) == (4, "")
    assert "Apply failed with 1 conflict" in result.err
    assert ".spec.replicas" in result.err
    assert "--force-conflicts" in result.err
    assert cluster.ok("apply", "--server-side", "--force-conflicts", "-f", path) == said
    assert json.loads(cluster.ok("get", "deploy", "web", "-o", "json"))["spec"]["replicas"] == 2


def test_what_was_applied_before_is_taken_over_and_goes_with_the_manifest(cluster: Cluster) -> None:
    path = write(cluster, "a.yaml", CONFIG)
    cluster.ok("apply", "-f", path)
    write(cluster, "a.yaml", CONFIG.replace(", b: '2'", ""))
    cluster.ok("apply", "--server-side", "--dry-run=server", "-f", path)
    assert data_of(cluster) == {"a": "1", "b": "2"}
    cluster.ok("apply", "--server-side", "-f", path)
    assert data_of(cluster) == {"a": "1"}
    write(cluster, "a.yaml", CONFIG.replace("a: '1'", "a: '7'"))
    cluster.ok("apply", "--server-side", "-f", path)
    assert data_of(cluster) == {"a": "7", "b": "2"}
    annotations = json.loads(cluster.ok("get", "cm", "settings", "-o", "json"))["metadata"]["annotations"]
    assert last_applied.ANNOTATION in annotations, "it is the clients' and does not go with what is taken over"


@pytest.mark.parametrize(
    "flags", [("--force-conflicts",), ("--field-manager=x",), ("--server-side", "--dry-run=client")]
)
def test_flags_that_do_not_go_together_are_refused(cluster: Cluster, flags: tuple[str, ...]) -> None:
    result = cluster.run("apply", "-f", write(cluster, "a.yaml", CONFIG), *flags)
    assert result.code == 2
    assert "--server-side" in result.err


def test_what_was_applied_is_printed(cluster: Cluster) -> None:
    path = cluster.folder / "two.yaml"
    one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, labels: {app: %s}}\ndata: {a: b}\n"
    path.write_text("---\n".join(one % (name, name) for name in ("x", "y")), encoding="utf-8")
    assert cluster.ok("apply", "-f", str(path), "-l", "app=x", "-o", "name") == "configmap/x\n"
    assert cluster.run("get", "cm", "y").code == 3
    assert cluster.ok("apply", "-f", str(path), "-o", "jsonpath={.items[*].metadata.name}") == "x y"
    assert json.loads(cluster.ok("apply", "-f", str(path), "-l", "app=y", "-o", "json"))["data"] == {"a": "b"}
