from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.model import apps, core, defaults, objects
from swarmlet.model.container import Container, ContainerPort, ResourceRequirements
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec, PodTemplateSpec
from swarmlet.model.pod_volumes import ConfigMapVolumeSource, SecretVolumeSource, Volume


def pod(container: Container | None = None, **spec) -> Pod:
    return Pod(spec=PodSpec(containers=(container or Container(name="c", image="nginx:1"),), **spec))


def test_a_deployment_gets_what_kubernetes_gives_it():
    spec = defaults.fill(apps.Deployment(spec=apps.DeploymentSpec())).spec
    assert (spec.replicas, spec.revision_history_limit, spec.progress_deadline_seconds) == (1, 10, 600)
    assert spec.strategy.type == "RollingUpdate"
    assert (spec.strategy.rolling_update.max_surge, spec.strategy.rolling_update.max_unavailable) == ("25%", "25%")
    assert spec.template.spec.restart_policy == "Always"


def test_zeros_that_were_asked_for_stay():
    rolling = apps.RollingUpdateDeployment(max_surge=1, max_unavailable=0)
    asked = apps.DeploymentSpec(
        replicas=0, revision_history_limit=0, strategy=apps.DeploymentStrategy(rolling_update=rolling)
    )
    spec = defaults.fill(apps.Deployment(spec=asked)).spec
    assert (spec.replicas, spec.revision_history_limit) == (0, 0)
    assert spec.strategy.rolling_update == rolling
    assert defaults.fill(pod(termination_grace_period_seconds=0)).spec.termination_grace_period_seconds == 0


def test_recreate_gets_no_rolling_parameters():
    spec = apps.DeploymentSpec(strategy=apps.DeploymentStrategy(type="Recreate"))
    assert defaults.fill(apps.Deployment(spec=spec)).spec.strategy.rolling_update is None


def test_a_pod_gets_what_kubernetes_gives_it():
    filled = defaults.fill(pod(Container(name="c", image="nginx:1", ports=(ContainerPort(container_port=80),))))
    assert filled.spec.termination_grace_period_seconds == 30
    assert filled.spec.scheduler_name == "default-scheduler"
    assert filled.spec.containers[0].ports[0].protocol == "TCP"
    assert filled.spec.containers[0].image_pull_policy == "IfNotPresent"
    assert (filled.status.phase, filled.status.qos_class) == ("Pending", "BestEffort")


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.25", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image, policy):
    assert defaults.pull_policy(image) == policy


def test_a_pod_asks_for_its_limits_and_a_template_stays_as_written():
    container = Container(name="c", resources=ResourceRequirements(limits={"cpu": "1"}, requests={"memory": "1Mi"}))
    assert defaults.fill(pod(container)).spec.containers[0].resources.requests == {"cpu": "1", "memory": "1Mi"}
    template = PodTemplateSpec(spec=PodSpec(containers=(container,)))
    filled = defaults.fill(apps.ReplicaSet(spec=apps.ReplicaSetSpec(template=template)))
    assert filled.spec.template.spec.containers[0].resources == container.resources
    assert filled.spec.replicas == 1


def test_on_the_hosts_network_a_port_is_the_hosts():
    container = Container(name="c", ports=(ContainerPort(container_port=80),))
    assert defaults.fill(pod(container, host_network=True)).spec.containers[0].ports[0].host_port == 80


def test_volumes_get_a_source_and_a_file_mode():
    volumes = (
        Volume(name="a"),
        Volume(name="b", config_map=ConfigMapVolumeSource(name="x")),
        Volume(name="c", secret=SecretVolumeSource(secret_name="x", default_mode=0o400)),
    )
    filled = defaults.fill(pod(volumes=volumes)).spec.volumes
    assert objects.to_document(Pod(spec=PodSpec(volumes=filled)))["spec"]["volumes"][0] == {"name": "a", "emptyDir": {}}
    assert filled[1].config_map.default_mode == 0o644
    assert filled[2].secret.default_mode == 0o400


def test_plain_text_of_a_secret_becomes_data_and_wins():
    filled = defaults.fill(core.Secret(data={"a": "eA==", "b": "eQ=="}, string_data={"b": "new"}))
    assert (filled.type, filled.string_data) == ("Opaque", {})
    assert filled.data == {"a": "eA==", "b": base64.b64encode(b"new").decode()}


def test_a_namespace_is_active_has_a_finalizer_and_bears_its_name():
    filled = defaults.fill(core.Namespace(metadata=ObjectMeta(name="n")))
    assert filled.status.phase == "Active"
    assert filled.spec.finalizers == ("kubernetes",)
    assert filled.metadata.labels == {"kubernetes.io/metadata.name": "n"}


@given(
    st.sampled_from([apps.Deployment, apps.ReplicaSet, Pod, core.Secret, core.Namespace, core.ConfigMap]),
    st.sampled_from(
        [Container(name="c", image="x"), Container(name="c", image="x:1", ports=(ContainerPort(container_port=1),))]
    ),
    st.booleans(),
)
def test_filling_twice_is_as_filling_once(object_type, container, host_network):
    spec = PodSpec(containers=(container,), volumes=(Volume(name="v"),), host_network=host_network)
    value = object_type()
    if object_type is Pod:
        value = Pod(spec=spec)
    elif "spec" in object_type.__struct_fields__ and hasattr(value.spec, "template"):
        value = msgspec.structs.replace(value, spec=type(value.spec)(template=PodTemplateSpec(spec=spec)))
    once = defaults.fill(value)
    assert defaults.fill(once) == once
