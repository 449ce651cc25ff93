"""From a Pod's container to what a runtime is told: words expanded, resources counted, ports found. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from swarmlet.agent.containers import environment, pod_network
from swarmlet.agent.life import adoption
from swarmlet.model import pod as pod_model
from swarmlet.model import quantity, singletons
from swarmlet.model.container import Container
from swarmlet.runtime import runtime


def identity(pod: pod_model.Pod) -> runtime.PodIdentity:
    """Return the names by which a runtime marks the Pod's containers."""
    return runtime.PodIdentity(pod.metadata.uid, pod.metadata.namespace, pod.metadata.name)


def sandbox_spec(pod: pod_model.Pod, attempt: int) -> runtime.ContainerSpec:
    """Return what the Pod's sandbox is made from."""
    strict = singletons.must_be_single(pod)
    return runtime.ContainerSpec(
        pod=identity(pod), name=runtime.SANDBOX, attempt=attempt, network=pod_network.network(pod), strict=strict
    )


def container_spec(
    pod: pod_model.Pod,
    container: Container,
    attempt: int,
    sandbox: str,
    env: Mapping[str, str],
    mounts: tuple[runtime.Mount, ...],
) -> runtime.ContainerSpec:
    """Return what a container is made from. `env` and `mounts` are its environment and its volumes, as they are now."""
    limits, requests = container.resources.limits, container.resources.requests
    return runtime.ContainerSpec(
        pod=identity(pod),
        name=container.name,
        attempt=attempt,
        spec_hash=adoption.spec_hash(container),
        image=container.image,
        command=tuple(environment.expand(word, env) for word in container.command),
        args=tuple(environment.expand(word, env) for word in container.args),
        env=env,
        working_dir=container.working_dir,
        mounts=mounts,
        sandbox=sandbox,
        network=pod_network.network(pod),
        cpu_limit_millis=quantity.to_milli(limits.get("cpu", "0")),
        cpu_request_millis=quantity.to_milli(requests.get("cpu", limits.get("cpu", "0"))),
        memory_limit_bytes=quantity.to_int(limits.get("memory", "0")),
        stdin=container.stdin,
        stdin_once=container.stdin_once,
        tty=container.tty,
        strict=singletons.must_be_single(pod),
    )
