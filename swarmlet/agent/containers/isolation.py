"""From a Pod's and a container's security context to what a runtime is told of it. Pure.

Source: kubernetes pkg/kubelet/kuberuntime/security_context.go, pkg/kubelet/qos/policy.go.
"""

from __future__ import annotations

import msgspec

from swarmlet.errors import SwarmletError
from swarmlet.model import container_options, pods, quantity, scheduling, security
from swarmlet.model.container import Container
from swarmlet.model.pod import Pod
from swarmlet.runtime.isolation import UNCONFINED, Isolation

GUARANTEED_OOM_SCORE = -997
BEST_EFFORT_OOM_SCORE = 1000
SANDBOX_OOM_SCORE = -998
"""A Pod's network is the last to be killed for memory."""

_PROFILE_OF = {security.UNCONFINED: UNCONFINED}  # RuntimeDefault is what the engine does anyway
_SHARING = ("runtime_class_name", "host_pid", "host_ipc", "share_process_namespace", "host_aliases", "dns_config")


class RootForbiddenError(SwarmletError):
    """The container would run as root, or might, and its Pod forbids that."""


def context_of(pod: Pod, container: Container) -> security.SecurityContext:
    """Return what holds for a container of the Pod."""
    return security.effective(pod.spec.security_context, container.security_context)


def of_sandbox(pod: Pod) -> Isolation:
    """Return what the Pod's sandbox is kept apart by."""
    context = pod.spec.security_context or security.NOTHING
    return Isolation(
        selinux=_labels(context.se_linux_options),
        host_processes=pod.spec.host_pid,
        host_ipc=pod.spec.host_ipc,
    )


def of_container(pod: Pod, container: Container, image_user: str = "") -> Isolation:
    """Return what a container is kept apart by; `image_user` counts where only its group is given.

    A seccomp profile of the machine is not read here: it is left to the engine's own.
    """
    context = context_of(pod, container)
    capabilities = context.capabilities or security.Capabilities()
    app_armor = context.app_armor_profile
    options = container_options.of(pod.metadata.annotations, container.name)
    return Isolation(
        user=_user(context, image_user) or options.user,
        groups=security.groups(pod.spec.security_context),
        privileged=bool(context.privileged),
        read_only_root=bool(context.read_only_root_filesystem),
        no_new_privileges=context.allow_privilege_escalation is False,
        capabilities_added=capabilities.add,
        capabilities_dropped=capabilities.drop,
        seccomp=_PROFILE_OF.get(context.seccomp_profile.type, "") if context.seccomp_profile else "",
        apparmor=(app_armor.localhost_profile or _PROFILE_OF.get(app_armor.type, "")) if app_armor else "",
        selinux=_labels(context.se_linux_options),
        host_processes=pod.spec.host_pid,
        host_ipc=pod.spec.host_ipc,
        shares_processes=bool(pod.spec.share_process_namespace),
        init=options.init,
        stop_signal=options.stop_signal,
        ulimits=container_options.limits(options),
    )


def needs_image_user(context: security.SecurityContext) -> bool:
    """Whether it matters whom the image runs as."""
    return context.run_as_user is None and (bool(context.run_as_non_root) or context.run_as_group is not None)


def forbid_root(pod: Pod, container: Container, image_user: str) -> None:
    """Raise `RootForbiddenError`, in kubelet's words, where `runAsNonRoot` is set and root it would be."""
    context = context_of(pod, container)
    if not context.run_as_non_root:
        return
    metadata = pod.metadata
    who = f'(pod: "{metadata.name}_{metadata.namespace}({metadata.uid})", container: {container.name})'
    user = image_user.partition(":")[0] or "0"
    if context.run_as_user == 0:
        raise RootForbiddenError(f"container's runAsUser breaks non-root policy {who}")
    if context.run_as_user is not None:
        return
    if not user.isdigit():
        why = f"container has runAsNonRoot and image has non-numeric user ({user}), cannot verify user is non-root"
        raise RootForbiddenError(f"{why} {who}")
    if int(user) == 0:
        raise RootForbiddenError(f"container has runAsNonRoot and image will run as root {who}")


def oom_score(pod: Pod, container: Container, machine_memory_bytes: int) -> int:
    """Return how readily the kernel kills the container when memory is short: -997 hardly, 1000 first."""
    service_class = pods.qos_class(pod.spec)
    if service_class == "Guaranteed" or pod.spec.priority_class_name == scheduling.NODE_CRITICAL:
        return GUARANTEED_OOM_SCORE
    if service_class == "BestEffort":
        return BEST_EFFORT_OOM_SCORE
    score = _burstable_score(container, machine_memory_bytes)
    if pods.is_sidecar(container):  # no sooner than those it serves
        score = min([score, *(_burstable_score(each, machine_memory_bytes) for each in pod.spec.containers)])
    return max(1000 + GUARANTEED_OOM_SCORE, min(score, BEST_EFFORT_OOM_SCORE - 1))


def ignored_fields(pod: Pod, container: Container) -> list[str]:
    """Return the fields that a runtime which isolates nothing does not honour, by their paths."""
    found = [f"spec.securityContext.{name}" for name in _given(pod.spec.security_context)]
    names = {each.name: each.encode_name for each in msgspec.structs.fields(pod.spec)}
    found += [f"spec.{names[name]}" for name in _SHARING if getattr(pod.spec, name)]
    found += [f"securityContext.{name}" for name in _given(container.security_context)]
    if container_options.of(pod.metadata.annotations, container.name) != container_options.NO_OPTIONS:
        found.append(f"metadata.annotations[{container_options.CONTAINER_OPTIONS}]")
    return [*found, *(f"resources.limits[{name}]" for name in sorted(container.resources.limits))]


def _burstable_score(container: Container, machine_memory_bytes: int) -> int:
    request = quantity.to_int(container.resources.requests.get("memory", "0"))
    return 1000 - 1000 * request // max(1, machine_memory_bytes)


def _user(context: security.SecurityContext, image_user: str) -> str:
    if context.run_as_group is None:
        return "" if context.run_as_user is None else str(context.run_as_user)
    user = image_user.partition(":")[0] or "0" if context.run_as_user is None else context.run_as_user
    return f"{user}:{context.run_as_group}"


def _labels(options: security.SELinuxOptions | None) -> tuple[str, ...]:
    if options is None:
        return ()
    parts = (("user", options.user), ("role", options.role), ("type", options.type), ("level", options.level))
    return tuple(f"{name}:{value}" for name, value in parts if value)


def _given(context: security.PodSecurityContext | security.SecurityContext | None) -> list[str]:
    return sorted(msgspec.to_builtins(context)) if context else []
