"""From a Pod's container to what a runtime is told: variables expanded, volumes placed, resources counted. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from swarmlet.agent import adoption
from swarmlet.model import pod as pod_model
from swarmlet.model import quantity, singletons
from swarmlet.model.container import Container, EnvVar
from swarmlet.runtime import runtime

HOSTNAME_CHARACTERS_MAX = 63

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")


def identity(pod: pod_model.Pod) -> runtime.PodIdentity:
    """Return the names by which a runtime marks the Pod's containers."""
    return runtime.PodIdentity(pod.metadata.uid, pod.metadata.namespace, pod.metadata.name)


def sandbox_spec(pod: pod_model.Pod, attempt: int) -> runtime.ContainerSpec:
    """Return what the Pod's sandbox is made from."""
    strict = singletons.must_be_single(pod)
    return runtime.ContainerSpec(
        pod=identity(pod), name=runtime.SANDBOX, attempt=attempt, network=_network(pod), strict=strict
    )


def container_spec(
    pod: pod_model.Pod, container: Container, attempt: int, sandbox: str, volumes: Mapping[str, str]
) -> runtime.ContainerSpec:
    """Return what a container is made from. `volumes` tells where on this machine each volume of the Pod lies."""
    env = environment(container.env)
    limits, requests = container.resources.limits, container.resources.requests
    return runtime.ContainerSpec(
        pod=identity(pod),
        name=container.name,
        attempt=attempt,
        spec_hash=adoption.spec_hash(container),
        image=container.image,
        command=tuple(expand(word, env) for word in container.command),
        args=tuple(expand(word, env) for word in container.args),
        env=env,
        working_dir=container.working_dir,
        mounts=tuple(
            runtime.Mount(volumes[mount.name], mount.mount_path, mount.read_only) for mount in container.volume_mounts
        ),
        sandbox=sandbox,
        network=_network(pod),
        cpu_limit_millis=quantity.to_milli(limits.get("cpu", "0")),
        cpu_request_millis=quantity.to_milli(requests.get("cpu", limits.get("cpu", "0"))),
        memory_limit_bytes=quantity.to_int(limits.get("memory", "0")),
        stdin=container.stdin,
        tty=container.tty,
        strict=singletons.must_be_single(pod),
    )


def environment(variables: tuple[EnvVar, ...]) -> dict[str, str]:
    """Return the variables, each able to refer to those before it as `$(NAME)`."""
    env: dict[str, str] = {}
    for variable in variables:
        env[variable.name] = expand(variable.value, env)
    return env


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the variable's value; an unknown one stays as it is, and `$$` is a dollar sign.

    Source: kubernetes third_party/forked/golang/expansion.
    """
    return _REFERENCE.sub(lambda match: "$" if match[1] is None else env.get(match[1], match[0]), text)


def _network(pod: pod_model.Pod) -> runtime.PodNetwork:
    host_ports = tuple(
        runtime.HostPort(port.host_port, port.container_port, port.protocol or "TCP", port.host_ip)
        for container in pod.spec.containers
        for port in container.ports
        if port.host_port
    )
    return runtime.PodNetwork(
        hostname=(pod.spec.hostname or pod.metadata.name)[:HOSTNAME_CHARACTERS_MAX].rstrip("-."),
        host_network=pod.spec.host_network,
        host_ports=() if pod.spec.host_network else host_ports,
    )
