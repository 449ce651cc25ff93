"""`apply --prune` and `--force`, beside the official kubectl on the same API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Cluster

CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {app}}}}}
data: {{a: b}}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {app}}}}}
spec: {{ports: [{{port: 80}}], selector: {{app: web}}}}
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {{name: fixed}}
immutable: true
stringData: {{a: {value}}}
"""
KINDS = ("--prune-allowlist=core/v1/ConfigMap", "--prune-allowlist=core/v1/Service")
"""kubectl's own choice has ReplicationControllers, which are not served, and so it refuses to begin."""
MINE, OTHERS = "mine", "others"


def files(cluster: Cluster) -> tuple[str, str]:
    """Return the file that was applied, and the one that is applied in its place."""
    maps = [
        CONFIG_MAP.format(name=name, namespace=namespace, app=app)
        for name, namespace, app in (
            *(("stays", "default", MINE), ("goes", "default", MINE), ("far", "other", MINE)),
            ("theirs", "default", OTHERS),
        )
    ]
    before, after = cluster.folder / "before.yaml", cluster.folder / "after.yaml"
    before.write_text("---".join([*maps, SERVICE.format(name="goes", namespace="default", app=MINE)]), encoding="utf-8")
    after.write_text(maps[0], encoding="utf-8")
    return str(before), str(after)


def left(cluster: Cluster) -> set[str]:
    return {
        f"{each['kind']}/{each['metadata']['name']}"
        for each in json.loads(cluster.ok("get", "cm,svc,ns", "-A", "-o", "json"))["items"]
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ["-l", "app=mine", *KINDS],
        ["--all", *KINDS],
        ["-l", "app=mine", "--dry-run=server", *KINDS],
        ["-l", "app=mine", "--prune-allowlist=core/v1/Service"],
        ["--all", "--prune-allowlist=core/v1/ConfigMap", "-o", "name"],
        ["--all", "-n", "default", *KINDS],
        ["-l", "app=mine", "--cascade=foreground", *KINDS],
        [],
        ["--all", "-l", "app=mine"],
    ],
    ids=" ".join,
)
def test_what_left_the_files_goes_as_with_kubectl(cluster: Cluster, flags: list[str]) -> None:
    before, after = files(cluster)
    done = []
    cluster.ok("create", "configmap", "made", "--from-literal=a=b")  # and never applied
    for run in (cluster.run, cluster.kubectl):
        cluster.ok("apply", "-f", before)
        result = run("apply", "-f", after, "--prune", *flags)
        done.append((result.code != 0, result.out, result.err, left(cluster)))
    assert done[0] == done[1]
    assert "ConfigMap/made" in done[0][3]


@pytest.mark.parametrize(("flags", "spaces"), [([], ["spare"]), (["-n", "default"], [])])
def test_namespaces_go_too_unless_one_is_named(cluster: Cluster, flags: list[str], spaces: list[str]) -> None:
    before, after = files(cluster)
    path = cluster.folder / "spare.yaml"
    path.write_text("{apiVersion: v1, kind: Namespace, metadata: {name: spare}}", encoding="utf-8")
    cluster.ok("apply", "-f", before, "-f", str(path))
    told = cluster.ok("apply", "-f", after, "--prune", "--all", "--dry-run=client", *flags).splitlines()
    gone = ["configmap/goes", "configmap/theirs", "service/goes", *(f"namespace/{each}" for each in spaces)]
    assert told == ["configmap/stays unchanged (dry run)", *(f"{each} pruned (dry run)" for each in gone)]


def test_nothing_is_pruned_where_something_is_refused(cluster: Cluster) -> None:
    before, after = files(cluster)
    cluster.ok("apply", "-f", before)
    with Path(after).open("a", encoding="utf-8") as file:
        file.write("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: No_Name}\n")
    result = cluster.run("apply", "-f", after, "--prune", "--all")
    assert (result.code, "pruned" in result.out) == (1, False)
    assert "ConfigMap/goes" in left(cluster)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (
            ["--prune", "--all", "--prune-allowlist=v1/Nothing"],
            "--prune-allowlist=v1/Nothing: the server has no such kind",
        ),
        (["--all"], "--all and --prune-allowlist go with --prune"),
        (["--force", "--server-side"], "--force cannot be used with --server-side"),
        (["--force", "--dry-run=server"], "and with no --dry-run"),
        (["--cascade=sideways"], "--cascade=sideways: unknown"),
    ],
)
def test_what_cannot_be_meant_is_refused(cluster: Cluster, flags: list[str], told: str) -> None:
    result = cluster.run("apply", "-f", files(cluster)[1], *flags)
    assert (result.code, told in result.err) == (2, True), result


def test_what_cannot_change_is_made_anew(cluster: Cluster) -> None:
    path = cluster.folder / "secret.yaml"
    path.write_text(SECRET.format(value="old"), encoding="utf-8")
    cluster.ok("apply", "-f", str(path))
    uid = json.loads(cluster.ok("get", "secret/fixed", "-o", "json"))["metadata"]["uid"]
    path.write_text(SECRET.format(value="new"), encoding="utf-8")
    assert "immutable" in cluster.run("apply", "-f", str(path)).err
    assert cluster.ok("apply", "-f", str(path), "--force") == "secret/fixed configured\n"
    after = json.loads(cluster.ok("get", "secret/fixed", "-o", "json"))
    assert (after["metadata"]["uid"] != uid, after["data"]) == (True, {"a": "bmV3"})
    assert cluster.ok("apply", "-f", str(path), "--force") == "secret/fixed unchanged\n"


def test_what_cannot_be_made_anew_is_put_back(cluster: Cluster) -> None:
    path = cluster.folder / "secret.yaml"
    path.write_text(SECRET.format(value="old"), encoding="utf-8")
    cluster.ok("apply", "-f", str(path))
    path.write_text(SECRET.format(value="new") + "data: {'not a key': bmV3}\n", encoding="utf-8")
    result = cluster.run("apply", "-f", str(path), "--force")
    assert (result.code, "not a key" in result.err) == (1, True)
    assert json.loads(cluster.ok("get", "secret/fixed", "-o", "json"))["data"] == {"a": "b2xk"}


def names(text: str) -> list[str]:
    """Return what is printed: the kinds and names of objects."""
    printed = yaml.safe_load(text)
    objects = [printed, *printed.get("items", ())]
    return [f"{each['apiVersion']}/{each['kind']}/{each['metadata'].get('name')}" for each in objects]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "yaml", "name", "jsonpath={.items[*].metadata.name}"])
def test_several_objects_are_one_list(cluster: Cluster, form: str) -> None:
    before, after = files(cluster)
    for path in (before, after):
        cluster.ok("apply", "-f", path)
        ours, theirs = cluster.ok("apply", "-f", path, "-o", form), cluster.kubectl("apply", "-f", path, "-o", form)
        if form in ("json", "yaml"):
            assert names(ours) == names(theirs.out)
        else:
            assert ours == theirs.out
