"""`apply` in both ways, `diff`, `edit` and `replace`: whose each field is, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.kubectl.programs import Kubectl


def config(name: str, /, *, labels: dict[str, str] | None = None, **content: str) -> str:
    metadata: dict[str, Any] = {"name": name} | ({"labels": labels} if labels else {})
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": content})


def several(*documents: str) -> str:
    items = [json.loads(each) for each in documents]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def content(kubectl: Kubectl, name: str) -> dict[str, str]:
    found: dict[str, str] = kubectl.get("configmap", name).get("data", {})
    return found


def managers(kubectl: Kubectl, name: str) -> set[tuple[str, str]]:
    document = json.loads(kubectl.there("get", "configmap", name, "-o", "json", "--show-managed-fields"))
    return {(each["manager"], each["operation"]) for each in document["metadata"]["managedFields"]}


@pytest.mark.proves("apply", "apply view-last-applied", "apply set-last-applied")
def test_client_side_apply_merges_three_ways(kubectl: Kubectl) -> None:
    assert kubectl.apply(config("three", a="1", b="1")) == "configmap/three created\n"
    assert kubectl.apply(config("three", a="1", b="1")) == "configmap/three unchanged\n"
    kubectl("patch", "configmap", "three", "-p", '{"data":{"theirs":"1"}}')
    assert kubectl.apply(config("three", a="2")) == "configmap/three configured\n"
    assert content(kubectl, "three") == {"a": "2", "theirs": "1"}
    assert '"a": "2"' in kubectl.there("apply", "view-last-applied", "configmap/three", "-o", "json")
    kubectl("apply", "set-last-applied", "-f", "-", stdin=config("three", a="2", theirs="1"))
    kubectl.apply(config("three", a="2"))
    assert content(kubectl, "three") == {"a": "2"}


@pytest.mark.proves("apply --dry-run")
def test_a_dry_run_changes_nothing(kubectl: Kubectl) -> None:
    kubectl.apply(config("dry", a="1"))
    before = kubectl.get("configmap", "dry")
    for dry in ("client", "server"):
        assert f"configured ({'' if dry == 'client' else 'server '}dry run)" in kubectl.apply(
            config("dry", a="2"), f"--dry-run={dry}"
        )
    told = json.loads(kubectl.apply(config("dry", a="2"), "--dry-run=server", "-o", "json"))
    assert told["data"] == {"a": "2"}
    assert kubectl.get("configmap", "dry") == before
    assert kubectl.apply(config("dry-new"), "--dry-run=server") == "configmap/dry-new created (server dry run)\n"
    assert kubectl.names("configmap", "--field-selector", "metadata.name=dry-new") == []


@pytest.mark.proves(
    "apply --server-side", "apply --force-conflicts", "apply --field-manager", "get --show-managed-fields"
)
def test_server_side_apply_knows_whose_a_field_is(kubectl: Kubectl) -> None:
    ours = ("--server-side", "--field-manager=ours")
    theirs = ("--server-side", "--field-manager=theirs")
    assert kubectl.apply(config("owned", a="1", b="1"), *ours) == "configmap/owned serverside-applied\n"
    kubectl.apply(config("owned", b="1", c="1"), *theirs)
    refused = kubectl("apply", "-f", "-", *theirs, stdin=config("owned", a="2", c="1"), code=1)
    assert 'Apply failed with 1 conflict: conflict with "ours": .data.a' in refused
    kubectl.apply(config("owned", a="2", c="1"), *theirs, "--force-conflicts")
    assert content(kubectl, "owned") == {"a": "2", "b": "1", "c": "1"}
    kubectl.apply(config("owned"), *ours)
    assert content(kubectl, "owned") == {"a": "2", "c": "1"}, "what nobody asks for any more goes"
    assert managers(kubectl, "owned") == {("ours", "Apply"), ("theirs", "Apply")}


@pytest.mark.proves("apply --server-side after apply")
def test_what_was_applied_by_the_client_is_taken_over(kubectl: Kubectl) -> None:
    kubectl.apply(config("moved", a="1", b="1"))
    assert managers(kubectl, "moved") == {("kubectl-client-side-apply", "Update")}
    kubectl.apply(config("moved", a="1"), "--server-side")
    assert content(kubectl, "moved") == {"a": "1"}
    assert managers(kubectl, "moved") == {("kubectl", "Apply"), ("kubectl-last-applied", "Apply")}


@pytest.mark.proves("apply --prune")
def test_what_is_no_longer_in_the_manifest_is_pruned(kubectl: Kubectl) -> None:
    labels = {"set": "pruned"}
    both = several(config("kept", labels=labels), config("pruned", labels=labels))
    kubectl.apply(both)
    prune = ("--prune", "-l", "set=pruned", "--prune-allowlist=core/v1/ConfigMap")
    assert "configmap/pruned pruned" in kubectl.apply(config("kept", labels=labels), *prune)
    assert kubectl.names("configmap", "-l", "set=pruned") == ["configmap/kept"]


@pytest.mark.proves("apply --applyset")
def test_an_apply_set_knows_its_members(kubectl: Kubectl) -> None:
    def apply(*documents: str) -> str:
        words = ("apply", "-f", "-", "--prune", "--applyset=team")
        return kubectl(*words, stdin=several(*documents), KUBECTL_APPLYSET="true")

    apply(config("member-a"), config("member-b"))
    assert "configmap/member-b pruned" in apply(config("member-a"))
    members = kubectl.names("configmap", "-l", "applyset.kubernetes.io/part-of")
    assert members == ["configmap/member-a"]


@pytest.mark.proves("diff", "diff --server-side")
def test_a_diff_says_what_an_apply_would_change(kubectl: Kubectl) -> None:
    kubectl.apply(config("differs", a="1"))
    assert kubectl("diff", "-f", "-", stdin=config("differs", a="1")) == ""
    told = kubectl("diff", "-f", "-", stdin=config("differs", a="2"), code=1)
    assert ('-  a: "1"' in told, '+  a: "2"' in told) == (True, True)
    assert "+  new: here" in kubectl(
        "diff", "--server-side", "--force-conflicts", "-f", "-", stdin=config("differs", a="1", new="here"), code=1
    )
    assert content(kubectl, "differs") == {"a": "1"}


@pytest.mark.proves("edit")
def test_an_edit_is_written_back_and_a_bad_one_is_refused(kubectl: Kubectl) -> None:
    kubectl.apply(config("edited", a="before"))
    assert kubectl("edit", "configmap/edited", KUBE_EDITOR="sed -i s/before/after/") == "configmap/edited edited\n"
    assert content(kubectl, "edited") == {"a": "after"}
    assert "no changes" in kubectl.ended("edit", "configmap/edited", KUBE_EDITOR="true").all
    refused = kubectl("edit", "configmap/edited", KUBE_EDITOR="sed -i s/^data:/daat:/", code=1)
    assert 'unknown field "daat"' in refused


@pytest.mark.proves("edit --subresource", "get --subresource")
def test_a_status_is_edited_apart(kubectl: Kubectl) -> None:
    overrides = json.dumps({"spec": {"schedulerName": "nobody"}})
    kubectl("run", "edited", "--image=busybox:lab", f"--overrides={overrides}")
    words = ("edit", "pod/edited", "--subresource=status")
    assert "pod/edited edited" in kubectl(*words, KUBE_EDITOR=r"sed -i 's/^status:/status:\n  message: tried/'")
    assert kubectl.path("pod", "edited", path="{.status.message}") == "tried"
    kubectl("delete", "pod", "edited", "--now")
    kubectl("create", "deployment", "scaled", "--image=busybox:lab", "--replicas=0")
    scale = kubectl.get("deployment", "scaled", "--subresource=scale")
    assert (scale["kind"], scale["status"]["selector"]) == ("Scale", "app=scaled")
    kubectl("delete", "deployment", "scaled")


@pytest.mark.proves("replace", "replace --force")
def test_a_replace_is_of_the_whole_and_a_forced_one_is_of_another_object(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.apply(config("replaced", a="1", b="1"))
    before = kubectl.get("configmap", "replaced")
    assert kubectl("replace", "-f", "-", stdin=config("replaced", c="1")) == "configmap/replaced replaced\n"
    after = kubectl.get("configmap", "replaced")
    assert (after["data"], after["metadata"]["uid"]) == ({"c": "1"}, before["metadata"]["uid"])
    before["data"] = {"late": "1"}
    assert "the object has been modified" in kubectl("replace", "-f", "-", stdin=json.dumps(before), code=1)
    (tmp_path / "map.json").write_text(config("replaced", d="1"))
    kubectl("replace", "--force", "-f", str(tmp_path / "map.json"))
    assert kubectl.get("configmap", "replaced")["metadata"]["uid"] != before["metadata"]["uid"]
    assert "NotFound" in kubectl("replace", "-f", "-", stdin=config("never"), code=1)


@pytest.mark.proves("apply -k", "kustomize", "delete -k")
def test_a_kustomization_is_built_applied_and_deleted(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(config("built", a="1"))
    (tmp_path / "kustomization.yaml").write_text(
        "namePrefix: my-\nlabels: [{pairs: {team: us}}]\nresources: [map.json]\n"
    )
    assert "name: my-built" in kubectl("kustomize", str(tmp_path))
    assert kubectl("apply", "-k", str(tmp_path)) == "configmap/my-built created\n"
    assert kubectl.get("configmap", "my-built")["metadata"]["labels"] == {"team": "us"}
    kubectl("delete", "-k", str(tmp_path))
    assert kubectl.names("configmap", "-l", "team=us") == []
