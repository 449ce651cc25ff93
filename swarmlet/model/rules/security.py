"""Rules of securityContext, of a Pod and of a container. Source: kubernetes pkg/apis/core/validation/validation.go."""

from __future__ import annotations

import re
from collections.abc import Sequence

from swarmlet.model import security as model
from swarmlet.model import sysctls
from swarmlet.model.pod import PodSpec
from swarmlet.model.problems import Place
from swarmlet.model.rules.container import relative_path

ID_MAX = 2**31 - 1
PROFILE_BYTES_MAX = 4095
PROC_MOUNTS = ("Default", "Unmasked")
PROFILES = (model.LOCALHOST, model.RUNTIME_DEFAULT, model.UNCONFINED)
GROUP_CHANGE_POLICIES = ("Always", "OnRootMismatch")
GROUPS_POLICIES = ("Merge", "Strict")
SYSCTL_NAME_MAX = 253
SYS_ADMIN = ("SYS_ADMIN", "CAP_SYS_ADMIN")
WINDOWS = "windows options cannot be set for a linux pod"

_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?", re.ASCII)
_CAPABILITY = re.compile(r"(CAP_)?[A-Za-z][A-Za-z0-9_]*", re.ASCII)


def pod(spec: PodSpec, place: Place) -> None:
    """Check what a Pod says for all its containers, and which namespaces it shares with whom."""
    if spec.share_process_namespace and spec.host_pid:
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        place.field("shareProcessNamespace").invalid(spec.share_process_namespace, why)
    context = spec.security_context
    if context is None:
        return
    inner = place.field("securityContext")
    _ids(context, inner)
    _id(context.fs_group, inner.field("fsGroup"))
    for item, group in inner.field("supplementalGroups").each(context.supplemental_groups):
        _id(group, item)
    if context.fs_group_change_policy is not None:
        inner.field("fsGroupChangePolicy").one_of(context.fs_group_change_policy, GROUP_CHANGE_POLICIES)
    _groups_policy(spec, context, inner.field("supplementalGroupsPolicy"))
    _profiles(context, inner)
    _sysctls(context.sysctls, inner.field("sysctls"), spec)
    if context.windows_options:
        inner.field("windowsOptions").forbidden(WINDOWS)


def container(context: model.SecurityContext | None, place: Place) -> None:
    """Check what a container says for itself."""
    if context is None:
        return
    _ids(context, place)
    _profiles(context, place)
    _capabilities(context, place)
    if context.proc_mount is not None:
        place.field("procMount").one_of(context.proc_mount, PROC_MOUNTS)
        if context.proc_mount == "Unmasked":  # swarmlet has no user namespaces, so `hostUsers` is always true
            place.field("procMount").invalid(context.proc_mount, "`hostUsers` must be false to use `Unmasked`")
    if context.windows_options:
        place.field("windowsOptions").forbidden(WINDOWS)


def _capabilities(context: model.SecurityContext, place: Place) -> None:
    given = context.capabilities or model.Capabilities()
    for name, capabilities in (("add", given.add), ("drop", given.drop)):
        for item, capability in place.field("capabilities").field(name).each(capabilities):
            if not _CAPABILITY.fullmatch(capability):
                item.invalid(capability, 'must be the name of a capability, such as "NET_ADMIN", or "ALL"')
    if context.allow_privilege_escalation is False:
        if context.privileged:
            place.invalid(context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
        if any(capability in SYS_ADMIN for capability in given.add):
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            place.invalid(context, why)


def _ids(context: model.PodSecurityContext | model.SecurityContext, place: Place) -> None:
    _id(context.run_as_user, place.field("runAsUser"))
    _id(context.run_as_group, place.field("runAsGroup"))


def _id(value: int | None, place: Place) -> None:
    if value is not None and not 0 <= value <= ID_MAX:
        place.invalid(value, f"must be between 0 and {ID_MAX}, inclusive")


def _groups_policy(spec: PodSpec, context: model.PodSecurityContext, place: Place) -> None:
    """Check the policy: the Engine leaves out the image's own groups only where the first group is given, too."""
    policy = context.supplemental_groups_policy
    if policy is None:
        return
    place.one_of(policy, GROUPS_POLICIES)
    if policy == model.STRICT_GROUPS and any(
        model.effective(context, each.security_context).run_as_group is None
        for each in (*spec.init_containers, *spec.containers)
    ):
        place.invalid(policy, "needs `runAsGroup` for every container: the Docker Engine takes both or neither")


def _profiles(context: model.PodSecurityContext | model.SecurityContext, place: Place) -> None:
    if context.seccomp_profile:
        inner = place.field("seccompProfile")
        if _profile(context.seccomp_profile, inner, "seccomp"):
            relative_path(context.seccomp_profile.localhost_profile or "", inner.field("localhostProfile"))
    if context.app_armor_profile:
        inner = place.field("appArmorProfile")
        if _profile(context.app_armor_profile, inner, "AppArmor"):
            _app_armor_name(context.app_armor_profile.localhost_profile or "", inner.field("localhostProfile"))


def _profile(profile: model.Profile, place: Place, what: str) -> bool:
    """Check a profile's type; return whether it names one of the machine's."""
    inner = place.field("localhostProfile")
    if not profile.type:
        field = "seccompProfile" if what == "seccomp" else "appArmorProfile"
        place.field("type").required(f"type is required when {field} is set")
    else:
        place.field("type").one_of(profile.type, PROFILES)
    if profile.type != model.LOCALHOST:
        if profile.localhost_profile is not None:
            inner.invalid(profile.localhost_profile, f"can only be set when {what} type is Localhost")
        return False
    if profile.localhost_profile is None or not profile.localhost_profile.strip():
        inner.required(f"must be set when {what} type is Localhost")
        return False
    return True


def _app_armor_name(name: str, place: Place) -> None:
    if name != name.strip():
        place.invalid(name, "must not be padded with whitespace")
    if len(name.encode()) > PROFILE_BYTES_MAX:
        place.too_long(PROFILE_BYTES_MAX)


def _sysctls(values: Sequence[model.Sysctl], place: Place, spec: PodSpec) -> None:
    seen: set[str] = set()
    for item, each in place.each(values):
        inner, name = item.field("name"), sysctls.normal(each.name)
        if not each.name:
            inner.required()
        elif len(each.name) > SYSCTL_NAME_MAX or not _SYSCTL.fullmatch(each.name):
            inner.invalid(
                each.name, f"must have at most {SYSCTL_NAME_MAX} characters and match regex ^{_SYSCTL.pattern}$"
            )
        elif name in seen:
            inner.duplicate(each.name)
        elif name not in sysctls.SAFE:
            inner.forbidden(f'"{each.name}" is none of the safe ones: {", ".join(sorted(sysctls.SAFE))}')
        elif sysctls.is_of_network(name) and spec.host_network:
            inner.invalid(each.name, "may not be specified with 'hostNetwork' enabled")
        elif not sysctls.is_of_network(name) and spec.host_ipc:
            inner.invalid(each.name, "may not be specified with 'hostIPC' enabled")
        seen.add(name)
