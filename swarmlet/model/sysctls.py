"""The kernel parameters that a Pod may set: those that it has to itself and that do nothing to its neighbours.

Source: kubernetes pkg/kubelet/sysctl/safe_sysctls.go and component-helpers/node/util/sysctl.
"""

from __future__ import annotations

SAFE = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)


def normal(name: str) -> str:
    """Return a parameter's name with dots, where it was written as a path ("net/ipv4/tcp_rmem")."""
    separator = next((letter for letter in name if letter in "./"), ".")
    return name if separator == "." else name.translate(str.maketrans("./", "/."))


def is_of_network(name: str) -> bool:
    """Whether it belongs to the network namespace; the others belong to that of System V IPC."""
    return name.startswith("net.")
