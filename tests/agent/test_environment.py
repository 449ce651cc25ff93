"""What a container finds in its environment."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from swarmlet.agent.containers import downward, environment
from swarmlet.agent.containers.environment import SourceMissingError
from swarmlet.model import kinds
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.core import ConfigMap, Node, NodeAddress, NodeStatus, Secret
from swarmlet.model.environment import (
    ConfigMapEnvSource,
    ConfigMapKeySelector,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    ObjectFieldSelector,
    ResourceFieldSelector,
    SecretEnvSource,
    SecretKeySelector,
)
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.store.commands import Key

ALLOCATABLE = {"cpu": "3500m", "memory": "7Gi", "ephemeral-storage": "10Gi"}
OBJECTS: dict[Key, Object] = {
    Key(kinds.CONFIG_MAP.resource, "default", "m"): ConfigMap(data={"a": "1", "b.c": "$(A)"}),
    Key(kinds.SECRET.resource, "default", "s"): Secret(
        data={"k": base64.b64encode(b"hush").decode(), "raw": base64.b64encode(b"\xff").decode()}
    ),
    Key(kinds.NODE.resource, "", "one"): Node(
        status=NodeStatus(allocatable=ALLOCATABLE, addresses=(NodeAddress(type="InternalIP", address="10.0.0.1"),))
    ),
}


def made(*variables: EnvVar, whole: tuple[EnvFromSource, ...] = (), **resources: Any) -> dict[str, str]:
    container = Container(name="main", env=variables, env_from=whole, resources=ResourceRequirements(**resources))
    other = Container(name="other", resources=ResourceRequirements(limits={"memory": "64Mi"}))
    metadata = ObjectMeta(
        name="web", namespace="default", uid="u-1", labels={"app": "web"}, annotations={"note": 'say "hi"\n'}
    )
    pod = Pod(metadata=metadata, spec=PodSpec(containers=(container, other), node_name="one"))
    known = downward.facts(pod, OBJECTS.get, pod_ips=("10.1.0.7",))
    return environment.make(container, known, OBJECTS.get)


def from_field(path: str) -> str:
    return made(EnvVar(name="X", value_from=EnvVarSource(field_ref=ObjectFieldSelector(field_path=path))))["X"]


def from_resource(resource: str, divisor: str = "0", container: str = "", **resources: Any) -> str:
    selector = ResourceFieldSelector(resource=resource, divisor=divisor, container_name=container)
    return made(EnvVar(name="X", value_from=EnvVarSource(resource_field_ref=selector)), **resources)["X"]


def map_key(name: str, key: str, *, optional: bool | None = None) -> EnvVar:
    selector = ConfigMapKeySelector(name=name, key=key, optional=optional)
    return EnvVar(name="X", value_from=EnvVarSource(config_map_key_ref=selector))


def secret_key(name: str, key: str, *, optional: bool | None = None) -> EnvVar:
    selector = SecretKeySelector(name=name, key=key, optional=optional)
    return EnvVar(name="X", value_from=EnvVarSource(secret_key_ref=selector))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("$()", "$()"),
        ("$(A$(B))", "$(A$(B))"),
        ("$(A)$(A)$", "11$"),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text: str, expected: str) -> None:
    assert environment.expand(text, {"A": "1", "B": "2"}) == expected


def test_a_variable_refers_to_those_before_it() -> None:
    variables = (EnvVar(name="B", value="$(A)"), EnvVar(name="A", value="1"), EnvVar(name="C", value="$(A)$(B)"))
    assert made(*variables) == {"B": "$(A)", "A": "1", "C": "1$(A)"}


def test_variables_that_double_each_other_end_before_they_fill_the_memory() -> None:
    doubling = (EnvVar(name=f"V{number}", value=f"$(V{number - 1})" * 2) for number in range(1, 100))
    with pytest.raises(environment.ExpansionError, match="exceeds 131072 characters"):
        made(EnvVar(name="V0", value="x"), *doubling)


def test_many_long_variables_end_before_they_fill_the_memory() -> None:
    long = EnvVar(name="V", value="x" * 100_000)
    with pytest.raises(environment.ExpansionError, match="the variables exceed"):
        made(long, *(EnvVar(name=f"V{number}", value="$(V)") for number in range(1_000)))


def test_keys_of_config_maps_and_secrets_become_values() -> None:
    assert made(map_key("m", "a")) == {"X": "1"}
    assert made(secret_key("s", "k")) == {"X": "hush"}


def test_what_comes_from_elsewhere_is_not_expanded_and_can_be_referred_to() -> None:
    whole = (EnvFromSource(prefix="P_", config_map_ref=ConfigMapEnvSource(name="m")),)
    env = made(EnvVar(name="A", value="one"), EnvVar(name="Y", value="$(P_a)"), map_key("m", "b.c"), whole=whole)
    assert env == {"A": "one", "Y": "1", "X": "$(A)", "P_a": "1", "P_b.c": "$(A)"}
    assert list(env)[:3] == ["A", "Y", "X"]


def test_declared_variables_win_over_whole_sources_and_later_sources_over_earlier() -> None:
    whole = (
        EnvFromSource(secret_ref=SecretEnvSource(name="s2", optional=True)),
        EnvFromSource(config_map_ref=ConfigMapEnvSource(name="m")),
    )
    assert made(EnvVar(name="a", value="own"), whole=whole)["a"] == "own"


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        (map_key("x", "a"), 'configmap "x" not found'),
        (map_key("m", "z"), "couldn't find key z in ConfigMap default/m"),
        (secret_key("x", "a"), 'secret "x" not found'),
        (secret_key("s", "z"), "couldn't find key z in Secret default/s"),
        (secret_key("s", "raw"), "key raw in Secret default/s is no text"),
    ],
)
def test_what_is_missing_is_told_in_kubernetes_words(variable: EnvVar, message: str) -> None:
    with pytest.raises(SourceMissingError) as refused:
        made(variable)
    assert str(refused.value).startswith(message)


def test_a_whole_source_that_is_missing_is_told_too() -> None:
    with pytest.raises(SourceMissingError, match='configmap "x" not found'):
        made(whole=(EnvFromSource(config_map_ref=ConfigMapEnvSource(name="x")),))
    with pytest.raises(SourceMissingError, match='secret "x" not found'):
        made(whole=(EnvFromSource(secret_ref=SecretEnvSource(name="x")),))


@pytest.mark.parametrize(
    "variable",
    [
        map_key("x", "a", optional=True),
        map_key("m", "z", optional=True),
        secret_key("x", "a", optional=True),
        secret_key("s", "z", optional=True),
    ],
)
def test_an_optional_variable_that_is_missing_is_not_set(variable: EnvVar) -> None:
    assert made(variable) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['note']", 'say "hi"\n'),
        ("spec.nodeName", "one"),
        ("spec.serviceAccountName", "default"),
        ("status.hostIP", "10.0.0.1"),
        ("status.hostIPs", "10.0.0.1"),
        ("status.podIP", "10.1.0.7"),
        ("status.podIPs", "10.1.0.7"),
    ],
)
def test_a_container_is_told_of_its_pod(path: str, value: str) -> None:
    assert from_field(path) == value


@pytest.mark.parametrize(
    ("resource", "divisor", "given", "value"),
    [
        ("limits.cpu", "0", {"limits": {"cpu": "1500m"}}, "2"),
        ("limits.cpu", "1m", {"limits": {"cpu": "1500m"}}, "1500"),
        ("limits.cpu", "1", {}, "4"),
        ("limits.memory", "1Mi", {"limits": {"memory": "100Mi"}}, "100"),
        ("limits.memory", "0", {"limits": {"memory": "1k"}}, "1000"),
        ("limits.memory", "1Gi", {}, "7"),
        ("limits.ephemeral-storage", "1Gi", {}, "10"),
        ("requests.cpu", "1m", {"requests": {"cpu": "0.25"}}, "250"),
        ("requests.memory", "1Mi", {}, "0"),
        ("requests.memory", "1Gi", {"requests": {"memory": "1"}}, "1"),
    ],
)
def test_a_container_is_told_of_its_resources(
    resource: str, divisor: str, given: dict[str, dict[str, str]], value: str
) -> None:
    assert from_resource(resource, divisor, **given) == value


def test_a_container_may_be_told_of_anothers_resources() -> None:
    assert from_resource("limits.memory", "1Mi", "other") == "64"
    with pytest.raises(downward.DownwardError, match="container none not found"):
        from_resource("limits.memory", "1Mi", "none")


def test_maps_are_written_as_go_quotes_them() -> None:
    assert downward.map_text({"b": 'x"y\n', "a": "é\x01\\"}) == 'a="é\\x01\\\\"\nb="x\\"y\\n"'
