"""Security contexts: what holds for a container, and what is refused of it by name."""

from __future__ import annotations

import pytest

from swarmlet.model import kinds, security
from swarmlet.model.security import PodSecurityContext, Profile, SecurityContext
from tests.model.test_validation import POD, merged, problems

CONTAINER = "spec.containers.0.securityContext"
INSIDE = "spec.containers[0].securityContext"


def test_what_the_container_says_wins_field_by_field() -> None:
    pod = PodSecurityContext(run_as_user=1, run_as_group=2, run_as_non_root=True, seccomp_profile=Profile(type="A"))
    container = SecurityContext(run_as_user=0, run_as_non_root=False, privileged=True)
    found = security.effective(pod, container)
    assert (found.run_as_user, found.run_as_group, found.run_as_non_root, found.privileged) == (0, 2, False, True)
    assert found.seccomp_profile == Profile(type="A")
    assert security.effective(None, None) == SecurityContext()


def test_the_volumes_group_is_one_of_the_further_groups() -> None:
    assert security.groups(PodSecurityContext(supplemental_groups=(7, 8), fs_group=7)) == (7, 8)
    assert security.groups(PodSecurityContext(fs_group=0)) == (0,)
    assert security.groups(None) == ()
    assert security.fs_group(PodSecurityContext(fs_group=0)) == 0
    assert security.changes_group_always(PodSecurityContext())
    assert not security.changes_group_always(PodSecurityContext(fs_group_change_policy="OnRootMismatch"))


RIGHT = {
    "runAsUser": 1000,
    "runAsGroup": 0,
    "runAsNonRoot": True,
    "capabilities": {"add": ["NET_ADMIN", "CAP_CHOWN"], "drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "seccompProfile": {"type": "Localhost", "localhostProfile": "strict/web.json"},
    "appArmorProfile": {"type": "Localhost", "localhostProfile": "web"},
    "seLinuxOptions": {"level": "s0:c1"},
    "procMount": "Default",
}
RIGHT_POD = {
    "runAsUser": 0,
    "fsGroup": 2000,
    "fsGroupChangePolicy": "OnRootMismatch",
    "supplementalGroups": [1, 2],
    "supplementalGroupsPolicy": "Merge",
    "seccompProfile": {"type": "RuntimeDefault"},
    "sysctls": [
        {"name": "net.ipv4.tcp_syncookies", "value": "1"},
        {"name": "net/ipv4/ip_unprivileged_port_start", "value": "0"},
        {"name": "kernel.shm_rmid_forced", "value": "1"},
    ],
}


def test_right_contexts_pass() -> None:
    assert problems(kinds.POD, merged(merged(POD, CONTAINER, RIGHT), "spec.securityContext", RIGHT_POD)) == {}


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"runAsUser": -1}, ".runAsUser", "must be between 0 and 2147483647, inclusive"),
        ({"runAsGroup": 2**31}, ".runAsGroup", "must be between 0 and 2147483647, inclusive"),
        ({"privileged": True, "allowPrivilegeEscalation": False}, "", "and `privileged` to true"),
        (
            {"capabilities": {"add": ["SYS_ADMIN"]}, "allowPrivilegeEscalation": False},
            "",
            "and `capabilities.Add` CAP_SYS_ADMIN",
        ),
        ({"capabilities": {"drop": ["all of them"]}}, ".capabilities.drop[0]", "the name of a capability"),
        ({"seccompProfile": {}}, ".seccompProfile.type", "Required value: type is required when seccompProfile is set"),
        ({"seccompProfile": {"type": "Best"}}, ".seccompProfile.type", 'supported values: "Localhost", '),
        (
            {"seccompProfile": {"type": "Localhost"}},
            ".seccompProfile.localhostProfile",
            "Required value: must be set when seccomp type is Localhost",
        ),
        (
            {"seccompProfile": {"type": "Localhost", "localhostProfile": "/etc/passwd"}},
            ".seccompProfile.localhostProfile",
            "must be a relative path",
        ),
        (
            {"seccompProfile": {"type": "Localhost", "localhostProfile": "a/../../b"}},
            ".seccompProfile.localhostProfile",
            "must not contain '..'",
        ),
        (
            {"seccompProfile": {"type": "Unconfined", "localhostProfile": "a"}},
            ".seccompProfile.localhostProfile",
            "can only be set when seccomp type is Localhost",
        ),
        (
            {"appArmorProfile": {"type": "Localhost", "localhostProfile": " a"}},
            ".appArmorProfile.localhostProfile",
            "must not be padded with whitespace",
        ),
        ({"procMount": "Open"}, ".procMount", "Unsupported value"),
        ({"procMount": "Unmasked"}, ".procMount", "`hostUsers` must be false to use `Unmasked`"),
        ({"windowsOptions": {"hostProcess": True}}, ".windowsOptions", "cannot be set for a linux pod"),
    ],
)
def test_what_a_container_may_not_say_is_refused_by_name(given: dict, path: str, message: str) -> None:
    found = problems(kinds.POD, merged(POD, CONTAINER, given))
    assert list(found) == [INSIDE + path]
    assert message in found[INSIDE + path]


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"fsGroup": -5}, "fsGroup", "must be between"),
        ({"supplementalGroups": [1, -1]}, "supplementalGroups[1]", "must be between"),
        ({"fsGroupChangePolicy": "Never"}, "fsGroupChangePolicy", '"Always", "OnRootMismatch"'),
        ({"supplementalGroupsPolicy": "Some"}, "supplementalGroupsPolicy", '"Merge", "Strict"'),
        ({"supplementalGroupsPolicy": "Strict"}, "supplementalGroupsPolicy", "needs `runAsGroup` for every container"),
        ({"windowsOptions": {"hostProcess": True}}, "windowsOptions", "cannot be set for a linux pod"),
        ({"sysctls": [{"name": "", "value": "1"}]}, "sysctls[0].name", "Required value"),
        ({"sysctls": [{"name": "A b", "value": "1"}]}, "sysctls[0].name", "must have at most 253 characters"),
        ({"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}, "sysctls[0].name", "is none of the safe ones"),
        (
            {"sysctls": [{"name": f"net{dot}ipv4{dot}tcp_rmem", "value": "1"} for dot in "./"]},
            "sysctls[1].name",
            "Duplicate value",
        ),
    ],
)
def test_what_a_pod_may_not_say_is_refused_by_name(given: dict, path: str, message: str) -> None:
    found = problems(kinds.POD, merged(POD, "spec.securityContext", given))
    assert list(found) == [f"spec.securityContext.{path}"]
    assert message in found[f"spec.securityContext.{path}"]


def test_the_strict_policy_needs_the_first_group() -> None:
    given = {"supplementalGroupsPolicy": "Strict", "runAsGroup": 5}
    assert problems(kinds.POD, merged(POD, "spec.securityContext", given)) == {}


@pytest.mark.parametrize(
    ("shared", "name"), [("hostNetwork", "net.ipv4.tcp_rmem"), ("hostIPC", "kernel.shm_rmid_forced")]
)
def test_parameters_of_the_machine_itself_are_not_a_pods(shared: str, name: str) -> None:
    document = merged(
        merged(POD, "spec.securityContext.sysctls", [{"name": name, "value": "1"}]), f"spec.{shared}", True
    )
    found = problems(kinds.POD, document)
    assert list(found) == ["spec.securityContext.sysctls[0].name"]
    assert f"may not be specified with '{shared}' enabled" in found["spec.securityContext.sysctls[0].name"]


def test_processes_are_shared_with_the_pod_or_with_the_machine() -> None:
    document = merged(merged(POD, "spec.hostPID", True), "spec.shareProcessNamespace", True)
    assert problems(kinds.POD, document) == {
        "spec.shareProcessNamespace": "Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled"
    }


@pytest.mark.parametrize(
    ("field", "value", "path", "message"),
    [
        ("hostAliases", [{"ip": "1.2.3", "hostnames": ["a"]}], "hostAliases[0].ip", "must be a valid IP address"),
        ("hostAliases", [{"ip": "::1", "hostnames": ["A_"]}], "hostAliases[0].hostnames[0]", "RFC 1123 subdomain"),
        ("dnsPolicy", "Some", "dnsPolicy", "Unsupported value"),
        ("dnsPolicy", "None", "dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None"),
        ("dnsConfig", {"nameservers": ["1.1.1.1"] * 4}, "dnsConfig.nameservers", "more than 3 nameservers"),
        ("dnsConfig", {"nameservers": ["a"]}, "dnsConfig.nameservers[0]", "must be a valid IP address"),
        ("dnsConfig", {"searches": ["a"] * 33}, "dnsConfig.searches", "more than 32 search paths"),
        (
            "dnsConfig",
            {"searches": [".".join(["a" * 62] * 3) + f".b{n}" for n in range(12)]},
            "dnsConfig.searches",
            "2048",
        ),
        ("dnsConfig", {"searches": ["A.b"]}, "dnsConfig.searches[0]", "RFC 1123 subdomain"),
        ("dnsConfig", {"searches": ["_srv.a.", "."]}, "", ""),
        ("dnsConfig", {"options": [{"value": "1"}]}, "dnsConfig.options[0]", "must not be empty"),
    ],
)
def test_names_and_name_servers_are_checked(field: str, value: object, path: str, message: str) -> None:
    found = problems(kinds.POD, merged(POD, f"spec.{field}", value))
    assert list(found) == ([f"spec.{path}"] if path else [])
    assert not path or message in found[f"spec.{path}"]


def test_without_a_policy_of_its_own_a_pod_needs_a_name_server() -> None:
    document = merged(merged(POD, "spec.dnsPolicy", "None"), "spec.dnsConfig", {"searches": ["a"]})
    found = problems(kinds.POD, document)
    assert list(found) == ["spec.dnsConfig.nameservers"]
    assert "must provide at least one DNS nameserver when `dnsPolicy` is None" in found["spec.dnsConfig.nameservers"]


GPU = "example.com/gpu"


@pytest.mark.parametrize(
    ("resources", "path", "message"),
    [
        ({"limits": {GPU: "2"}}, "", ""),
        ({"limits": {GPU: "2"}, "requests": {GPU: "2"}}, "", ""),
        ({"limits": {GPU: "1500m"}}, f".limits[{GPU}]", "must be an integer"),
        ({"limits": {GPU: "2"}, "requests": {GPU: "1"}}, ".requests", f"must be equal to {GPU} limit of 2"),
        ({"requests": {GPU: "1"}}, ".limits", "Required value: Limit must be set for non overcommit resources"),
        (
            {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}},
            ".requests",
            "must be less than or equal to cpu limit of 1",
        ),
        ({"limits": {"gpu": "1"}}, ".limits[gpu]", "must be a standard resource type or fully qualified"),
        ({"limits": {"kubernetes.io/a": "1"}}, ".limits[kubernetes.io/a]", "a standard resource for containers"),
        ({"limits": {"hugepages-2Mi": "2Mi"}}, "", "HugePages require cpu or memory"),
        ({"limits": {"hugepages-2Mi": "2Mi", "memory": "1Gi"}}, "", ""),
        ({"limits": {"ephemeral-storage": "1Gi"}}, "", ""),
    ],
)
def test_what_cannot_be_shared_is_asked_for_as_a_whole(resources: dict, path: str, message: str) -> None:
    found = problems(kinds.POD, merged(POD, "spec.containers.0.resources", resources))
    assert bool(found) == bool(message)
    assert not message or message in found[f"spec.containers[0].resources{path}"]
