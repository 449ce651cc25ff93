"""What the processes of a Pod may do on their machine, and as whom they run. Source: k8s.io/api/core/v1/types.go.

Pod and container each say something; `effective` says what holds for one container, as kubelet decides it: the
container's word wins, field by field.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from swarmlet.model.base import ApiStruct

RUNTIME_DEFAULT = "RuntimeDefault"
UNCONFINED = "Unconfined"
LOCALHOST = "Localhost"
STRICT_GROUPS = "Strict"
ON_ROOT_MISMATCH = "OnRootMismatch"

T = TypeVar("T")


class Capabilities(ApiStruct, frozen=True, kw_only=True):
    """Linux capabilities without "CAP_" before them; "ALL" means all."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SELinuxOptions(ApiStruct, frozen=True, kw_only=True):
    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


class Profile(ApiStruct, frozen=True, kw_only=True):
    """Of seccomp or of AppArmor; `localhost_profile` is set where `type` is "Localhost"."""

    type: str
    localhost_profile: str | None = None


class Sysctl(ApiStruct, frozen=True, kw_only=True):
    name: str
    value: str


class SecurityContext(ApiStruct, frozen=True, kw_only=True):
    """A container's. None leaves it to the Pod, and then to the image or the engine."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    read_only_root_filesystem: bool | None = None
    allow_privilege_escalation: bool | None = None
    seccomp_profile: Profile | None = None
    app_armor_profile: Profile | None = None
    se_linux_options: SELinuxOptions | None = None
    proc_mount: str | None = None
    windows_options: dict[str, Any] | None = None


class PodSecurityContext(ApiStruct, frozen=True, kw_only=True):
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    fs_group: int | None = None
    fs_group_change_policy: str | None = None
    supplemental_groups: tuple[int, ...] = ()
    supplemental_groups_policy: str | None = None
    seccomp_profile: Profile | None = None
    app_armor_profile: Profile | None = None
    se_linux_options: SELinuxOptions | None = None
    sysctls: tuple[Sysctl, ...] = ()
    windows_options: dict[str, Any] | None = None


NOTHING = PodSecurityContext()
"""What a Pod without a securityContext says."""


def effective(pod: PodSecurityContext | None, container: SecurityContext | None) -> SecurityContext:
    """Return what holds for a container of a Pod.

    Source: kubernetes pkg/securitycontext/util.go (DetermineEffectiveSecurityContext).
    """
    above, own = pod or NOTHING, container or SecurityContext()
    return msgspec.structs.replace(
        own,
        run_as_user=_first(own.run_as_user, above.run_as_user),
        run_as_group=_first(own.run_as_group, above.run_as_group),
        run_as_non_root=_first(own.run_as_non_root, above.run_as_non_root),
        seccomp_profile=_first(own.seccomp_profile, above.seccomp_profile),
        app_armor_profile=_first(own.app_armor_profile, above.app_armor_profile),
        se_linux_options=_first(own.se_linux_options, above.se_linux_options),
    )


def fs_group(pod: PodSecurityContext | None) -> int | None:
    """Return the group that the files of the Pod's volumes belong to; None where it asks for none.

    Volumes that are made for the Pod get it; folders of the machine (hostPath) never do.
    """
    return pod.fs_group if pod else None


def changes_group_always(pod: PodSecurityContext | None) -> bool:
    """Whether the group is set anew on every start, and not only where the volume's own folder has another."""
    return pod is None or pod.fs_group_change_policy != ON_ROOT_MISMATCH


def groups(pod: PodSecurityContext | None) -> tuple[int, ...]:
    """Return the further groups of every process of the Pod, the volumes' group among them."""
    context = pod or NOTHING
    own = () if context.fs_group is None else (context.fs_group,)
    return tuple(dict.fromkeys((*context.supplemental_groups, *own)))


def _first(own: T | None, above: T | None) -> T | None:
    return above if own is None else own
