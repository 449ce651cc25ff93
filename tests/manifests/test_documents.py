from __future__ import annotations

import pytest

from swarmlet.manifests import documents
from swarmlet.manifests.documents import Manifest
from swarmlet.manifests.reading import ManifestError

KNOWN = [("v1", "ConfigMap"), ("v1", "Pod"), ("apps/v1", "Deployment")]


def parse(text: str) -> list[Manifest]:
    return documents.parse([("f.yaml", text)])


def named(kind: str, name: str = "x", version: str = "v1") -> str:
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\n"


def test_manifests_know_what_and_where_they_are() -> None:
    _, second = parse(named("Pod", "a") + "---\n" + named("ConfigMap", "b"))
    assert (second.api_version, second.kind, second.name, second.namespace) == ("v1", "ConfigMap", "b", "")
    assert str(second.place) == "f.yaml: document 2 (line 5)"


def test_lists_are_opened() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n"
    typed = "apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: b}}]\n"
    assert [(each.kind, each.name) for each in parse(text + "---\n" + typed)] == [("Pod", "a"), ("Pod", "b")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: Pod\n", "apiVersion is not set; for a Deployment it is apps/v1"),
        ("apiVersion: v1\n", "kind is not set; for example kind: Deployment"),
        ("- 1\n", "not an object but a list; it begins with apiVersion: and kind:"),
        ("hello\n", "not an object but the str 'hello'; it begins with apiVersion: and kind:"),
        ("apiVersion: v1\nkind: Pod\n", "Pod: metadata.name is not set"),
    ],
)
def test_a_document_that_does_not_say_what_it_is_is_refused(text: str, message: str) -> None:
    with pytest.raises(ManifestError) as raised:
        parse(text)
    assert str(raised.value).startswith(f"f.yaml: document 1 (line 1): {message}")


@pytest.mark.parametrize(
    ("version", "kind", "meant"),
    [
        ("apps/v1", "Deploymnt", "; did you mean Deployment in apps/v1?"),
        ("v1", "Deployment", "; did you mean Deployment in apps/v1?"),
        ("v1", "configmap", "; did you mean ConfigMap in v1?"),
        ("v1", "Elephant", " on this cluster"),
    ],
)
def test_an_unknown_kind_is_told_with_what_may_be_meant(version: str, kind: str, meant: str) -> None:
    with pytest.raises(ManifestError) as raised:
        documents.check_kinds(parse(named(kind, version=version)), KNOWN)
    assert str(raised.value) == f"f.yaml: document 1 (line 1): no kind {kind} in {version}{meant}"


def test_what_others_need_comes_first_and_goes_last() -> None:
    kinds = ["HorizontalPodAutoscaler", "Deployment", "ConfigMap", "Service", "LimitRange", "Namespace", "Secret"]
    manifests = parse("---\n".join(named(kind) for kind in kinds))
    ordered = [each.kind for each in documents.in_apply_order(manifests)]
    assert ordered == [
        "Namespace", "LimitRange", "Secret", "ConfigMap", "Service", "Deployment", "HorizontalPodAutoscaler",
    ]  # fmt: skip
    assert [each.kind for each in documents.in_delete_order(manifests)] == ordered[::-1]


def test_too_many_objects_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MANIFESTS_MAX", 1)
    with pytest.raises(ManifestError, match="over 1 objects at once"):
        parse(named("Pod", "a") + "---\n" + named("Pod", "b"))
