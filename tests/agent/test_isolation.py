"""From security contexts and networks of Pods to what a runtime is told of them."""

from __future__ import annotations

import pytest

from swarmlet.agent.containers import isolation, pod_network, sandboxes
from swarmlet.agent.containers.isolation import RootForbiddenError
from swarmlet.agent.containers.pod_network import HostnameError
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.container_options import CONTAINER_OPTIONS
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_network import HostAlias, PodDNSConfig, PodDNSConfigOption
from swarmlet.model.security import (
    Capabilities,
    PodSecurityContext,
    Profile,
    SecurityContext,
    SELinuxOptions,
    Sysctl,
)
from swarmlet.runtime.isolation import Isolation, NameServers

MEMORY = 8 * 1024**3


def pod(container: Container | None = None, **spec: object) -> Pod:
    return Pod(
        metadata=ObjectMeta(name="web", namespace="shop", uid="u"),
        spec=PodSpec(containers=(container or Container(name="c"),), **spec),  # type: ignore[arg-type]
    )


def container(name: str = "c", **context: object) -> Container:
    return Container(name=name, security_context=SecurityContext(**context))  # type: ignore[arg-type]


def asking(limits: dict[str, str], requests: dict[str, str], name: str = "c", **more: str) -> Container:
    return Container(name=name, resources=ResourceRequirements(limits=limits, requests=requests), **more)  # type: ignore[arg-type]


def test_all_that_a_container_says_is_told() -> None:
    each = container(
        run_as_user=1000,
        run_as_group=2000,
        privileged=True,
        read_only_root_filesystem=True,
        allow_privilege_escalation=False,
        capabilities=Capabilities(add=("NET_ADMIN",), drop=("ALL",)),
        seccomp_profile=Profile(type="Unconfined"),
        app_armor_profile=Profile(type="Localhost", localhost_profile="web"),
        se_linux_options=SELinuxOptions(type="t", level="s0"),
    )
    of = pod(
        each, host_pid=True, host_ipc=True, security_context=PodSecurityContext(supplemental_groups=(5,), fs_group=6)
    )
    assert isolation.of_container(of, each) == Isolation(
        user="1000:2000",
        groups=(5, 6),
        privileged=True,
        read_only_root=True,
        no_new_privileges=True,
        capabilities_added=("NET_ADMIN",),
        capabilities_dropped=("ALL",),
        seccomp="unconfined",
        apparmor="web",
        selinux=("type:t", "level:s0"),
        host_processes=True,
        host_ipc=True,
    )


def test_what_is_not_said_is_left_to_the_image_and_the_engine() -> None:
    default = Profile(type="RuntimeDefault")
    each = container(allow_privilege_escalation=True, seccomp_profile=default, app_armor_profile=default)
    assert isolation.of_container(pod(each), each) == Isolation()


@pytest.mark.parametrize(
    ("context", "image_user", "user"),
    [
        ({}, "nobody", ""),
        ({"run_as_user": 0}, "nobody", "0"),
        ({"run_as_group": 5}, "nobody:nogroup", "nobody:5"),
        ({"run_as_group": 5}, "", "0:5"),
        ({"run_as_user": 0, "run_as_group": 0}, "7", "0:0"),
    ],
)
def test_a_group_without_a_user_goes_with_the_images(context: dict[str, int], image_user: str, user: str) -> None:
    each = container(**context)
    assert isolation.of_container(pod(each), each, image_user).user == user
    assert isolation.needs_image_user(isolation.context_of(pod(each), each)) == (list(context) == ["run_as_group"])


@pytest.mark.parametrize(
    ("user", "image_user", "message"),
    [
        (0, "1000", "container's runAsUser breaks non-root policy"),
        (None, "", "container has runAsNonRoot and image will run as root"),
        (None, "0:1000", "container has runAsNonRoot and image will run as root"),
        (None, "www:www", r"image has non-numeric user \(www\), cannot verify user is non-root"),
    ],
)
def test_root_is_forbidden_in_kubelets_words(user: int | None, image_user: str, message: str) -> None:
    each = container(run_as_user=user, run_as_non_root=True)
    with pytest.raises(RootForbiddenError, match=message + r".*\(pod: \"web_shop\(u\)\", container: c\)"):
        isolation.forbid_root(pod(each), each, image_user)


@pytest.mark.parametrize(("user", "image_user"), [(1, ""), (None, "1000"), (None, "1000:0")])
def test_others_than_root_are_not(user: int | None, image_user: str) -> None:
    each = container(run_as_user=user, run_as_non_root=True)
    isolation.forbid_root(pod(each), each, image_user)
    isolation.forbid_root(pod(), Container(name="c"), "")


@pytest.mark.parametrize(
    ("limits", "requests", "score"),
    [
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}, -997),
        ({}, {}, 1000),
        ({}, {"memory": "4Gi"}, 500),
        ({}, {"cpu": "1"}, 999),
        ({}, {"memory": "8Gi"}, 3),
        ({}, {"memory": "1"}, 999),
    ],
)
def test_oom_scores_are_kubelets(limits: dict[str, str], requests: dict[str, str], score: int) -> None:
    each = asking(limits, requests)
    assert isolation.oom_score(pod(each), each, MEMORY) == score


def test_a_sidecar_is_not_killed_before_those_it_serves() -> None:
    main, sidecar = asking({}, {"memory": "6Gi"}), asking({}, {"memory": "1Gi"}, "s", restart_policy="Always")
    of = pod(main, init_containers=(sidecar,))
    assert isolation.oom_score(of, sidecar, MEMORY) == isolation.oom_score(of, main, MEMORY) == 250


def test_what_a_runtime_without_isolation_ignores_is_named() -> None:
    each = Container(
        name="c",
        security_context=SecurityContext(privileged=True, run_as_user=0),
        resources=ResourceRequirements(limits={"memory": "1Gi"}),
    )
    of = pod(each, host_pid=True, security_context=PodSecurityContext(fs_group=0), host_aliases=(HostAlias(ip="::1"),))
    assert isolation.ignored_fields(of, each) == [
        "spec.securityContext.fsGroup",
        "spec.hostPID",
        "spec.hostAliases",
        "securityContext.privileged",
        "securityContext.runAsUser",
        "resources.limits[memory]",
    ]
    assert isolation.ignored_fields(pod(security_context=PodSecurityContext()), Container(name="c")) == []


def test_what_docker_alone_can_do_is_read_from_the_annotation() -> None:
    each = container()
    text = (
        '{"c": {"init": true, "user": "www", "stopSignal": "SIGQUIT", "ulimits": {"nofile": {"soft": 1, "hard": 2}}}}'
    )
    of = Pod(metadata=ObjectMeta(annotations={CONTAINER_OPTIONS: text}), spec=PodSpec(containers=(each,)))
    wanted = Isolation(user="www", init=True, stop_signal="SIGQUIT", ulimits=(("nofile", 1, 2),))
    assert isolation.of_container(of, each) == wanted
    as_root = container(run_as_user=0)
    assert isolation.of_container(of, as_root).user == "0"
    assert isolation.ignored_fields(of, each)[-1] == f"metadata.annotations[{CONTAINER_OPTIONS}]"


def test_names_aliases_and_parameters_go_with_the_network() -> None:
    context = PodSecurityContext(sysctls=(Sysctl(name="net/ipv4/tcp_rmem", value="1 2 3"),))
    aliases = (HostAlias(ip="10.0.0.1", hostnames=("a", "b")),)
    made = pod_network.network(pod(hostname="h", subdomain="s", security_context=context, host_aliases=aliases))
    assert (made.hostname, made.domain) == ("h", "s.shop.svc.cluster.local")
    assert made.hosts == (("a", "10.0.0.1"), ("b", "10.0.0.1"))
    assert made.sysctls == (("net.ipv4.tcp_rmem", "1 2 3"),)


def test_the_whole_name_is_the_hostname_where_that_is_asked_for_and_fits() -> None:
    made = pod_network.network(pod(subdomain="s", set_hostname_as_fqdn=True))
    assert (made.hostname, made.domain) == ("web.s.shop.svc.cluster.local", "")
    assert pod_network.network(pod(set_hostname_as_fqdn=True)).hostname == "web"
    with pytest.raises(
        HostnameError, match=r"FQDN .* is too long \(64 characters is the max, 87 characters requested\)"
    ):
        pod_network.network(pod(subdomain="s" * 60, set_hostname_as_fqdn=True))


MACHINE = NameServers(
    addresses=("127.0.0.53", "10.0.0.1", "10.0.0.2"), searches=("lan",), options=("ndots:1", "rotate")
)
CONFIG = PodDNSConfig(
    nameservers=("10.0.0.2", "9.9.9.9", "8.8.8.8"),
    searches=("shop", "lan"),
    options=(PodDNSConfigOption(name="ndots", value="5"), PodDNSConfigOption(name="edns0")),
)


def test_a_pods_name_servers_come_after_its_machines() -> None:
    assert pod_network.name_servers(pod(dns_policy="ClusterFirst", dns_config=CONFIG), MACHINE) == NameServers(
        addresses=("10.0.0.1", "10.0.0.2", "9.9.9.9"),
        searches=("lan", "shop"),
        options=("ndots:5", "rotate", "edns0"),
    )


def test_a_pod_may_have_name_servers_of_its_own_alone() -> None:
    assert pod_network.name_servers(pod(dns_policy="None", dns_config=CONFIG), MACHINE) == NameServers(
        addresses=CONFIG.nameservers, searches=CONFIG.searches, options=("ndots:5", "edns0")
    )


def test_on_the_machines_network_its_loopback_will_do() -> None:
    found = pod_network.name_servers(pod(host_network=True, dns_config=PodDNSConfig()), MACHINE)
    assert found.addresses == MACHINE.addresses


def test_a_pod_asks_the_clusters_dns_and_finds_services_by_their_short_names() -> None:
    assert pod_network.name_servers(pod(dns_config=CONFIG), MACHINE, "10.43.0.10") == NameServers(
        addresses=("10.43.0.10", "10.0.0.2", "9.9.9.9"),
        searches=("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan", "shop"),
        options=("ndots:5", "edns0"),
    )


@pytest.mark.parametrize(
    ("policy", "host_network", "asks"),
    [
        ("", False, True),
        ("ClusterFirst", False, True),
        ("ClusterFirst", True, False),
        ("ClusterFirstWithHostNet", True, True),
        ("ClusterFirstWithHostNet", False, True),
        ("Default", False, False),
        ("None", False, False),
    ],
)
def test_who_asks_the_clusters_dns_is_said_by_the_policy(policy: str, host_network: bool, asks: bool) -> None:
    asking = pod(dns_policy=policy, host_network=host_network)
    assert pod_network.needs_name_servers(asking, "10.43.0.10") == asks
    assert not pod_network.needs_name_servers(asking)
    assert ("10.43.0.10" in pod_network.name_servers(asking, MACHINE, "10.43.0.10").addresses) == asks


def test_resolv_conf_is_read_as_the_resolver_reads_it() -> None:
    text = "#\nnameserver 10.0.0.1 # x\n;nameserver 1.1.1.1\nnameserver\ndomain a\nsearch b c\noptions ndots:2 rotate\n"
    assert pod_network.read_resolv_conf(text) == NameServers(
        addresses=("10.0.0.1",), searches=("b", "c"), options=("ndots:2", "rotate")
    )


def test_one_container_by_itself_needs_no_sandbox() -> None:
    assert not sandboxes.is_needed(pod())
    assert sandboxes.is_needed(pod(share_process_namespace=True))
    assert sandboxes.is_needed(pod(init_containers=(Container(name="i"),)))


def test_what_is_critical_to_its_node_is_killed_last() -> None:
    each = Container(name="main")
    assert isolation.oom_score(pod(each, priority_class_name="system-node-critical"), each, MEMORY) == -997
    assert isolation.oom_score(pod(each, priority_class_name="system-cluster-critical"), each, MEMORY) == 1000
