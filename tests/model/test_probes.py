"""Probes, hooks, sidecars and deadlines as users write them: read, filled in, refused in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.agent.containers import pod_network
from swarmlet.model import decode, defaults, kinds, pods
from swarmlet.model.pod import Pod
from swarmlet.scheduler.demand import demand_of
from tests.model.test_validation import problems, update_problems

GET = {"httpGet": {"port": 80}}
RUN = {"exec": {"command": ["true"]}}
MAIN = "spec.containers[0]"
INIT = "spec.initContainers[0]"


def pod(container: dict[str, Any] | None = None, *, init: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    main = {"name": "main", "image": "web:1"} | (container or {})
    inits = [{"name": "init", "image": "web:1"} | init] if init is not None else []
    return {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"containers": [main], "initContainers": inits} | spec,
    }


def read(document: dict[str, Any]) -> Pod:
    found = defaults.fill(decode.decode(kinds.POD, document).object)
    assert isinstance(found, Pod)
    return found


def test_a_probe_gets_what_kubernetes_gives_it() -> None:
    container = read(pod({"livenessProbe": GET})).spec.containers[0]
    probe = container.liveness_probe
    assert probe is not None
    assert (probe.timeout_seconds, probe.period_seconds, probe.success_threshold, probe.failure_threshold) == (
        1,
        10,
        1,
        3,
    )
    assert (probe.http_get.path, probe.http_get.scheme, probe.initial_delay_seconds) == ("/", "HTTP", 0)
    assert container.termination_message_path == "/dev/termination-log"
    assert container.termination_message_policy == "File"


def test_a_hook_by_http_gets_its_path_and_scheme() -> None:
    lifecycle = read(pod({"lifecycle": {"postStart": GET, "preStop": GET}})).spec.containers[0].lifecycle
    assert lifecycle.post_start == lifecycle.pre_stop
    assert (lifecycle.pre_stop.http_get.path, lifecycle.pre_stop.http_get.scheme) == ("/", "HTTP")


@pytest.mark.parametrize(
    "container",
    [
        {"livenessProbe": GET, "readinessProbe": RUN, "startupProbe": {"tcpSocket": {"port": "web"}}},
        {"readinessProbe": {"grpc": {"port": 50051, "service": "orders"}, "successThreshold": 3}},
        {"livenessProbe": RUN | {"terminationGracePeriodSeconds": 5}},
        {"lifecycle": {"postStart": RUN, "preStop": {"sleep": {"seconds": 5}}}},
        {"terminationMessagePolicy": "FallbackToLogsOnError"},
    ],
)
def test_what_kubernetes_takes_is_taken_whole(container: dict[str, Any]) -> None:
    assert problems(kinds.POD, pod(container)) == {}
    assert problems(kinds.POD, pod(init=container | {"restartPolicy": "Always"})) == {}
    assert not decode.decode(kinds.POD, pod(container)).warnings()


@pytest.mark.parametrize(
    ("container", "path", "message"),
    [
        ({"livenessProbe": {}}, "livenessProbe", "Required value: must specify a handler type"),
        ({"livenessProbe": GET | RUN}, "livenessProbe", "Forbidden: may not specify more than 1 handler type"),
        ({"livenessProbe": GET | {"successThreshold": 2}}, "livenessProbe.successThreshold", "must be 1"),
        ({"startupProbe": GET | {"successThreshold": 2}}, "startupProbe.successThreshold", "must be 1"),
        ({"readinessProbe": GET | {"periodSeconds": -1}}, "readinessProbe.periodSeconds", "greater than or equal to 0"),
        (
            {"readinessProbe": GET | {"terminationGracePeriodSeconds": 5}},
            "readinessProbe.terminationGracePeriodSeconds",
            "must not be set for readinessProbes",
        ),
        (
            {"livenessProbe": GET | {"terminationGracePeriodSeconds": 2**31}},
            "livenessProbe.terminationGracePeriodSeconds",
            "less than or equal to 2147483647",
        ),
        (
            {"livenessProbe": GET | {"terminationGracePeriodSeconds": 0}},
            "livenessProbe.terminationGracePeriodSeconds",
            "must be greater than 0",
        ),
        ({"livenessProbe": {"exec": {}}}, "livenessProbe.exec.command", "Required value"),
        ({"livenessProbe": {"httpGet": {"port": 0}}}, "livenessProbe.httpGet.port", "must be between 1 and 65535"),
        ({"livenessProbe": {"tcpSocket": {"port": 70000}}}, "livenessProbe.tcpSocket.port", "must be between 1 and"),
        ({"livenessProbe": {"grpc": {"port": 0}}}, "livenessProbe.grpc.port", "must be between 1 and 65535"),
        (
            {"livenessProbe": {"httpGet": {"port": 80, "httpHeaders": [{"name": "a b", "value": "c"}]}}},
            "livenessProbe.httpGet.httpHeaders",
            "a valid HTTP header must consist of",
        ),
        ({"livenessProbe": {"httpGet": {"port": 80, "scheme": "FTP"}}}, "livenessProbe.httpGet.scheme", "Unsupported"),
        ({"lifecycle": {"preStop": {"tcpSocket": {"port": 80}}}}, "lifecycle.preStop", "must specify a handler type"),
        (
            {"lifecycle": {"postStart": {"sleep": {"seconds": 31}}}},
            "lifecycle.postStart.sleep",
            "must be non-negative and less than terminationGracePeriodSeconds (30)",
        ),
        ({"restartPolicy": "Always"}, "restartPolicy", "may not be set for non-init containers"),
        ({"terminationMessagePolicy": "Never"}, "terminationMessagePolicy", "Unsupported value"),
    ],
)
def test_what_kubernetes_refuses_is_refused_by_name(container: dict[str, Any], path: str, message: str) -> None:
    found = problems(kinds.POD, pod(container))
    assert message in found[f"{MAIN}.{path}"]


@pytest.mark.parametrize("field", ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle"])
def test_only_sidecars_among_init_containers_may_be_probed_or_have_hooks(field: str) -> None:
    value = {"preStop": RUN} if field == "lifecycle" else GET
    found = problems(kinds.POD, pod(init={field: value}))
    assert found == {f"{INIT}.{field}": "Forbidden: must not be set for init containers"}


def test_an_init_container_restarts_always_or_as_its_pod_says() -> None:
    found = problems(kinds.POD, pod(init={"restartPolicy": "OnFailure"}))
    assert found == {f"{INIT}.restartPolicy": 'Unsupported value: "OnFailure": supported values: "Always"'}


# Deadlines


@pytest.mark.parametrize("seconds", [0, -1, 2**31])
def test_a_deadline_is_a_positive_number(seconds: int) -> None:
    message = problems(kinds.POD, pod(activeDeadlineSeconds=seconds))["spec.activeDeadlineSeconds"]
    assert "must be between 1 and 2147483647, inclusive" in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (None, 10, ""),
        (10, 5, ""),
        (10, 10, ""),
        (10, 11, "must be less than or equal to previous value"),
        (10, None, "must not update from a positive integer to nil value"),
    ],
)
def test_a_deadline_may_only_come_nearer(old: int | None, new: int | None, message: str) -> None:
    before, after = (pod() if each is None else pod(activeDeadlineSeconds=each) for each in (old, new))
    found = update_problems(kinds.POD, before, after)
    assert found.keys() == ({"spec.activeDeadlineSeconds"} if message else set())
    assert message in found.get("spec.activeDeadlineSeconds", "")


def test_what_keeps_its_pods_running_takes_no_deadline() -> None:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": pod(activeDeadlineSeconds=5)["spec"]}
    document = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template},
    }
    message = problems(kinds.DEPLOYMENT, document)["spec.template.spec.activeDeadlineSeconds"]
    assert message == "Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"


# What a Pod with sidecars needs


def asking(name: str, millis: int, *, always: bool = False) -> dict[str, Any]:
    resources = {"requests": {"cpu": f"{millis}m"}}
    return {"name": name, "image": "web:1", "resources": resources} | ({"restartPolicy": "Always"} if always else {})


def test_the_host_ports_of_sidecars_are_the_pods() -> None:
    ports = [{"containerPort": 80, "hostPort": 8080}]
    spec = read(pod(init={"restartPolicy": "Always", "ports": ports})).spec
    assert [each.host_port for each in pod_network.network(Pod(spec=spec)).host_ports] == [8080]
    assert [each.port for each in demand_of(Pod(spec=spec)).ports] == [8080]
    plain = read(pod(init={"ports": ports})).spec
    assert [each.name for each in pods.lasting_containers(plain)] == ["main"]


@pytest.mark.parametrize(
    ("inits", "needed"),
    [
        ([], 300),
        ([asking("a", 100, always=True)], 400),  # beside the others
        ([asking("a", 350)], 350),  # before them
        ([asking("a", 100, always=True), asking("b", 350)], 450),  # beside the one before them
        ([asking("b", 350), asking("a", 100, always=True)], 400),
        ([asking("a", 100, always=True), asking("b", 200, always=True), asking("c", 100)], 600),
    ],
)
def test_sidecars_are_counted_beside_those_that_run_after_them(inits: list[dict[str, Any]], needed: int) -> None:
    document = pod(asking("main", 300), initContainers=inits)
    assert pods.effective_requests(read(document).spec) == {"cpu": needed}
