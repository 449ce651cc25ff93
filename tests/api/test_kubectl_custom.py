"""The official kubectl with kinds that users bring."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.custom_documents import CERTIFICATES, PROMETHEUSES, WORKFLOWS, certificate, definition, version
from tests.api.lone_daemon import LoneDaemon, lone_daemon

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneDaemon]:
    with lone_daemon(tmp_path_factory.mktemp("custom")) as running:
        for document in (CERTIFICATES, PROMETHEUSES, WORKFLOWS):
            running.kubectl("create", "-f", "-", stdin=document)
        running.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=20s")
        yield running


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_an_object_is_made_read_changed_and_deleted(daemon: LoneDaemon) -> None:
    assert "certificate.cert-manager.io/web created" in daemon.kubectl("create", "-f", "-", stdin=certificate())
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    daemon.kubectl("patch", "cert/web", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    assert words(daemon.kubectl("get", "certs"))[0] == ["NAME", "READY", "SECRET", "AGE"]
    assert words(daemon.kubectl("get", "cert", "-o", "wide"))[1][:4] == ["web", "True", "web-tls", "letsencrypt"]
    daemon.kubectl("wait", "cert/web", "--for=condition=Ready", "--timeout=5s")
    assert "certificate.cert-manager.io/web" in daemon.kubectl("get", "cert-manager", "-o", "name")
    daemon.kubectl("patch", "cert/web", "--type=merge", "-p", '{"spec":{"duration":"24h"}}')
    document = json.loads(daemon.kubectl("get", "cert", "web", "-o", "json"))
    assert (document["metadata"]["generation"], document["spec"]["duration"]) == (2, "24h")
    assert "web" in daemon.kubectl("get", "cert", "--field-selector=spec.issuerRef.name=letsencrypt", "-o", "name")
    assert not daemon.kubectl("get", "cert", "--field-selector=spec.issuerRef.name=other", "-o", "name")
    assert "deleted" in daemon.kubectl("delete", "cert", "web")
    assert daemon.run("kubectl", "get", "cert", "web").returncode == 1


def test_apply_of_both_sides_and_explain_know_the_schema(daemon: LoneDaemon) -> None:
    daemon.kubectl("apply", "-f", "-", stdin=certificate("applied"))
    assert "configured" in daemon.kubectl("apply", "-f", "-", stdin=certificate("applied", duration="1h"))
    assert "unchanged" in daemon.kubectl("apply", "-f", "-", stdin=certificate("applied", duration="1h"))
    daemon.kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=certificate("applied", duration="2h")
    )
    refused = daemon.run(
        "kubectl", "apply", "--server-side", "--field-manager=other", "-f", "-",
        stdin=json.dumps(certificate("applied", duration="3h")).encode(),
    )  # fmt: skip
    assert b'conflict with "kubectl": .spec.duration' in refused.stderr
    told = daemon.kubectl("explain", "certificate.spec")
    assert "Specification of the desired state" in told
    assert "issuerRef\t<Object> -required-" in told
    assert "secretName" in daemon.kubectl("explain", "cert", "--recursive")
    whole = json.loads(daemon.kubectl("get", "--raw", "/openapi/v2"))["definitions"]["io.cert-manager.v1.Certificate"]
    assert whole["properties"]["metadata"]["$ref"].startswith("#/definitions/")
    assert whole["properties"]["spec"]["properties"]["secretName"]["description"] == "Name of the Secret resource."
    daemon.kubectl("delete", "cert", "applied")


def test_a_definition_is_applied_again_by_both_sides(daemon: LoneDaemon) -> None:
    told = daemon.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=WORKFLOWS)
    assert "serverside-applied" in told
    assert "serverside-applied" in daemon.kubectl("apply", "--server-side", "-f", "-", stdin=WORKFLOWS)
    assert "workflows.argoproj.io configured" in daemon.kubectl("apply", "-f", "-", stdin=WORKFLOWS)
    finalizers = daemon.kubectl("get", "crd", "workflows.argoproj.io", "-o", "jsonpath={.metadata.finalizers}")
    assert finalizers == '["customresourcecleanup.apiextensions.k8s.io"]'
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "held"}, "spec": {}}
    workflow["metadata"]["finalizers"] = ["cleanup.example.com"]  # without a slash, as many operators have it
    daemon.kubectl("create", "-f", "-", stdin=workflow)
    daemon.kubectl("patch", "wf", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    daemon.kubectl("delete", "wf", "held")


def test_what_breaks_the_schema_is_refused_in_its_words(daemon: LoneDaemon) -> None:
    wrong = certificate("wrong", revisionHistoryLimit=0, privateKey={"algorithm": "DSA"}, dnsNames=[1])
    del wrong["spec"]["secretName"]
    text = daemon.run("kubectl", "create", "-f", "-", stdin=json.dumps(wrong).encode()).stderr.decode()
    assert "spec.secretName: Required value" in text
    assert "spec.revisionHistoryLimit in body should be greater than or equal to 1" in text
    assert 'spec.privateKey.algorithm: Unsupported value: "DSA": supported values: "RSA", "ECDSA", "Ed25519"' in text
    assert 'spec.dnsNames[0] in body must be of type string: "integer"' in text
    mistyped = daemon.run("kubectl", "create", "-f", "-", stdin=json.dumps(certificate("typo", secretNam="x")).encode())
    assert b'strict decoding error: unknown field "spec.secretNam"' in mistyped.stderr


def test_scale(daemon: LoneDaemon) -> None:
    spec = {"replicas": 2, "retention": "15d", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}
    document = {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": {"name": "main"}}
    daemon.kubectl("apply", "-f", "-", stdin={**document, "spec": {**spec, "containers": [{"name": "x", "any": 1}]}})
    daemon.kubectl("scale", "prom/main", "--replicas=5")
    found = json.loads(daemon.kubectl("get", "prom", "main", "-o", "json"))
    assert found["spec"] == {**spec, "replicas": 5, "shards": 1, "containers": [{"name": "x", "any": 1}]}
    daemon.kubectl("delete", "prom", "main")


def test_our_own_client_knows_short_names(daemon: LoneDaemon) -> None:
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "hello"}}
    daemon.kubectl("create", "-f", "-", stdin={**workflow, "spec": {"entrypoint": "a"}, "status": {"phase": "Running"}})
    listed = daemon.run("swarmlet", "get", "wf").stdout.decode()
    assert words(listed) == [["NAME", "STATUS"], ["hello", "Running"]]
    daemon.kubectl("delete", "wf", "--all")


def test_a_definition_takes_its_objects_with_it(daemon: LoneDaemon, tmp_path: Path) -> None:
    text = json.dumps(WORKFLOWS).replace("workflows", "jobflows").replace("Workflow", "Jobflow").replace("wf", "jf")
    daemon.kubectl("create", "-f", "-", stdin=json.loads(text))
    daemon.kubectl("wait", "crd/jobflows.argoproj.io", "--for=condition=Established", "--timeout=10s")
    document = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Jobflow", "metadata": {"name": "hello"}, "spec": {}}
    daemon.kubectl("create", "-f", "-", stdin=document)
    daemon.kubectl("delete", "crd", "jobflows.argoproj.io", "--timeout=20s")
    assert daemon.run("kubectl", "get", "jobflows").returncode == 1
    daemon.kubectl("create", "-f", "-", stdin=json.loads(text))
    daemon.kubectl("wait", "crd/jobflows.argoproj.io", "--for=condition=Established", "--timeout=10s")
    assert not daemon.kubectl("get", "jobflows", "-o", "name")


def test_a_plan_the_history_and_an_undo_know_them(daemon: LoneDaemon, tmp_path: Path) -> None:
    manifest = tmp_path / "certificate.json"
    manifest.write_text(json.dumps(certificate("planned", duration="1h")), encoding="utf-8")
    applied = daemon.run("swarmlet", "apply", "-f", str(manifest))
    assert applied.returncode == 0, applied.stderr
    manifest.write_text(json.dumps(certificate("planned", duration="2h")), encoding="utf-8")
    assert b"spec.duration: 1h -> 2h" in daemon.run("swarmlet", "plan", "-f", str(manifest)).stdout
    daemon.run("swarmlet", "apply", "-f", str(manifest))
    told = daemon.run("swarmlet", "history", "certificate/planned").stdout.decode()
    assert "spec.duration" in told, told
    revision = daemon.kubectl("get", "cert", "planned", "-o", "jsonpath={.metadata.resourceVersion}")
    undone = daemon.run("swarmlet", "undo", revision, "--yes")
    assert undone.returncode == 0, (undone.stdout, undone.stderr)
    assert daemon.kubectl("get", "cert", "planned", "-o", "jsonpath={.spec.duration}") == "1h"
    daemon.kubectl("delete", "cert", "planned")


def test_why_tells_what_its_operator_says(daemon: LoneDaemon) -> None:
    daemon.kubectl("create", "-f", "-", stdin=certificate("stuck"))
    told = daemon.run("swarmlet", "why", "cert/stuck").stdout.decode()
    assert "certificate stuck: nobody has said anything of it" in told, told
    issuing = {"type": "Issuing", "status": "True"}
    waiting = {"type": "Ready", "status": "False", "message": "the issuer does not answer."}
    status = {"status": {"conditions": [issuing, waiting]}}
    daemon.kubectl("patch", "cert/stuck", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    told = daemon.run("swarmlet", "why", "stuck").stdout.decode()
    assert "certificate stuck is not as it is to be" in told, told
    assert "Ready is False (the issuer does not answer)" in told
    assert "Issuing is True" in told
    daemon.kubectl("patch", "cert/stuck", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/held"]}}')
    daemon.kubectl("delete", "cert", "stuck", "--wait=false")
    told = daemon.run("swarmlet", "why", "cert/stuck").stdout.decode()
    assert "certificate stuck is being deleted; it is held by example.com/held" in told, told
    daemon.kubectl("patch", "cert/stuck", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


def test_what_is_no_longer_named_would_be_pruned(daemon: LoneDaemon, tmp_path: Path) -> None:
    manifest = tmp_path / "certificate.json"
    for name in ("left", "kept"):
        document = certificate(name)
        document["metadata"]["labels"] = {"part": "pruned"}
        manifest.write_text(json.dumps(document), encoding="utf-8")
        daemon.kubectl("apply", "-f", str(manifest))
    planned = daemon.run("swarmlet", "plan", "--prune", "-l", "part=pruned", "-f", str(manifest)).stdout.decode()
    assert "- certificates.cert-manager.io/left in default" in planned, planned
    assert "kept" not in planned
    daemon.kubectl("delete", "cert", "-l", "part=pruned")


def test_a_version_follows_another(daemon: LoneDaemon) -> None:
    """An alpha is served alone, then beside v1, then v1 alone: what was stored before is read all the same."""
    shape = {
        "spec": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string", "default": "x"}}}
    }
    name, made = "gears.example.com", {"kind": "Gear", "metadata": {"name": "one"}, "spec": {"a": 1}}

    def define(*versions: Any) -> None:
        document = definition("example.com", "Gear", "gears", *versions)
        daemon.kubectl("apply", "-f", "-", stdin=document)
        daemon.kubectl("wait", f"crd/{name}", "--for=condition=Established", "--timeout=10s")

    alpha = version("v1alpha1", shape)
    define(alpha)
    daemon.kubectl("create", "-f", "-", stdin={"apiVersion": "example.com/v1alpha1", **made})
    later = {"spec": {**shape["spec"], "required": ["a"]}}
    define({**alpha, "storage": False, "deprecated": True}, version("v1", later))
    stored = daemon.kubectl("get", "crd", name, "-o", "jsonpath={.status.storedVersions}")
    assert json.loads(stored) == ["v1alpha1", "v1"]
    assert (
        daemon.kubectl("get", "gears.v1.example.com", "one", "-o", "jsonpath={.apiVersion} {.spec}")
        == 'example.com/v1 {"a":1,"b":"x"}'
    )
    warned = daemon.run("kubectl", "get", "gears.v1alpha1.example.com", "one").stderr
    assert b"Warning: example.com/v1alpha1 Gear is deprecated; use example.com/v1 Gear" in warned, warned
    removed = definition("example.com", "Gear", "gears", version("v1", later))
    text = daemon.run("kubectl", "apply", "-f", "-", stdin=json.dumps(removed).encode()).stderr.decode()
    assert "v1alpha1 was previously a storage version, and must remain in spec.versions" in text
    define({**alpha, "storage": False, "served": False}, version("v1", later))
    daemon.kubectl("patch", "gears.v1.example.com", "one", "--type=merge", "-p", '{"spec":{"a":2}}')
    daemon.kubectl(
        "patch", "crd", name, "--subresource=status", "--type=merge", "-p", '{"status":{"storedVersions":["v1"]}}'
    )
    define(version("v1", later))
    assert daemon.kubectl("get", "gears.v1.example.com", "one", "-o", "jsonpath={.spec.a}") == "2"
    daemon.kubectl("delete", "crd", name, "--timeout=20s")


def test_versions_are_one_object(daemon: LoneDaemon) -> None:
    shape = {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": "widgets", "kind": "Widget"}
    two = definition("example.com", "Widget", "widgets", version("v1beta1", shape), version("v1", shape, storage=False))
    assert two["spec"]["names"] == names
    daemon.kubectl("create", "-f", "-", stdin=two)
    daemon.kubectl("wait", "crd/widgets.example.com", "--for=condition=Established", "--timeout=10s")
    made = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": {"a": 1}}
    daemon.kubectl("create", "-f", "-", stdin=made)
    for name in ("v1", "v1beta1"):
        path = f"/apis/example.com/{name}/namespaces/default/widgets"
        assert json.loads(daemon.kubectl("get", "--raw", f"{path}/one"))["apiVersion"] == f"example.com/{name}"
        listed = json.loads(daemon.kubectl("get", "--raw", path))
        assert (listed["apiVersion"], listed["items"][0]["apiVersion"]) == (
            f"example.com/{name}",
            f"example.com/{name}",
        )
        patched = daemon.kubectl(
            "patch", f"widgets.{name}.example.com", "one", "--type=merge", "-p", '{"spec":{"a":2}}'
        )
        assert "widget.example.com/one" in patched
    assert json.loads(daemon.kubectl("get", "widget", "one", "-o", "json"))["metadata"]["generation"] == 2
    refused = json.loads(json.dumps(two))
    refused["metadata"]["name"], refused["spec"]["names"] = (
        "gadgets.example.com",
        {"plural": "gadgets", "kind": "Gadget"},
    )
    refused["spec"]["conversion"] = {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"]}}
    text = daemon.run("kubectl", "create", "-f", "-", stdin=json.dumps(refused).encode()).stderr.decode()
    assert "spec.conversion.strategy: Forbidden: not supported by swarmlet yet" in text
    daemon.kubectl("delete", "crd", "widgets.example.com", "--timeout=20s")
