"""The daemon's configuration file: YAML in, a frozen `Config` out, and one clear line for whatever is wrong.

Each key is a dataclass field annotated with its rule; a rule turns what the file holds into the field's value or
says what is allowed. Flags of the command line are checked by the same rules and win over the file.
"""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from swarmlet import config_file
from swarmlet.config_file import Rule
from swarmlet.errors import ConfigError
from swarmlet.model import device_classes, node_subnets, thresholds
from swarmlet.model.device_classes import DeviceClass
from swarmlet.model.singletons import FENCE_AFTER_SECONDS_MAX

DEFAULT_PATH = Path("/etc/swarmlet/config.yaml")
DEFAULT_DATA_DIR = Path("/var/lib/swarmlet")
DEFAULT_SOCKET = Path("/run/swarmlet/swarmlet.sock")
CONSENSUS_FOLDER = "raft"
SECCOMP_FOLDER = "seccomp"
PORT = 7600
DEFAULT_LISTEN = f"0.0.0.0:{PORT}"
NODE_NAME_LENGTH_MAX = 63
SOCKET_PATH_BYTES_MAX = 107  # sun_path of Linux, without its closing zero

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_CPU = re.compile(r"\d+m|\d+(\.\d{1,3})?")
_MEMORY = re.compile(r"\d+(\.\d+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?")
_HOST = re.compile(r"[A-Za-z0-9]([-.A-Za-z0-9]{0,251}[A-Za-z0-9])?")


# Rules: what a key may hold.


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path) or not Path(value).is_absolute():
        raise ValueError("an absolute path")
    return Path(value)


def _socket_path(value: Any) -> Path:
    path = _path(value)
    if len(str(path).encode()) > SOCKET_PATH_BYTES_MAX:
        raise ValueError(f"an absolute path of at most {SOCKET_PATH_BYTES_MAX} bytes (Linux's limit for sockets)")
    return path


def node_name(value: Any) -> str:
    """Check the name of a Node: a DNS-1123 subdomain, short enough for the label `kubernetes.io/hostname`."""
    text = value if isinstance(value, str) else ""
    if len(text) > NODE_NAME_LENGTH_MAX or not all(_DNS_LABEL.fullmatch(part) for part in text.split(".")):
        raise ValueError(
            "lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, "
            f"at most {NODE_NAME_LENGTH_MAX} characters"
        )
    return text


def split_address(text: str, *, default_port: int = PORT) -> tuple[str, int]:
    """Split "host", "host:port", "[v6]:port" or "v6"; raise `ValueError` where it is none of these."""
    allowed = 'host, host:port or [IPv6 address]:port, such as "10.0.0.5:7600"'
    if text.startswith("[") or text.count(":") < 2:
        host, bracket, rest = text.removeprefix("[").partition("]") if text.startswith("[") else _split_plain(text)
        port = rest.removeprefix(":")
    else:
        host, bracket, port = text, "]", ""
    literal = ":" in host
    if (literal and not (bracket and _is_v6(host))) or (not literal and not _HOST.fullmatch(host)):
        raise ValueError(allowed)
    if port and not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"{allowed}; the port is 0 to 65535")
    return host, int(port) if port else default_port


def _split_plain(text: str) -> tuple[str, str, str]:
    host, _, port = text.partition(":")
    return host, "", port


def _is_v6(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, host)
    except OSError:
        return False
    return True


def join_address(host: str, port: int) -> str:
    """Return "host:port", with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _address(default_port: int) -> Rule:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError('text such as "10.0.0.5:7600"')  # noqa: TRY004  a rule speaks through ValueError alone
        return join_address(*split_address(value, default_port=default_port))

    return check


def _one_of(*choices: str) -> Rule:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return str(value)

    return check


def _service_way(value: Any) -> str:
    ways = _one_of("off", "auto", "nftables", "userspace")
    return str(ways("off" if value is False else value))  # YAML's own reading of off


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004  a rule speaks through ValueError alone
    return value


def _integer(low: int, high: int) -> Rule:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return check


def _odd(low: int, high: int) -> Rule:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high or value % 2 == 0:
            raise ValueError(f"an odd number from {low} to {high}")
        return value

    return check


def _seconds(low: float, high: float) -> Rule:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"a number of seconds from {low:g} to {high:g}")
        return float(value)

    return check


def _quantity(pattern: re.Pattern[str], example: str) -> Rule:
    def check(value: Any) -> str:
        if isinstance(value, bool) or not pattern.fullmatch(str(value)):
            raise ValueError(f'a quantity such as "{example}"')
        return str(value)

    return check


def _labels(value: Any) -> Mapping[str, str]:
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


def _eviction_thresholds(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise ValueError('a map such as {memory.available: 100Mi, nodefs.available: "10%"}')  # noqa: TRY004  as above
    given = {str(signal): str(text) for signal, text in value.items()}
    for signal, text in given.items():
        thresholds.parse(signal, text)
    return {**thresholds.DEFAULTS, **given}


def _docker_host(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith(("unix:///", "tcp://", "http://", "https://")):
        raise ValueError(
            "unix:///path, tcp://host:port, http:// or https:// (empty: DOCKER_HOST, else Docker's socket)"
        )
    return value


# Keys.


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """What of this machine Pods may not have; Kubernetes' quantities."""

    cpu: Annotated[str, _quantity(_CPU, "500m")] = "100m"
    memory: Annotated[str, _quantity(_MEMORY, "512Mi")] = "256Mi"
    ephemeral_storage: Annotated[str, _quantity(_MEMORY, "1Gi")] = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Eviction:
    """How little a node may have left before it evicts Pods; a signal that is not named keeps its default.

    A condition of pressure holds for `pressure_transition_seconds` after its threshold was met last.
    """

    hard: Annotated[Mapping[str, str], _eviction_thresholds] = dataclasses.field(
        default_factory=lambda: dict(thresholds.DEFAULTS)
    )
    pressure_transition_seconds: Annotated[float, _seconds(0, 86_400)] = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCollection:
    """When images are removed: over `high_threshold_percent` of their disk, until `low_threshold_percent`.

    Only those that no container used for `minimum_age_seconds`; `images`: those that swarmlet pulled, or all.
    """

    high_threshold_percent: Annotated[int, _integer(1, 100)] = 85
    low_threshold_percent: Annotated[int, _integer(0, 100)] = 80
    minimum_age_seconds: Annotated[float, _seconds(0, 86_400 * 365)] = 120.0
    images: Annotated[str, _one_of("pulled", "all")] = "pulled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """Raft's clock, and when its log is cut. An election times out after one to two times its ticks."""

    tick_seconds: Annotated[float, _seconds(0.01, 10)] = 0.1
    heartbeat_ticks: Annotated[int, _integer(1, 100)] = 2
    election_ticks: Annotated[int, _integer(2, 1_000)] = 10
    snapshot_entries: Annotated[int, _integer(10, 10_000_000)] = 10_000
    snapshot_bytes: Annotated[int, _integer(64 * 1024, 16 * 1024**3)] = 16 * 1024 * 1024
    tail_entries: Annotated[int, _integer(0, 10_000_000)] = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLifecycle:
    """A node is not ready after so long without a heartbeat; its Pods are replaced so long after that.

    A node whose daemon answers but whose Engine does not is given more time: most often it comes back, its Pods with
    it. A node that has not heard of the quorum for `fence_after_seconds` kills its strict singletons.
    """

    not_ready_seconds: Annotated[float, _seconds(1, 86_400)] = 5.0
    evict_after_seconds: Annotated[float, _seconds(0, 86_400)] = 5.0
    evict_unwell_after_seconds: Annotated[float, _seconds(0, 86_400)] = 60.0
    fence_after_seconds: Annotated[float, _seconds(3, FENCE_AFTER_SECONDS_MAX)] = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaling:
    """How often a HorizontalPodAutoscaler looks, and how long a Pod's processor time is judged with care.

    In its first `cpu_initialization_seconds` it counts only while the Pod is ready; after that it counts not where the
    Pod became unready within `initial_readiness_seconds` of its start, and has so never been ready.
    """

    sync_seconds: Annotated[float, _seconds(1, 3_600)] = 15.0
    cpu_initialization_seconds: Annotated[float, _seconds(0, 86_400)] = 300.0
    initial_readiness_seconds: Annotated[float, _seconds(0, 86_400)] = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Which node is better for a Pod, all else alike: the one with the least taken, or, to need few, with the most."""

    strategy: Annotated[Literal["least-allocated", "most-allocated"], _one_of("least-allocated", "most-allocated")] = (
        "least-allocated"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebalance:
    """When running Pods are moved to even out the nodes; `enabled` counts until a user says otherwise at run time.

    A move must gain `threshold_percent` of an average node's share. It goes to a node that has been ready for
    `settle_seconds`, takes a Pod that is `minimum_age_seconds` old, and is undone where the replacement is not
    available after `ready_seconds`. Between looks `pause_seconds` go by.
    """

    enabled: Annotated[bool, _boolean] = True
    threshold_percent: Annotated[int, _integer(1, 1_000)] = 20
    moves_at_once: Annotated[int, _integer(1, 100)] = 2
    settle_seconds: Annotated[float, _seconds(0, 86_400)] = 30.0
    minimum_age_seconds: Annotated[float, _seconds(0, 86_400)] = 60.0
    ready_seconds: Annotated[float, _seconds(1, 86_400)] = 120.0
    pause_seconds: Annotated[float, _seconds(0.1, 86_400)] = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How Pods of different machines reach each other: "none" leaves them to the Engine's own bridge.

    `cluster_cidr` counts where the cluster has none yet. `mtu` 0: what the way to the other machines leaves room for.
    `dns`: this machine answers the cluster's names, and its Pods ask it. `services`: what balances connections to
    Services on this machine, "auto" the kernel where it can, and else a proxy. `policies`: its Pods are held to theirs.
    """

    mode: Annotated[str, _one_of("none", "vxlan", "host-gw")] = "none"
    cluster_cidr: Annotated[str, node_subnets.read_cluster_cidr] = node_subnets.CLUSTER_CIDR
    mtu: Annotated[int, node_subnets.read_mtu] = 0
    dns: Annotated[bool, _boolean] = False
    services: Annotated[str, _service_way] = "off"
    policies: Annotated[bool, _boolean] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    level: Annotated[str, _one_of("debug", "info", "warning", "error")] = "info"
    format: Annotated[str, _one_of("auto", "json", "console")] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All keys, checked. `advertise` "" means: found out when the machine joins, and then kept in its data folder."""

    data_dir: Annotated[Path, _path] = DEFAULT_DATA_DIR
    node_name: Annotated[str, node_name] = ""
    listen: Annotated[str, _address(PORT)] = DEFAULT_LISTEN
    advertise: Annotated[str, _address(0)] = ""
    status_listen: Annotated[str, _address(PORT + 1)] = "127.0.0.1:7601"
    socket: Annotated[Path, _socket_path] = DEFAULT_SOCKET
    runtime: Annotated[str, _one_of("auto", "docker", "process")] = "auto"
    docker_host: Annotated[str, _docker_host] = ""
    container_runtime: Annotated[str, _one_of("auto", "crun", "runc")] = "auto"
    labels: Annotated[Mapping[str, str], _labels] = dataclasses.field(default_factory=dict)
    devices: Annotated[Mapping[str, DeviceClass], device_classes.read] = dataclasses.field(default_factory=dict)
    seccomp_dir: Annotated[Path, _path] = DEFAULT_DATA_DIR / SECCOMP_FOLDER
    registry_credentials: Annotated[Path | None, _path] = None
    resolv_conf: Annotated[Path, _path] = Path("/etc/resolv.conf")
    reserved: Reserved = Reserved()
    max_pods: Annotated[int, _integer(1, 1_000)] = 110
    eviction: Eviction = dataclasses.field(default_factory=Eviction)
    image_collection: ImageCollection = ImageCollection()
    voters_max: Annotated[int, _odd(1, 9)] = 5
    standbys_max: Annotated[int, _integer(0, 9)] = 2
    voter_replace_after_seconds: Annotated[float, _seconds(1, 86_400)] = 10.0
    consensus: Consensus = Consensus()
    node_lifecycle: NodeLifecycle = NodeLifecycle()
    usage_seconds: Annotated[float, _seconds(1, 3_600)] = 15.0
    autoscaling: Autoscaling = Autoscaling()
    placement: Placement = Placement()
    rebalance: Rebalance = Rebalance()
    network: Network = Network()
    log: Log = Log()

    @property
    def consensus_dir(self) -> Path:
        """Where consensus keeps its log and snapshots."""
        return self.data_dir / CONSENSUS_FOLDER


# Reading.


def load(path: Path | None = None, flags: Mapping[str, Any] | None = None) -> Config:
    """Return the configuration of the file at `path` with `flags` (key -> value; None: not given) laid over it.

    Without a path the default file is read where it exists; without one all keys have their defaults.
    Raises `ConfigError` naming the file or flag, the key, what was found and what is allowed.
    """
    document = config_file.read(path or DEFAULT_PATH) if path or DEFAULT_PATH.exists() else {}
    values = config_file.section(Config, document, str(path or DEFAULT_PATH), "")
    for key, value in (flags or {}).items():
        if value is not None:
            values[key] = config_file.checked(config_file.rules(Config)[key], value, _flag(key))
    config = Config(**values)
    _check_timing(config.consensus, str(path or DEFAULT_PATH))
    _check_image_collection(config.image_collection, str(path or DEFAULT_PATH))
    return dataclasses.replace(config, **_derived(config, values))


def _derived(config: Config, given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "node_name" not in given:
        found["node_name"] = config_file.checked(
            node_name, socket.gethostname().lower(), "node_name (from the host name; set it, or give --name)"
        )
    if "socket" not in given and config.data_dir != DEFAULT_DATA_DIR:
        found["socket"] = config_file.checked(_socket_path, config.data_dir / "swarmlet.sock", "socket (in data_dir)")
    if "seccomp_dir" not in given:
        found["seccomp_dir"] = config.data_dir / SECCOMP_FOLDER
    if config.advertise.endswith(":0"):
        found["advertise"] = config.advertise.removesuffix(":0") + ":" + config.listen.rpartition(":")[2]
    return found


def _flag(key: str) -> str:
    return "--name" if key == "node_name" else "--" + key.replace("_", "-")


def _check_timing(consensus: Consensus, file: str) -> None:
    if consensus.election_ticks <= consensus.heartbeat_ticks:
        raise ConfigError(
            f"{file}: consensus.election_ticks: found {consensus.election_ticks}; "
            f"allowed: more than heartbeat_ticks, which is {consensus.heartbeat_ticks}"
        )


def _check_image_collection(collection: ImageCollection, file: str) -> None:
    if collection.low_threshold_percent >= collection.high_threshold_percent:
        raise ConfigError(
            f"{file}: image_collection.low_threshold_percent: found {collection.low_threshold_percent}; "
            f"allowed: less than high_threshold_percent, which is {collection.high_threshold_percent}"
        )
