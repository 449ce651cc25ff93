"""What Pods get from their RuntimeClass at the API."""

from __future__ import annotations

from tests.api.conftest import Api
from tests.api.documents import PODS, TABLE, pod

CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
KATA = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "kata"},
    "handler": "kata-qemu",
    "overhead": {"podFixed": {"cpu": "250m"}},
    "scheduling": {"nodeSelector": {"kata": "yes"}, "tolerations": [{"key": "kata", "operator": "Exists"}]},
}


def asking(name: str, **spec: object) -> dict:
    document = pod(name)
    document["spec"] |= spec
    return document


async def test_a_pod_gets_the_overhead_and_the_nodes_of_its_class(api: Api) -> None:
    await api.read("POST", CLASSES, json=KATA)
    document = asking("a", runtimeClassName="kata", nodeSelector={"disk": "ssd"})
    code, made = await api.read("POST", PODS, json=document)
    assert code == 201
    assert made["spec"]["overhead"] == {"cpu": "250m"}
    assert made["spec"]["nodeSelector"] == {"disk": "ssd", "kata": "yes"}
    assert {"key": "kata", "operator": "Exists"} in made["spec"]["tolerations"]


async def test_a_pod_that_contradicts_its_class_is_forbidden(api: Api) -> None:
    await api.read("POST", CLASSES, json=KATA)
    prefix = 'pods "a" is forbidden: '
    for spec, words in (
        ({"runtimeClassName": "gone"}, 'pod rejected: RuntimeClass "gone" not found'),
        (
            {"overhead": {"cpu": "1"}},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
        (
            {"runtimeClassName": "kata", "overhead": {"cpu": "1"}},
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
        ),
        (
            {"runtimeClassName": "kata", "nodeSelector": {"kata": "no"}},
            "conflict: runtimeClass.scheduling.nodeSelector[kata] = yes; pod.spec.nodeSelector[kata] = no",
        ),
    ):
        code, status = await api.read("POST", PODS, json=asking("a", **spec))
        assert (code, status["message"]) == (403, prefix + words)


async def test_kubectl_shows_a_class_in_its_columns(api: Api) -> None:
    await api.read("POST", CLASSES, json=KATA)
    _, table = await api.read("GET", CLASSES, headers=TABLE)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Handler", "Age"]
    assert table["rows"][0]["cells"][:2] == ["kata", "kata-qemu"]
