"""What a key of the daemon's configuration may hold: each rule returns the checked value, or raises `ValueError`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swarmlet.addresses import join_address, split_address
from swarmlet.config_file import Rule
from swarmlet.model import thresholds

NODE_NAME_LENGTH_MAX = 63
DNS_NAME_LENGTH_MAX = 253
HOSTS_MAX = 32
SOCKET_PATH_BYTES_MAX = 107  # sun_path of Linux, without its closing zero

CPU = re.compile(r"\d+m|\d+(\.\d{1,3})?")
MEMORY = re.compile(r"\d+(\.\d+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")


def path(value: Any) -> Path:
    if not isinstance(value, str | Path) or not Path(value).is_absolute():
        raise ValueError("an absolute path")
    return Path(value)


def socket_path(value: Any) -> Path:
    found = path(value)
    if len(str(found).encode()) > SOCKET_PATH_BYTES_MAX:
        raise ValueError(f"an absolute path of at most {SOCKET_PATH_BYTES_MAX} bytes (Linux's limit for sockets)")
    return found


def node_name(value: Any) -> str:
    """Check the name of a Node: a DNS-1123 subdomain, short enough for the label `kubernetes.io/hostname`."""
    text = value if isinstance(value, str) else ""
    if len(text) > NODE_NAME_LENGTH_MAX or not all(_DNS_LABEL.fullmatch(part) for part in text.split(".")):
        raise ValueError(
            "lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, "
            f"at most {NODE_NAME_LENGTH_MAX} characters"
        )
    return text


def address(default_port: int) -> Rule:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError('text such as "10.0.0.5:7600"')  # noqa: TRY004  a rule speaks through ValueError alone
        return join_address(*split_address(value, default_port=default_port))

    return check


def hosts(value: Any) -> tuple[str, ...]:
    """Check names and IP addresses under which a machine is reached."""
    is_list = isinstance(value, list) and len(value) <= HOSTS_MAX
    if not is_list or not all(isinstance(each, str) and _is_host(each) for each in value):
        raise ValueError(f"a list of at most {HOSTS_MAX} DNS names in lower case and IP addresses")
    return tuple(value)


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        parts = text.split(".")
        return len(text) <= DNS_NAME_LENGTH_MAX and all(_DNS_LABEL.fullmatch(part) for part in parts)
    return True


def one_of(*choices: str) -> Rule:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return str(value)

    return check


def service_way(value: Any) -> str:
    ways = one_of("off", "auto", "nftables", "userspace")
    return str(ways("off" if value is False else value))  # YAML's own reading of off


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004  a rule speaks through ValueError alone
    return value


def integer(low: int, high: int) -> Rule:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return check


def odd(low: int, high: int) -> Rule:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high or value % 2 == 0:
            raise ValueError(f"an odd number from {low} to {high}")
        return value

    return check


def seconds(low: float, high: float) -> Rule:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"a number of seconds from {low:g} to {high:g}")
        return float(value)

    return check


def quantity(pattern: re.Pattern[str], example: str) -> Rule:
    def check(value: Any) -> str:
        if isinstance(value, bool) or not pattern.fullmatch(str(value)):
            raise ValueError(f'a quantity such as "{example}"')
        return str(value)

    return check


def labels(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(_is_label(key, text) for key, text in value.items()):
        raise ValueError(
            'a map of Kubernetes labels, such as {topology.kubernetes.io/zone: "a"}; values are quoted text'
        )
    return value


def _is_label(key: Any, value: Any) -> bool:
    if not isinstance(key, str) or not isinstance(value, str):
        return False
    prefix, slash, name = key.rpartition("/")
    if slash and not all(_DNS_LABEL.fullmatch(part) for part in prefix.split(".")):
        return False
    return bool(_LABEL_NAME.fullmatch(name)) and (value == "" or bool(_LABEL_NAME.fullmatch(value)))


def eviction_thresholds(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise ValueError('a map such as {memory.available: 100Mi, nodefs.available: "10%"}')  # noqa: TRY004  as above
    given = {str(signal): str(text) for signal, text in value.items()}
    for signal, text in given.items():
        thresholds.parse(signal, text)
    return {**thresholds.DEFAULTS, **given}


def docker_host(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith(("unix:///", "tcp://", "http://", "https://")):
        raise ValueError(
            "unix:///path, tcp://host:port, http:// or https:// (empty: DOCKER_HOST, else Docker's socket)"
        )
    return value
